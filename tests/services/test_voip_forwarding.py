"""voip-forwarding, driven by hand: what goes out for which InitialDP."""

from __future__ import annotations

import pytest
from driver import Driver
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from scp.domain.cdr import attempt_of
from scp.domain.decision import Action, Decision, Reason, Trigger
from scp.domain.numbers import Numbering
from scp.domain.rules import OnFailure
from scp.domain.subscriber import Subscriber, When
from scp.services.api import ClaimPass, Lookup, NodeSettings, StoreFailure
from scp.services.cdr_row import attempt_row
from scp.services.idp import NATURE_TO_Q763, calling_digits, imsi_digits, read_call
from scp.services.voip_forwarding import voip_forwarding
from ss7.address import AddressString, CalledPartyBCDNumber, Imsi
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    CellGlobalIdOrServiceAreaIdOrLAI,
    EventTypeBCSM,
    InitialDPArg,
    LocationInformation,
)
from ss7.cause import Cause
from ss7.isup import CalledPartyNumber, CallingPartyNumber

SWEDEN = Numbering("46", never_steer=frozenset({"112"}), home_vlr=("4670",))
NODE = NodeSettings(SWEDEN)
SERVICE = voip_forwarding({"prefix": "99"}, NODE)
READY = Subscriber("11234567", authorized=True, aor="sip:b@voip.example", forwarding=True)
ROAMER = Subscriber("11234567", authorized=True, aor="sip:b@voip.example", forwarding=True, when=When.ROAMING)
ORIGINATING, TERMINATING = EventTypeBCSM.COLLECTED_INFO, EventTypeBCSM.TERM_ATTEMPT_AUTHORIZED
ABROAD = LocationInformation(vlr_number=AddressString("31651000000").encode())
HOME = LocationInformation(vlr_number=AddressString("46701000000").encode())
REDIRECTION = {
    "original_called_party_id": bytes.fromhex("031407010900"),
    "redirecting_party_id": bytes.fromhex("831407010900bb05"),
    "redirection_information": bytes.fromhex("0321"),
}


def called(digits, nature=2, **fields):
    return InitialDPArg(100, called_party_number=CalledPartyNumber(digits, nature, **fields).encode())


def dialled(digits, nature=0, plan=1):
    return InitialDPArg(
        100,
        called_party_bcd_number=CalledPartyBCDNumber(digits, nature, plan).encode(),
        event_type_bcsm=ORIGINATING,
    )


def terminating(location=None, digits="0011234567", **fields):
    return InitialDPArg(
        100,
        called_party_number=CalledPartyNumber(digits, 2).encode(),
        event_type_bcsm=TERMINATING,
        location_information=location,
        **fields,
    )


def answer(idp, found, service=SERVICE):
    """The one operation that goes out, its argument, and the decision."""
    driver = Driver(service, idp)
    if not driver.ended:
        driver.found(found)
    assert driver.ended
    [[operation]] = driver.sent
    return operation.opcode, operation.argument, driver.call.decision


def connected(argument):
    [octets] = argument.destination_routing_address
    return CalledPartyNumber.decode(octets)


def test_the_number_is_looked_up_in_e164():
    driver = Driver(SERVICE, called("0011234567"))
    assert isinstance(driver.waits, Lookup)
    assert driver.waits.msisdn == "11234567"


def test_a_roaming_subscriber_is_connected_and_one_at_home_continued():
    opcode, argument, decision = answer(terminating(ABROAD), ROAMER)
    assert (opcode, decision.reason) == (Opcode.CONNECT, Reason.FORWARDED_ROAMING)
    assert connected(argument) == CalledPartyNumber("990011234567", 2, 1)
    opcode, argument, decision = answer(terminating(HOME), ROAMER)
    assert (opcode, argument, decision.reason) == (Opcode.CONTINUE, None, Reason.AT_HOME)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, Reason.UNKNOWN_SUBSCRIBER),
        (Subscriber("11234567"), Reason.NOT_AUTHORIZED),
        (Subscriber("11234567", authorized=True), Reason.NOT_REGISTERED),
        (Subscriber("11234567", authorized=True, aor="sip:b"), Reason.FORWARDING_DISABLED),
    ],
)
def test_any_other_subscriber_is_continued(found, reason):
    opcode, argument, decision = answer(called("0011234567"), found)
    assert (opcode, argument) == (Opcode.CONTINUE, None)
    assert (decision.action, decision.reason) == (Action.CONTINUE, reason)


@pytest.mark.parametrize(
    ("idp", "digits", "nature"),
    [
        (dialled("0011234567"), "990011234567", 2),
        (dialled("11234567", 1), "9911234567", 4),
        (dialled("0011234567", plan=0), "990011234567", 2),
        (called("11234567", 4), "9911234567", 4),
        (called("0011234567", 2, st=True), "990011234567", 2),
        (called("0011234567", 2, plan=0), "990011234567", 2),
    ],
)
def test_both_trigger_types_keep_form_and_nature_of_the_number(idp, digits, nature):
    opcode, argument, _ = answer(idp, READY)
    assert opcode == Opcode.CONNECT
    assert connected(argument) == CalledPartyNumber(digits, nature, 1)


@pytest.mark.parametrize(
    ("idp", "reason"),
    [
        (InitialDPArg(100), Reason.NO_CALLED_NUMBER),
        (called(""), Reason.NO_CALLED_NUMBER),
        (called("112"), Reason.NEVER_STEER),
        (dialled("112"), Reason.NEVER_STEER),
        (dialled("*100#"), Reason.UNPARSABLE_NUMBER),
        (dialled("07012345a"), Reason.UNPARSABLE_NUMBER),
        (dialled("11770", 4), Reason.SHORT_NUMBER),
        (dialled("0701234567", plan=9), Reason.OTHER_NUMBERING_PLAN),
        (called("0701234567", plan=3), Reason.OTHER_NUMBERING_PLAN),
        (called("46701234567", 6), Reason.OTHER_NUMBERING_PLAN),
        (called("46701234567", 0), Reason.OTHER_NUMBERING_PLAN),
        (called("990011234567"), Reason.ALREADY_MARKED),
        (InitialDPArg(100, called_party_number=b"\x83"), Reason.UNPARSABLE_NUMBER),
        (InitialDPArg(100, called_party_bcd_number=b""), Reason.UNPARSABLE_NUMBER),
    ],
)
def test_a_number_that_is_not_steered_is_continued_without_a_lookup(idp, reason):
    driver = Driver(SERVICE, idp)
    assert driver.ended
    assert driver.operations == [[Opcode.CONTINUE]]
    assert driver.call.decision.reason is reason


def test_redirection_data_stays_on_a_forwarded_call():
    idp = InitialDPArg(
        100,
        called_party_number=CalledPartyNumber("0011234567", 2).encode(),
        event_type_bcsm=ORIGINATING,
        **REDIRECTION,
    )
    opcode, argument, _ = answer(idp, READY)
    assert opcode == Opcode.CONNECT
    assert {name: getattr(argument, name) for name in REDIRECTION} == REDIRECTION


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        # Redirecting number +11234567, counter 1: the called number itself sent it here.
        ({"redirecting_party_id": "041011325476", "redirection_information": "0331"}, "diverted-back"),
        # Redirecting number 990011234567, as the gateway was called.
        ({"redirecting_party_id": "0210990011325476"}, "diverted-back"),
        ({"original_called_party_id": "0210990011325476"}, "diverted-back"),
        # Counter 5; then 1, of another party; then octets that are none of the three.
        ({"redirection_information": "0335"}, "redirection-limit"),
        ({name: octets.hex() for name, octets in REDIRECTION.items()}, "forwarded-always"),
        ({"redirecting_party_id": "04", "redirection_information": "033535"}, "forwarded-always"),
    ],
)
def test_a_call_that_the_voip_side_sends_back_goes_on_to_the_mobile(fields, reason):
    idp = terminating(ABROAD, **{name: bytes.fromhex(octets) for name, octets in fields.items()})
    opcode, _, decision = answer(idp, READY)
    assert decision.reason.value == reason
    assert opcode == (Opcode.CONNECT if reason == "forwarded-always" else Opcode.CONTINUE)


def test_a_call_to_a_one_time_number_passes_where_its_caller_calls():
    number = Subscriber("46810000017", passes=("9999999999999:46701234567:one-time",))
    for service in (SERVICE, voip_forwarding({"prefix": "99", "charging": {}}, NODE)):
        for caller, claims in (("46701234567", True), ("46709999999", False), (None, False)):
            calling = None if caller is None else CallingPartyNumber(caller, 4).encode()
            idp = structs.replace(dialled("0046810000017"), calling_party_number=calling)
            driver = Driver(service, idp).found(number)
            assert isinstance(driver.waits, ClaimPass) == claims
            if claims:
                driver._step(True)
                assert driver.call.decision == Decision(Action.CONTINUE, Reason.PASSED)
                assert driver.ended
                assert driver.operations[-1] == [Opcode.CONTINUE]
            else:
                assert driver.call.decision.reason is Reason.NOT_AUTHORIZED


def test_how_often_a_call_may_have_been_diverted_is_configured():
    service = voip_forwarding({"prefix": "99", "max_redirections": 1}, NODE)
    assert service.rules.max_redirections == 1
    for wrong in (0, 6, "2"):
        with pytest.raises(ValueError, match=r"^max_redirections: "):
            voip_forwarding({"prefix": "99", "max_redirections": wrong}, NODE)


def test_a_callers_location_is_not_the_called_subscribers():
    for fields in ({}, REDIRECTION):
        idp = InitialDPArg(
            100,
            called_party_number=CalledPartyNumber("0011234567", 2).encode(),
            event_type_bcsm=ORIGINATING,
            location_information=ABROAD,
            **fields,
        )
        assert answer(idp, ROAMER)[2].reason is Reason.ROAMING_UNKNOWN
        facts = read_call(idp, SWEDEN)
        assert facts.vlr == ""
        assert facts.trigger is (Trigger.FORWARDED if fields else Trigger.ORIGINATING)


@pytest.mark.parametrize("event", [12, 13, 14, 15, 17, 18, TERMINATING])
def test_every_detection_point_of_the_terminating_bcsm_is_one(event):
    idp = InitialDPArg(100, event_type_bcsm=event)
    assert read_call(idp, SWEDEN).trigger is Trigger.TERMINATING


def test_a_call_without_event_type_is_not_believed_to_be_terminating():
    idp = InitialDPArg(
        100, called_party_number=CalledPartyNumber("0011234567", 2).encode(), location_information=ABROAD
    )
    assert answer(idp, ROAMER)[2].reason is Reason.ROAMING_UNKNOWN


def test_the_called_party_number_of_a_terminating_call_goes_before_the_dialled_one():
    idp = terminating(ABROAD, called_party_bcd_number=CalledPartyBCDNumber("0701111111").encode())
    assert read_call(idp, SWEDEN).e164 == "11234567"


@pytest.mark.parametrize(
    ("choice", "octets", "chosen", "opcode"),
    [
        ("cellGlobalIdOrServiceAreaIdFixedLength", "62f2100001abcd", "62F2100001", Opcode.CONNECT),
        ("laiFixedLength", "62f2100001", "62f2100001", Opcode.CONNECT),
        ("laiFixedLength", "62f2100002", "62f2100001", Opcode.CONTINUE),
    ],
)
def test_a_cell_or_location_area_can_be_chosen(choice, octets, chosen, opcode):
    area = CellGlobalIdOrServiceAreaIdOrLAI(choice, bytes.fromhex(octets))
    location = LocationInformation(cell_global_id_or_service_area_id_or_lai=area)
    found = Subscriber(
        "11234567", authorized=True, aor="sip:b", forwarding=True, when=When.LOCATIONS, locations=(chosen,)
    )
    assert answer(terminating(location), found)[0] == opcode


@pytest.mark.parametrize(
    ("address", "roaming"),
    [
        (AddressString("31651000000", 1), True),
        (AddressString("701000000", 2), False),
        (AddressString("0701000000", 0), False),
        (AddressString("31651000000", 3), None),
        (AddressString("3165100000a", 1), None),
    ],
)
def test_a_vlr_number_is_read_in_whatever_nature_it_comes(address, roaming):
    facts = read_call(terminating(LocationInformation(vlr_number=address.encode())), SWEDEN)
    assert SWEDEN.roaming(facts.vlr) is roaming


@pytest.mark.parametrize("failure", StoreFailure)
def test_a_store_that_fails_is_answered_by_policy(failure):
    opcode, argument, decision = answer(called("0011234567"), failure)
    assert (opcode, argument, decision.reason) == (Opcode.CONTINUE, None, Reason(failure.value))
    releasing = voip_forwarding({"prefix": "99"}, NodeSettings(SWEDEN, OnFailure.RELEASE))
    opcode, argument, decision = answer(called("0011234567"), failure, releasing)
    assert (opcode, decision.action) == (Opcode.RELEASE_CALL, Action.RELEASE)
    assert Cause.decode(argument).value == 41


def test_st_is_sent_where_configured():
    service = voip_forwarding({"prefix": "99", "st": True, "nature": "international"}, NODE)
    _, argument, _ = answer(called("0011234567"), READY, service)
    assert connected(argument) == CalledPartyNumber("990011234567", 4, 1, st=True)


def test_a_suffix_of_other_signals_is_encoded():
    service = voip_forwarding({"suffix": "*9", "digits": "international"}, NODE)
    _, argument, _ = answer(called("0011234567"), READY, service)
    assert connected(argument).digits == "11234567*9"


def test_a_forwarding_number_goes_out_as_an_international_number():
    did = Subscriber(
        "11234567", authorized=True, aor="sip:b", forwarding=True, forwarding_number="46855512345"
    )
    _, argument, _ = answer(called("0011234567"), did)
    assert connected(argument) == CalledPartyNumber("46855512345", 4, 1)


def test_every_nature_that_can_go_out_has_a_code_point():
    for digits in (SERVICE.rules.digits, "international", "national"):
        for nature in ("keep", "unknown", "national", "international", "network-specific"):
            service = voip_forwarding({"prefix": "99", "digits": str(digits), "nature": nature}, NODE)
            _, argument, decision = answer(called("0011234567"), READY, service)
            assert connected(argument).nature == NATURE_TO_Q763[decision.nature]


octets = st.none() | st.binary(max_size=20)


@given(
    st.builds(
        InitialDPArg,
        st.just(100),
        called_party_number=octets,
        calling_party_number=octets,
        called_party_bcd_number=octets,
        event_type_bcsm=st.none() | st.integers(0, 255) | st.sampled_from(EventTypeBCSM),
        imsi=octets,
        msc_address=octets,
        call_reference_number=octets,
        original_called_party_id=octets,
        redirecting_party_id=octets,
        redirection_information=octets,
        location_information=st.none()
        | st.builds(
            LocationInformation,
            vlr_number=octets,
            cell_global_id_or_service_area_id_or_lai=st.none()
            | st.builds(CellGlobalIdOrServiceAreaIdOrLAI, st.just("laiFixedLength"), st.binary(max_size=8)),
        ),
    ),
    st.sampled_from([READY, ROAMER, None, StoreFailure.TIMEOUT]),
)
def test_no_octets_in_any_field_raise(idp, found):
    opcode, argument, decision = answer(idp, found)
    assert (opcode == Opcode.CONNECT) == (argument is not None)
    assert (decision.action is Action.CONNECT) == (opcode == Opcode.CONNECT)
    if argument is not None:
        assert 2 <= len(argument.destination_routing_address[0]) <= 18
        assert connected(argument).digits == decision.number
    attempt = record(idp, decision)
    assert attempt.reason is decision.reason


@given(st.text("0123456789", min_size=5, max_size=20), st.integers(0, 7), st.booleans())
def test_a_steered_number_that_comes_back_is_continued(digits, nature, st_sent):
    opcode, argument, decision = answer(called(digits, nature), READY)
    if opcode != Opcode.CONNECT:
        return
    again = InitialDPArg(100, called_party_number=argument.destination_routing_address[0])
    assert answer(again, READY)[2].reason is Reason.ALREADY_MARKED
    redialled = dialled(decision.number)
    assert answer(redialled, READY)[2].reason is Reason.ALREADY_MARKED


def record(idp, decision):
    return attempt_of("a", "scp-1", attempt_row((10.0, "voip-forwarding", idp, decision, 0.25), SWEDEN))


def test_the_record_of_a_call():
    idp = InitialDPArg(
        100,
        called_party_number=CalledPartyNumber("0011234567", 2).encode(),
        calling_party_number=CallingPartyNumber("46707654321", 4).encode(),
        event_type_bcsm=TERMINATING,
        imsi=Imsi("240010123456789").encode(),
        call_reference_number=bytes.fromhex("1302"),
        msc_address=AddressString("46700000009").encode(),
    )
    decision = answer(idp, READY)[2]
    attempt = record(idp, decision)
    assert (attempt.received_ms, attempt.decided_ms) == (9_750, 10_000)
    assert (attempt.a_number, attempt.b_number, attempt.number) == (
        "46707654321",
        "0011234567",
        "990011234567",
    )
    assert (attempt.call_reference, attempt.msc_address) == ("1302", "46700000009")
    assert attempt.imsi == imsi_digits(idp) == "240010123456789"
    assert calling_digits(InitialDPArg(1, calling_party_number=b"")) == ""
