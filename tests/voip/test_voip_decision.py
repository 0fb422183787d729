"""Where a call goes, without a network: every way that a call may come, against a directory."""

from __future__ import annotations

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.domain.numbers import Numbering
from scp.voip.decision import Call, Plan, Rules, decide
from scp.voip.directory import Device, DeviceState, Directory, Identity, Mobile
from scp.voip.messages import Ended
from scp.voip.reason import WORDS, Reason

NUMBERING = Numbering(country_code="46", never_steer=frozenset({"911"}))
RULES = Rules("voip.example", NUMBERING, gateway="10.0.0.5:5060", emergency=frozenset({"112"}))
ALICE, BOB = "11234567", "46701234567"
HA1 = "0" * 32


def directory(**bound: int) -> Directory:
    made = Directory()
    made.put_identity(Identity(ALICE, dids=("46812345",), aliases=("alice",)))
    made.put_identity(Identity(BOB, mobile=Mobile.PARALLEL, barred=("4690",), shared=("468999",)))
    made.put_identity(Identity("46701234568", mobile=Mobile.NEVER, shared=("468999",)))
    made.put_device(Device("bob-phone", HA1, (BOB,)))
    made.put_device(Device("old-phone", HA1, (BOB,), state=DeviceState.REVOKED))
    for msisdn, count in bound.items():
        made.bind(msisdn.removeprefix("_"), count)
    return made


def from_trunk(to: str, made: Directory, rules: Rules = RULES, **more: object) -> Plan:
    return decide(Call(to, "46700000009", trunk="gateway", **more), made, rules)  # type: ignore[arg-type]


def from_bob(to: str, made: Directory, rules: Rules = RULES) -> Plan:
    return decide(Call(to, f"+{BOB}", device="bob-phone"), made, rules)


@pytest.mark.parametrize("dialled", ["990011234567", "46812345", "+11234567", "+46812345"])
def test_a_marked_number_and_a_did_ring_the_devices_and_then_the_mobile(dialled: str) -> None:
    if dialled == "46812345":
        dialled = "0046812345"
    plan = from_trunk(dialled, directory(_11234567=2))
    assert plan.reason is Reason.RINGS_DEVICES
    devices, mobile = plan.steps
    assert (devices.aor, devices.seconds) == ("sip:+11234567@voip.example", 25)
    assert mobile.uri == "sip:+11234567@10.0.0.5:5060"
    assert "Diversion: <sip:+11234567@voip.example>;reason=no-answer;counter=1\r\n" in mobile.headers
    assert (plan.called, plan.caller, plan.payer) == (ALICE, "46700000009", ALICE)
    assert plan.fallback == (mobile,)


def test_without_a_device_the_call_goes_back_at_once() -> None:
    plan = from_trunk("990011234567", directory())
    assert plan.reason is Reason.NO_DEVICE
    (mobile,) = plan.steps
    assert "reason=unavailable" in mobile.headers
    assert plan.payer == ""


@pytest.mark.parametrize("to", ["alice", "0011234567", "00469012345", "0046709999999"])
def test_a_call_to_a_one_time_number_is_its_owners_and_not_the_trunks(to: str) -> None:
    made = directory(_11234567=1)
    plan = decide(Call(to, f"+{BOB}", trunk="gateway", behalf=BOB), made, RULES)
    wanted = from_bob(to, made)
    assert (plan.reason, plan.code, plan.number) == (wanted.reason, wanted.code, wanted.number)
    assert plan.caller == wanted.caller == BOB


def test_what_comes_back_though_it_was_sent_back_ends() -> None:
    plan = from_trunk("990011234567", directory(_11234567=1), diverted_by=("+11234567",))
    assert (plan.reason, plan.code, plan.steps) == (Reason.CAME_BACK, 480, ())


def test_a_marked_number_of_nobody_goes_back_and_another_is_refused() -> None:
    assert from_trunk("990046709999999", directory()).reason is Reason.UNKNOWN_IDENTITY
    assert from_trunk("990046709999999", directory()).steps[0].uri == "sip:+46709999999@10.0.0.5:5060"
    refused = from_trunk("0046709999999", directory())
    assert (refused.reason, refused.code) == (Reason.NOT_OURS, 404)


def test_the_mark_alone_is_no_marked_number() -> None:
    """There is no number behind it, so there is nobody to send the call back to."""
    refused = from_trunk("99", directory())
    assert (refused.reason, refused.code, refused.steps) == (Reason.NOT_OURS, 404, ())


def test_the_mobile_rings_along_where_it_is_so_set() -> None:
    plan = from_trunk(f"9900{BOB}", directory(_46701234567=1))
    assert plan.steps[0].branch == f"sip:+{BOB}@10.0.0.5:5060"


def test_a_shared_number_rings_all_that_are_bound_at_once() -> None:
    plan = from_trunk("9900468999", directory(_46701234567=1, _46701234568=1))
    (both, _) = plan.steps
    assert (both.aor, *both.more) == (f"sip:+{BOB}@voip.example", "sip:+46701234568@voip.example")


@pytest.mark.parametrize("to", ["0011234567", "+11234567", "alice"])
def test_a_subscriber_of_ours_is_rung_without_the_switch(to: str) -> None:
    plan = from_bob(to, directory(_11234567=1))
    assert (plan.reason, plan.steps[0].aor, plan.payer) == (
        Reason.TO_DEVICE,
        "sip:+11234567@voip.example",
        "",
    )
    assert plan.headers == f"P-Asserted-Identity: <sip:+{BOB}@voip.example>\r\n"


def test_others_are_called_over_the_gateway() -> None:
    assert from_bob("alice", directory()).steps[0].uri == "sip:+11234567@10.0.0.5:5060"
    plan = from_bob("0709999999", directory())
    assert (plan.reason, plan.steps[0].uri, plan.payer) == (
        Reason.TO_GATEWAY,
        "sip:+46709999999@10.0.0.5:5060",
        BOB,
    )


def test_an_emergency_number_goes_out_as_dialled_and_costs_nothing() -> None:
    plan = from_bob("112", directory())
    assert (plan.reason, plan.steps[0].uri, plan.payer) == (Reason.EMERGENCY, "sip:112@10.0.0.5:5060", "")


def test_what_a_device_may_not() -> None:
    made = directory()
    assert from_bob("0909999999", made).reason is Reason.BARRED
    assert from_bob("12", made).reason is Reason.UNUSABLE_NUMBER
    assert decide(Call("112", f"+{ALICE}", device="bob-phone"), made, RULES).reason is Reason.UNKNOWN_CALLER
    assert decide(Call("112", f"+{BOB}", device="old-phone"), made, RULES).reason is Reason.UNKNOWN_CALLER


@given(st.text(max_size=20), st.text(max_size=20), st.booleans(), st.booleans())
def test_every_call_gets_steps_or_an_answer_and_a_path_that_ends_with_the_reason(
    to: str, caller: str, trunk: bool, bound: bool
) -> None:
    made = directory(_11234567=int(bound))
    call = Call(to, caller, trunk="gateway" if trunk else "", device="" if trunk else "bob-phone")
    plan = decide(call, made, RULES)
    assert bool(plan.steps) != bool(plan.code)
    assert plan.path
    assert plan.code == 0 or 400 <= plan.code < 700
    for step in plan.steps:
        assert "\r" not in step.uri
        assert bool(step.aor) != bool(step.uri)


def test_every_reason_has_its_words() -> None:
    assert set(WORDS) == set(Reason)


def test_numbers_are_one_identitys() -> None:
    made = directory()
    with pytest.raises(ValueError, match="46812345 is 11234567's already"):
        made.put_identity(Identity("46709999999", dids=("46812345",)))
    with pytest.raises(ValueError, match="alias alice is 11234567's already"):
        made.put_identity(Identity("46709999999", aliases=("alice",)))
    made.remove_identity(ALICE)
    made.put_identity(Identity("46709999999", dids=("46812345",), aliases=("alice",)))
    assert [one.msisdn for one in made.called("46812345")] == ["46709999999"]


def test_an_identity_with_a_device_takes_less_than_a_kibibyte() -> None:
    count = 5000
    identity, device = msgspec.json.Decoder(Identity).decode, msgspec.json.Decoder(Device).decode
    rows = [
        (
            msgspec.json.encode(Identity(f"4670{n:07}")),
            msgspec.json.encode(Device(f"d-{n:016x}", f"{n * 7919:032x}", (f"4670{n:07}",))),
        )
        for n in range(count)
    ]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        directory = Directory()
        for one, other in rows:
            directory.put_identity(identity(one))
            directory.put_device(device(other))
        for n in range(count):
            directory.bind(f"4670{n:07}", 2)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken / count < 1024


@given(st.integers(0, 10**9), st.integers(0, 999_999), st.integers(0, 4 * 3_600 * 10**6))
def test_a_begun_second_of_talk_is_a_whole_one_and_a_timer_ends_at_the_nearest(
    since: int, part: int, talked: int
) -> None:
    began, over = (since * 10**6 + part, since * 10**6 + part + talked)
    texts = [f"{at // 10**6}.{at % 10**6:06}" for at in (began, over)]
    for cut, seconds in (("0", -(-talked // 10**6)), ("1", (talked + 500_000) // 10**6)):
        end = Ended("1", "", "", "", began // 10**6, over // 10**6, begun=texts[0], over=texts[1], cut=cut)
        assert end.seconds == seconds
    assert Ended("1", "", "", "", since, since + 7).seconds == 7
    assert Ended("1", "", "", "", since, since - 1).seconds == 0  # a clock that was set back
