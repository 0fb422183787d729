"""The rules between the flags: every state a record can be in, times everything that can be asked for."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scp.domain.provisioning import (
    RULES,
    Authorize,
    Deregister,
    DisableForwarding,
    EnableForwarding,
    ForgetRoaming,
    Operation,
    Refusal,
    Register,
    SetRoaming,
    Withdraw,
    apply,
    condition_fault,
    fault,
)
from scp.domain.subscriber import Subscriber, When

NUMBER = "46701234567"
EMPTY = Subscriber(NUMBER)
AUTHORIZED = Subscriber(NUMBER, imsi="240010123456789", authorized=True, roaming=True, vlr="4673", version=7)
REGISTERED = replace(AUTHORIZED, aor="sip:a@voip.example", forwarding_number="46850000001")
FORWARDED = replace(REGISTERED, forwarding=True, when=When.LOCATIONS, locations=("4673",))
STATES = {"empty": EMPTY, "authorized": AUTHORIZED, "registered": REGISTERED, "forwarded": FORWARDED}
"""The only states there are: forwarding ⇒ registered ⇒ authorized."""

AUTHORIZE = Authorize("240019999999999")
REGISTER = Register("sip:b@voip.example")
ENABLE = EnableForwarding(When.ROAMING)
DISABLE = DisableForwarding(When.ROAMING)
ROAMING = SetRoaming(roaming=False, vlr="4670")
NO_FORWARDING = {"forwarding": False, "when": When.ALWAYS, "locations": ()}
NO_REGISTRATION = {"aor": None, "forwarding_number": None, **NO_FORWARDING}

# What becomes of each state: the fields that change, or why it is refused. One line a combination.
TABLE: dict[tuple[str, Operation], dict[str, object] | Refusal] = {
    ("empty", AUTHORIZE): {"authorized": True, "imsi": "240019999999999"},
    ("authorized", AUTHORIZE): {"imsi": "240019999999999"},
    ("registered", AUTHORIZE): {"imsi": "240019999999999"},
    ("forwarded", AUTHORIZE): {"imsi": "240019999999999"},
    ("empty", Withdraw()): {},
    ("authorized", Withdraw()): {"authorized": False, "imsi": None},
    ("registered", Withdraw()): {"authorized": False, "imsi": None, **NO_REGISTRATION},
    ("forwarded", Withdraw()): {"authorized": False, "imsi": None, **NO_REGISTRATION},
    ("empty", REGISTER): Refusal.NOT_AUTHORIZED,
    ("authorized", REGISTER): {"aor": "sip:b@voip.example"},
    ("registered", REGISTER): {"aor": "sip:b@voip.example", "forwarding_number": None},
    ("forwarded", REGISTER): {"aor": "sip:b@voip.example", "forwarding_number": None},
    ("empty", Deregister()): {},
    ("authorized", Deregister()): {},
    ("registered", Deregister()): NO_REGISTRATION,
    ("forwarded", Deregister()): NO_REGISTRATION,
    ("empty", ENABLE): Refusal.NOT_AUTHORIZED,
    ("authorized", ENABLE): Refusal.NOT_REGISTERED,
    ("registered", ENABLE): {"forwarding": True, "when": When.ROAMING},
    ("forwarded", ENABLE): {"when": When.ROAMING, "locations": ()},
    ("empty", DISABLE): {"when": When.ROAMING},
    ("authorized", DISABLE): {"when": When.ROAMING},
    ("registered", DISABLE): {"when": When.ROAMING},
    ("forwarded", DISABLE): {"forwarding": False, "when": When.ROAMING, "locations": ()},
    ("empty", ROAMING): {"roaming": False, "vlr": "4670"},
    ("authorized", ROAMING): {"roaming": False, "vlr": "4670"},
    ("registered", ROAMING): {"roaming": False, "vlr": "4670"},
    ("forwarded", ROAMING): {"roaming": False, "vlr": "4670"},
    ("empty", ForgetRoaming()): {},
    ("authorized", ForgetRoaming()): {"roaming": None, "vlr": None},
    ("registered", ForgetRoaming()): {"roaming": None, "vlr": None},
    ("forwarded", ForgetRoaming()): {"roaming": None, "vlr": None},
}


def test_the_table_has_every_combination() -> None:
    operations = {type(operation): operation for _, operation in TABLE}
    assert set(operations) == set(RULES)
    assert set(TABLE) == set(product(STATES, operations.values()))


@pytest.mark.parametrize(("state", "operation"), TABLE, ids=lambda value: str(value).partition("(")[0])
def test_every_operation_in_every_state(state: str, operation: Operation) -> None:
    before, expected = STATES[state], TABLE[state, operation]
    after = apply(before, operation)
    if isinstance(expected, Refusal):
        assert after is expected
    else:
        assert after == replace(before, **expected)
        assert after.version == before.version


operations = st.one_of(
    st.builds(Authorize, st.none() | st.just("240010123456789")),
    st.just(Withdraw()),
    st.builds(Register, st.just("sip:a@b"), st.none() | st.just("46850000001")),
    st.just(Deregister()),
    *(
        st.sampled_from([kind(When.ALWAYS), kind(When.ROAMING), kind(When.LOCATIONS, ("46", "42f010"))])
        for kind in (EnableForwarding, DisableForwarding)
    ),
    st.builds(SetRoaming, st.booleans(), st.none() | st.just("4670")),
    st.just(ForgetRoaming()),
)


@given(st.lists(operations, max_size=20))
def test_no_order_of_operations_makes_a_record_at_fault(asked: list[Operation]) -> None:
    record = EMPTY
    for operation in asked:
        after = apply(record, operation)
        if not isinstance(after, Refusal):
            record = after
        assert fault(record) == ""
        assert record.forwarding <= record.registered <= record.authorized


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Subscriber("0701234567"), "msisdn"),
        (Subscriber("4670"), "msisdn"),
        (Subscriber(NUMBER, aor="sip:a@b"), "aor"),
        (replace(AUTHORIZED, forwarding=True), "forwarding"),
        (replace(AUTHORIZED, forwarding_number="46850000001"), "forwarding_number"),
        (replace(REGISTERED, when=When.LOCATIONS), "locations"),
    ],
)
def test_what_no_operation_leads_to_is_named(record: Subscriber, field: str) -> None:
    assert fault(record).startswith(f"{field}: ")


def test_a_condition_on_locations_needs_some() -> None:
    assert condition_fault(When.LOCATIONS, ()).startswith("locations: ")
    assert not condition_fault(When.LOCATIONS, ("46",))
    assert not condition_fault(When.ALWAYS, ())
