"""Who is shown as caller, who may call, when nothing rings, which devices ring: through the decision and Kamailio."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from voip_lab import DEVICE, DOMAIN, Lab, Sipp, free_tcp_port, header, refused, unavailable

from oracles.waiting import wait_until
from scp import client
from scp.client import voip
from scp.domain.numbers import Numbering
from scp.voip.decision import ANONYMOUS, Call, Plan, Rules, decide
from scp.voip.directory import Device, Directory, Identity, Mobile
from scp.voip.messages import wants_privacy
from scp.voip.reason import Reason
from scp.voip.user_rules import Day, UserRules, Window

ALICE, BOB, ZOE, YAN = "11234567", "46701234567", "46702000031", "46702000032"
HA1 = "0" * 32
RULES = Rules(
    "voip.example",
    Numbering(country_code="46"),
    gateway="10.0.0.5:5060",
    classes=(("premium", ("46900", "46939")), ("abroad", ("1", "49"))),
)


def directory(**alice: object) -> Directory:
    made = Directory()
    made.put_identity(Identity(ALICE, **alice))  # type: ignore[arg-type]
    made.put_device(Device("alice-phone", HA1, (ALICE,)))
    made.put_identity(Identity(BOB, dids=("46812345",)))
    made.put_device(Device("bob-phone", HA1, (BOB,)))
    made.bind(BOB, 1)
    return made


def alice_dials(to: str, **alice: object) -> Plan:
    return decide(Call(to, f"+{ALICE}", device="alice-phone"), directory(**alice), RULES)


def to_alice(caller: str, at: float = 0, *, hidden: bool = False, **alice: object) -> Plan:
    made = directory(**alice)
    made.bind(ALICE, 1)
    return decide(Call(f"9900{ALICE}", caller, "gateway", at=at, hidden=hidden), made, RULES)


# --- the decision ---


def test_a_withheld_number_is_for_the_gateway_alone() -> None:
    plan = alice_dials(f"00{BOB}", presentation="withheld")
    assert (plan.sender, plan.headers, plan.hidden) == (ANONYMOUS, "Privacy: id\r\n", True)
    devices, mobile = plan.steps
    assert ALICE not in devices.headers
    assert f"P-Asserted-Identity: <sip:+{ALICE}@voip.example>\r\n" in mobile.headers
    out = alice_dials("0709999999", presentation="withheld")
    assert (out.sender, out.headers) == (
        ANONYMOUS,
        f"Privacy: id\r\nP-Asserted-Identity: <sip:+{ALICE}@voip.example>\r\n",
    )


def test_one_call_is_hidden_where_its_device_asks_for_it() -> None:
    made = directory(dids=("46850000077",), presentation="46850000077")
    call = Call(f"00{BOB}", f"+{ALICE}", device="alice-phone", hidden=True)
    assert decide(call, made, RULES) == alice_dials(f"00{BOB}", presentation="withheld")
    emergency = decide(replace(call, to="112"), made, RULES)
    assert (emergency.sender, emergency.hidden) == ("", False)


def test_a_number_of_its_own_is_shown_in_place_of_the_first() -> None:
    plan = alice_dials(f"00{BOB}", dids=("46850000077",), presentation="46850000077")
    assert (plan.sender, plan.headers) == (
        "sip:+46850000077@voip.example",
        "P-Asserted-Identity: <sip:+46850000077@voip.example>\r\n",
    )
    own = alice_dials(f"00{BOB}")
    assert (own.sender, own.headers) == ("", f"P-Asserted-Identity: <sip:+{ALICE}@voip.example>\r\n")


@pytest.mark.parametrize("presentation", ["own", "withheld", "46850000077"])
def test_an_emergency_call_shows_its_own_number_whatever_is_barred(presentation: str) -> None:
    plan = alice_dials(
        "112", presentation=presentation, dids=("46850000077",), barred=("1", "2", "4", "abroad")
    )
    assert (plan.reason, plan.payer) == (Reason.EMERGENCY, "")
    assert (plan.sender, plan.headers) == ("", f"P-Asserted-Identity: <sip:+{ALICE}@voip.example>\r\n")


@pytest.mark.parametrize(
    ("barred", "dialled", "reason"),
    [
        (("premium",), "0900123456", Reason.BARRED),
        (("premium",), "+46939123456", Reason.BARRED),
        (("premium",), "0709999999", Reason.TO_GATEWAY),
        (("abroad",), "004915700000001", Reason.BARRED),
        (("abroad",), "0900123456", Reason.TO_GATEWAY),
        (("46812345",), "0812345", Reason.BARRED),  # a subscriber's DID, too
        (("abroad",), f"00{BOB}", Reason.TO_DEVICE),
        ((), "0900123456", Reason.TO_GATEWAY),
    ],
)
def test_what_is_barred_is_not_called(barred: tuple[str, ...], dialled: str, reason: Reason) -> None:
    assert alice_dials(dialled, barred=barred).reason is reason


@given(
    st.lists(st.sampled_from(["1", "4", "46", "11", "112", "premium", "abroad"]), max_size=4).map(tuple),
    st.sampled_from(["shared", "exclusive"]),
    st.sampled_from(list(Mobile)),
    st.sampled_from(["", "46700000077"]),
    st.booleans(),
    st.integers(0, 2),
)
def test_an_emergency_call_goes_out_whatever_else_is_so(
    barred: tuple[str, ...], mode: str, mobile: Mobile, payer: str, quiet: bool, bindings: int
) -> None:
    made = directory(barred=barred, mode=mode, mobile=mobile, payer=payer, rules=UserRules(quiet=quiet))
    made.bind(ALICE, bindings)
    plan = decide(Call("112", f"+{ALICE}", device="alice-phone"), made, RULES)
    assert (plan.reason, plan.payer, plan.code) == (Reason.EMERGENCY, "", 0)
    assert [one.uri for one in plan.steps] == ["sip:112@10.0.0.5:5060"]


@given(st.sampled_from([*range(10, 100)]), st.integers(100_000, 999_999), st.integers(1, 8))
def test_a_barred_prefix_bars_the_numbers_that_begin_with_it_and_no_others(
    country: int, rest: int, length: int
) -> None:
    number = f"{country}{rest}"
    told = alice_dials(f"00{number}", barred=(number[:length],))
    assert (told.reason, told.code, told.text) == (Reason.BARRED, 403, "Barred")
    other = f"{(int(number[:length]) + 1) % 10**length:0{length}}"
    assert alice_dials(f"00{number}", barred=(other,)).reason is Reason.TO_GATEWAY


def test_who_hides_the_number_is_not_shown_and_counts_as_unknown() -> None:
    shown, hidden = to_alice("46700000009"), to_alice("46700000009", hidden=True)
    assert "46700000009" in shown.headers
    assert (hidden.sender, hidden.headers) == (ANONYMOUS, "")
    assert "46700000009" not in hidden.steps[0].headers
    assert "P-Asserted-Identity: <sip:+46700000009@voip.example>" in hidden.steps[1].headers
    along = to_alice("46700000009", hidden=True, mobile=Mobile.PARALLEL)
    assert "46700000009" not in along.steps[0].headers
    rules = UserRules(block_unknown=True)
    assert to_alice("46700000009", rules=rules).reason is Reason.RINGS_DEVICES
    assert to_alice("46700000009", hidden=True, rules=rules).reason is Reason.BLOCKED
    assert to_alice("anonymous", rules=rules).reason is Reason.BLOCKED
    let_in = UserRules(block_unknown=True, let_in=("46700000009",))
    assert to_alice("46700000009", hidden=True, rules=let_in).reason is Reason.RINGS_DEVICES


@pytest.mark.parametrize(
    ("privacy", "sender", "hidden"),
    [
        ("id", "46700000009", True),
        ("header;user", "46700000009", True),
        ("critical; ID", "46700000009", True),
        ("none", "46700000009", False),
        ("", "46700000009", False),
        ("", "anonymous", True),
        ("", "Anonymous", True),
    ],
)
def test_what_asks_for_privacy(privacy: str, sender: str, hidden: bool) -> None:
    assert wants_privacy(privacy, sender) is hidden


NIGHT = UserRules(windows=(Window("22:00", "07:00"),))


def quiet_minutes(rules: UserRules, zone: str, since: datetime, hours: int) -> int:
    """For how many minutes from then on Alice's devices don't ring."""
    made = directory(zone=zone, rules=rules)
    made.bind(ALICE, 1)
    calls = (
        Call(f"9900{ALICE}", "46700000009", "gateway", at=(since + timedelta(minutes=one)).timestamp())
        for one in range(hours * 60)
    )
    return sum(decide(call, made, RULES).reason is Reason.QUIET for call in calls)


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Stockholm", datetime(2026, 1, 10, 11, tzinfo=UTC), 9),
        ("Europe/Stockholm", datetime(2026, 3, 28, 11, tzinfo=UTC), 8),  # the hour from 2 to 3 is left out
        ("Europe/Stockholm", datetime(2026, 10, 24, 10, tzinfo=UTC), 10),  # and there twice
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 1, tzinfo=UTC), 9.5),  # half an hour, in April back
        ("Asia/Kathmandu", datetime(2026, 3, 28, 6, 15, tzinfo=UTC), 9),
        ("America/St_Johns", datetime(2026, 3, 7, 15, 30, tzinfo=UTC), 8),
    ],
)
def test_a_night_is_as_long_as_clocks_make_it(zone: str, noon: datetime, hours: float) -> None:
    assert quiet_minutes(NIGHT, zone, noon, 24) == hours * 60


def test_an_hour_that_there_is_not_disturbs_nobody_and_one_that_is_twice_holds_twice() -> None:
    early = UserRules(windows=(Window("02:00", "03:00", (Day.SUN,)),))
    assert quiet_minutes(early, "Europe/Stockholm", datetime(2026, 3, 28, 23, tzinfo=UTC), 24) == 0
    assert quiet_minutes(early, "Europe/Stockholm", datetime(2026, 10, 24, 22, tzinfo=UTC), 24) == 120
    assert quiet_minutes(early, "Europe/Stockholm", datetime(2026, 10, 31, 23, tzinfo=UTC), 24) == 60


# --- through Kamailio ---

with_lab = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Iterator[client.Client]:
    with client.Client(lab.url, "operator-token") as made:
        yield made
        for msisdn in (ZOE, YAN):
            made.send(voip.delete_identity(msisdn))


@pytest.fixture(scope="module")
def zoe(lab: Lab, operator: client.Client) -> voip.Credentials:
    operator.send(voip.put_identity(ZOE))
    operator.send(voip.put_identity(YAN))
    return operator.send(voip.make_device("zoe-phone", (ZOE,)))


def dials(lab: Lab, number: str, device: str, msisdn: str, password: str, privacy: str = "none") -> Sipp:
    return Sipp(
        lab,
        "device_calls",
        DEVICE,
        free_tcp_port(),
        service=number,
        caller=f"+{msisdn}",
        domain=DOMAIN,
        au=device,
        ap=password,
        privacy=privacy,
    )


@with_lab
def test_alice_does_not_learn_who_withholds_the_number(
    lab: Lab, operator: client.Client, zoe: voip.Credentials, phone: int
) -> None:
    operator.send(voip.put_identity(ZOE, presentation="withheld"))
    answers = lab.device("answers", phone)
    calls = dials(lab, "0011234567", "zoe-phone", ZOE, zoe.password)
    for each in (calls, answers):
        each.ended()
    for message in answers.messages():
        assert ZOE not in message
    (invite,) = answers.received("INVITE")
    assert header(invite, "From")[0].startswith("<sip:anonymous@anonymous.invalid>;tag=")
    assert header(invite, "Privacy") == ["id"]
    # the caller's dialog is as the caller made it
    (answered,) = (one for one in calls.received("SIP/2.0 200") if "INVITE" in header(one, "CSeq")[0])
    assert header(answered, "From")[0].startswith(f"<sip:+{ZOE}@voip.example>;tag=")
    latest = operator.send(voip.voip_calls(ALICE)).calls[0]
    assert (latest.caller, latest.called) == ("", ALICE)
    with client.Client(lab.url, zoe.token) as own:
        assert own.send(voip.voip_calls(ZOE)).calls[0].id == latest.id
    # the gateway is told, and told to withhold it; an emergency centre sees it
    for dialled, sender, privacy in (
        ("0709999999", "<sip:anonymous@anonymous.invalid>", ["id"]),
        ("112", f"<sip:+{ZOE}@voip.example>", []),
    ):
        mobile, calls = lab.gateway("answers"), dials(lab, dialled, "zoe-phone", ZOE, zoe.password)
        for each in (calls, mobile):
            each.ended()
        (invite,) = mobile.received("INVITE")
        assert header(invite, "P-Asserted-Identity") == [f"<sip:+{ZOE}@voip.example>"]
        assert (header(invite, "From")[0].partition(";")[0], header(invite, "Privacy")) == (sender, privacy)


@with_lab
def test_a_did_is_shown_in_place_of_the_number(
    lab: Lab, operator: client.Client, zoe: voip.Credentials, phone: int
) -> None:
    operator.send(voip.put_identity(ZOE, dids=["46850000031"], presentation="46850000031"))
    answers = lab.device("answers", phone)
    calls = dials(lab, "0011234567", "zoe-phone", ZOE, zoe.password)
    for each in (calls, answers):
        each.ended()
    (invite,) = answers.received("INVITE")
    assert header(invite, "P-Asserted-Identity") == ["<sip:+46850000031@voip.example>"]
    assert header(invite, "From")[0].startswith("<sip:+46850000031@voip.example>;tag=")
    # of one call the device asks for privacy
    answers = lab.device("answers", phone)
    calls = dials(lab, "0011234567", "zoe-phone", ZOE, zoe.password, privacy="id")
    for each in (calls, answers):
        each.ended()
    (invite,) = answers.received("INVITE")
    assert header(invite, "Privacy") == ["id"]
    for number in (ZOE, "46850000031", "46700000666"):
        assert number not in invite


@with_lab
def test_a_caller_of_the_switch_who_withholds_the_number_is_not_shown_and_may_be_blocked(
    lab: Lab, operator: client.Client, zoe: voip.Credentials
) -> None:
    port = lab.bound("zoe-phone", ZOE, password=zoe.password)
    wait_until(lambda: operator.send(voip.reachability(ZOE)).devices > 0)
    says = "none\r\nPrivacy: id\r\nP-Asserted-Identity: <sip:+46700000008@127.0.0.10>"
    answers, calls = (
        lab.device("answers", port),
        lab.gateway_calls(f"9900{ZOE}", caller="46700000008", reference=says),
    )
    for each in (calls, answers):
        each.ended()
    (invite,) = answers.received("INVITE")
    assert "46700000008" not in invite
    # who does not withhold it is asserted once, by us
    says = "none\r\nP-Asserted-Identity: <sip:+46700000008@127.0.0.10>"
    answers, calls = lab.device("answers", port), lab.gateway_calls(f"9900{ZOE}", reference=says)
    for each in (calls, answers):
        each.ended()
    assert header(answers.received("INVITE")[0], "P-Asserted-Identity") == ["<sip:+46700000008@voip.example>"]
    operator.send(voip.set_user_rules(ZOE, voip.UserRules(block_unknown=True)))
    says = "none\r\nPrivacy: id\r\nP-Asserted-Identity: <sip:+46700000008@127.0.0.10>"
    refused(lab.gateway_calls(f"9900{ZOE}", reference=says), "603")
    # all day is a window, too; who is let in gets through
    night = voip.UserRules(windows=(voip.Window("00:00", "00:00"),), let_in=("46700000009",))
    operator.send(voip.set_user_rules(ZOE, night))
    refused(lab.gateway_calls(f"9900{ZOE}", caller="46700000008"), "480")
    answers, calls = lab.device("answers", port), lab.gateway_calls(f"9900{ZOE}")
    for each in (calls, answers):
        each.ended()
    operator.send(voip.set_user_rules(ZOE, voip.UserRules()))
    lab.unbind("zoe-phone", ZOE, port, password=zoe.password)


@with_lab
def test_what_is_barred_is_refused_and_an_emergency_call_is_not(
    lab: Lab, operator: client.Client, zoe: voip.Credentials, phone: int
) -> None:
    operator.send(voip.put_identity(ZOE, barred=["46", "1"]))
    refused(dials(lab, "0900123456", "zoe-phone", ZOE, zoe.password), "403")
    lab.wait_said("call", reason="barred", caller=ZOE)
    mobile, calls = lab.gateway("answers"), dials(lab, "112", "zoe-phone", ZOE, zoe.password)
    for each in (calls, mobile):
        each.ended()
    # nor is it where no brain is there
    lab.stop_brain(signal.SIGKILL)
    try:
        mobile, calls = lab.gateway("answers"), dials(lab, "112", "zoe-phone", ZOE, zoe.password)
        for each in (calls, mobile):
            each.ended()
        # what a device asks for holds as well
        answers = lab.device("answers", phone)
        calls = dials(lab, "0011234567", "zoe-phone", ZOE, zoe.password, privacy="id")
        for each in (calls, answers):
            each.ended()
        assert ZOE not in answers.received("INVITE")[0]
    finally:
        lab.start_brain()
    (invite,) = mobile.received("INVITE")
    assert invite.startswith("INVITE sip:112@")
    assert header(invite, "P-Asserted-Identity") == [f"<sip:+{ZOE}@voip.example>"]
    assert header(invite, "Diversion") == []


@with_lab
def test_of_an_exclusive_identity_the_device_that_has_registered_last_is_bound(
    lab: Lab, operator: client.Client, zoe: voip.Credentials
) -> None:
    tablet = operator.send(voip.make_device("zoe-tablet", (ZOE,)))
    operator.send(voip.put_identity(ZOE, mode="exclusive"))
    lab.bound("zoe-phone", ZOE, password=zoe.password)
    port = lab.bound("zoe-tablet", ZOE, password=tablet.password)
    wait_until(lambda: [one["count"] for one in lab.said("bindings", number=ZOE)][-2:] == [2, 1])
    assert operator.send(voip.reachability(ZOE)).devices == 1
    answers, calls = lab.device("answers", port), lab.gateway_calls(f"9900{ZOE}")
    for each in (calls, answers):
        each.ended()
    lab.unbind("zoe-tablet", ZOE, port, password=tablet.password)
    operator.send(voip.revoke_device("zoe-tablet"))


@with_lab
def test_a_shared_number_rings_the_devices_of_all_who_have_it_but_who_is_not_to_be_disturbed(
    lab: Lab, operator: client.Client, zoe: voip.Credentials
) -> None:
    operator.send(voip.put_identity(ZOE, shared=["46850000099"]))
    operator.send(voip.put_identity(YAN, shared=["46850000099"]))
    yan = operator.send(voip.make_device("yan-phone", (YAN,)))
    one = lab.bound("zoe-phone", ZOE, password=zoe.password)
    other = lab.bound("yan-phone", YAN, password=yan.password)
    wait_until(lambda: operator.send(voip.reachability("46850000099")).devices == 2)
    rings, answers = lab.device("rings", one), lab.device("answers", other, pause=100)
    for each in (lab.gateway_calls("990046850000099"), answers, rings):
        each.ended()
    assert header(rings.received("CANCEL")[0], "Reason")[0].startswith("SIP;cause=200")
    operator.send(voip.set_user_rules(ZOE, voip.UserRules(quiet=True)))
    silent, answers = lab.device("rings", one), lab.device("answers", other)
    for each in (lab.gateway_calls("990046850000099"), answers):
        each.ended()
    assert silent.received("INVITE") == []
    silent.stop()
    operator.send(voip.set_user_rules(ZOE, voip.UserRules()))
    for device, msisdn, port, password in (
        ("zoe-phone", ZOE, one, zoe.password),
        ("yan-phone", YAN, other, yan.password),
    ):
        lab.unbind(device, msisdn, port, password=password)
