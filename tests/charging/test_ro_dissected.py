"""What the node writes to a Diameter server, as tshark reads it, and as python-diameter does."""

from __future__ import annotations

import pytest
from diameter.message import Message
from hypothesis import Phase, given
from hypothesis import strategies as st

from oracles import tshark
from oracles.diameter_pcap import Octets, pcap, problems
from oracles.examples import examples
from scp.charging.ro_messages import (
    Identity,
    Party,
    Reason,
    Request,
    RequestType,
    Used,
    capabilities,
    credit_control,
    credit_control_request,
    disconnect,
    watchdog,
)

pytestmark = pytest.mark.skipif(bool(tshark.available()), reason=tshark.available())
OURS = Identity("scp1.example", "example", "charging.example", "32260@3gpp.org", 7, 8, 3, 1_700_000_000)
NUMBER = st.from_regex(r"46[0-9]{6,12}", fullmatch=True)  # tshark reads what is none as malformed
REQUESTS = st.builds(
    Request,
    st.from_regex(r"[a-z]{1,9};[0-9]{1,9};[0-9]{1,9}", fullmatch=True),
    st.sampled_from(RequestType),
    st.integers(0, 0xFFFF_FFFF),
    st.builds(Party, NUMBER, NUMBER, NUMBER, st.from_regex(r"[a-z]{1,9}", fullmatch=True)),
    st.booleans(),
    st.none() | st.integers(0, 0xFFFF_FFFF),
    st.sampled_from([(), (Used(3),), (Used(40, 0), Used(20, 1))]),
    st.sampled_from([None, Reason.FINAL, Reason.QUOTA_EXHAUSTED]),
    st.integers(0, 2_000_000_000),
)


@given(st.lists(REQUESTS, min_size=20, max_size=20))
@examples(1, phases=[Phase.generate])  # tshark takes half a second: nothing is made smaller
def test_tshark_and_the_library_read_what_is_asked(requests) -> None:
    writes = []
    for number, each in enumerate(requests):
        octets = credit_control_request(
            credit_control(each, OURS, "ocs1.example"), number, 7, 0x10 * (number % 2)
        )
        writes.append(Octets(octets, sent=True))
        theirs = Message.from_bytes(octets)
        assert (theirs.session_id, theirs.cc_request_type, theirs.cc_request_number) == each[:3]
        (services,) = theirs.multiple_services_credit_control
        units = "cc_service_specific_units" if each.messages else "cc_time"
        used = [(getattr(one, units), one.tariff_change_usage) for one in services.used_service_unit]
        assert used == list(each.used)
        assert (services.requested_service_unit is None) == (each.asked is None)
        assert each.asked is None or getattr(services.requested_service_unit, units) == each.asked
        assert theirs.event_timestamp.timestamp() >= 0
    count, found = problems(writes)
    assert count == len(writes)
    assert not found, "\n".join(found)
    columns = (
        "diameter.Session-Id",
        "diameter.CC-Request-Number",
        "diameter.Subscription-Id-Data",
        "diameter.flags.T",
    )
    wanted = [word for column in columns for word in ("-e", column)]
    lines = tshark.run(pcap(writes), "-T", "fields", "-E", "separator=|", *wanted).splitlines()
    assert [line.split("|")[:3] for line in lines] == [
        [each.session, str(each.number), each.party.account] for each in requests
    ]
    assert [line.split("|")[3].lower() in ("1", "true") for line in lines] == [
        number % 2 == 1 for number in range(20)
    ]


def test_tshark_finds_what_is_wrong() -> None:
    """Without which its silence would say nothing."""
    good = watchdog(OURS, 1, 2)
    bad = good[:25] + b"\x00\x00\xff" + good[28:]
    (found,) = problems([Octets(good, sent=True, connection=1), Octets(bad, sent=True)])[1]
    assert found.endswith(bad.hex())


def test_the_base_protocols_messages() -> None:
    octets = [capabilities(OURS, 1, 2, ["127.0.0.1", "::1"]), watchdog(OURS, 3, 4), disconnect(OURS, 5, 6)]
    assert problems([Octets(each, sent=True) for each in octets]) == (3, [])
    asked, alive, leaving = (Message.from_bytes(each) for each in octets)
    assert asked.auth_application_id == [4]
    assert [address[1] for address in asked.host_ip_address] == ["127.0.0.1", "::1"]
    assert alive.origin_state_id == asked.origin_state_id == 1_700_000_000
    assert leaving.disconnect_cause == 0
