"""Short messages under control: each InitialDPSMS of CAP v3 and v4 is answered by the conditions, in time."""

from __future__ import annotations

from typing import Any

import pytest
from room import ABROAD, AT_HOME, DIALLED, MSISDN, NETWORK, NUMBERING, READY, ROAMER, Room, new_otid

from oracles import tshark
from oracles.recorder import Recorder
from scp.config import SmsControl
from scp.domain.decision import Reason
from scp.domain.lookup import StoreFailure
from scp.domain.rules import OnFailure, Rules
from scp.engine.cap.sms import CONTEXTS_SERVED, SmsControlUser
from ss7 import tcap
from ss7.address import AddressString, CalledPartyBCDNumber
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_TEXT, CALL_CONTROL
from ss7.cap.location import LocationInformation
from ss7.cap.reference import REFERENCE
from ss7.cap.sms import ConnectSMSArg, EventTypeSMS, InitialDPSMSArg
from ss7.rose import Invoke, Reject, ReturnError, encode_invoke
from ss7.tcap_dialogue import Aarq, encode_dialogue

SMSC, THEIRS = "46700000099", "46700000050"
CONTEXT = {3: BY_TEXT["0.4.0.0.1.21.3.61"].octets, 4: BY_TEXT["0.4.0.0.1.23.3.61"].octets}
STEER = SmsControl(originating="steer", terminating="bar", smsc=SMSC)
SENT, RECEIVED = EventTypeSMS.COLLECTED_INFO, EventTypeSMS.DELIVERY_REQUESTED


class SmsRoom(Room):
    """A node with control of short messages, and a switch that asks."""

    def __init__(
        self, *records, policy: SmsControl = STEER, on_failure=OnFailure.CONTINUE, **room: Any
    ) -> None:
        super().__init__(*records, **room)
        self.node.tcap._contexts = CALL_CONTROL | CONTEXTS_SERVED
        self.rules: Rules | None = Rules(NUMBERING, prefix="99", on_failure=on_failure)
        self.sms = SmsControlUser(
            self.node, policy, lambda: self.rules, self.store, self.counts, self.loop.time, 0.15
        )
        self.users.add(self.sms, NETWORK.scp_ssn, CONTEXTS_SERVED)

    def ask(self, idp: InitialDPSMSArg | bytes, version: int = 3, opcode: int = 60) -> Any:
        """Send an InitialDPSMS; return the answer's component, None while there is none."""
        argument = idp if isinstance(idp, bytes) else FAST.encode_argument(60, idp, version)
        otid = new_otid()
        invoke = encode_invoke(1, opcode, argument)
        self.send(tcap.build_begin(otid, encode_dialogue(Aarq(CONTEXT[version])), [invoke]))
        return self.answer(otid)

    def answer(self, otid: bytes = b"") -> Any:
        self.otid = otid or self.otid
        found = [each.message for each in self.switch.answers if each.message.dtid == self.otid]
        assert len(found) <= 1
        if not found:
            return None
        assert found[0].kind == tcap.END
        [component] = found[0].components
        return component


def idp(
    event: EventTypeSMS = SENT, *, vlr: str = "", to: str = DIALLED, key: int = 100, **fields
) -> InitialDPSMSArg:
    served = AddressString(MSISDN).encode()
    location = LocationInformation(vlr_number=AddressString(vlr).encode()) if vlr else None
    number = {"called_party_number": served} if event is RECEIVED else {"calling_party_number": served}
    if event is SENT:
        number["destination_subscriber_number"] = CalledPartyBCDNumber(to, 0).encode()
    theirs = AddressString(THEIRS).encode()
    return InitialDPSMSArg(
        key, event_type_sms=event, location_information_msc=location, smsc_address=theirs, **number, **fields
    )


def said(component: Any, version: int = 3) -> str:
    """What an answer's operation says."""
    assert isinstance(component, Invoke)
    argument = REFERENCE.decode_argument(int(component.opcode), component.parameter, version)
    if component.opcode == 62:
        assert isinstance(argument, ConnectSMSArg)
        assert argument.smsc_address is not None
        return f"connect {AddressString.decode(argument.smsc_address).digits}"
    return {65: "continue", 66: f"release {argument.hex() if argument else ''}"}[int(component.opcode)]


@pytest.mark.parametrize(
    ("version", "event", "record", "vlr", "answer", "reason"),
    [
        (3, SENT, READY, "", f"connect {SMSC}", Reason.FORWARDED_ALWAYS),
        (4, SENT, READY, "", f"connect {SMSC}", Reason.FORWARDED_ALWAYS),
        (4, RECEIVED, READY, "", "release 15", Reason.FORWARDED_ALWAYS),
        (3, SENT, ROAMER, ABROAD, f"connect {SMSC}", Reason.FORWARDED_ROAMING),
        (3, SENT, ROAMER, AT_HOME, "continue", Reason.AT_HOME),
        (4, RECEIVED, ROAMER, AT_HOME, "continue", Reason.AT_HOME),
        (4, RECEIVED, ROAMER, ABROAD, "release 15", Reason.FORWARDED_ROAMING),
        (3, SENT, None, "", "continue", Reason.UNKNOWN_SUBSCRIBER),
    ],
)
def test_the_conditions_decide(version, event, record, vlr, answer, reason) -> None:
    room = SmsRoom(*([record] if record else [READY]))
    if record is None:
        room.store.records.clear()
    assert said(room.ask(idp(event, vlr=vlr), version), version) == answer
    assert [decision.reason for _, decision in room.counts.calls] == [reason]


@pytest.mark.parametrize("to", ["112", "71234"])
def test_messages_to_numbers_that_are_never_steered_go_on(to: str) -> None:
    room = SmsRoom(READY)
    assert said(room.ask(idp(to=to))) == "continue"


@pytest.mark.parametrize(
    ("policy", "answer"),
    [(SmsControl(), "continue"), (SmsControl(originating="bar"), "release 15")],
)
def test_the_operator_says_what_becomes_of_them(policy: SmsControl, answer: str) -> None:
    assert said(SmsRoom(READY, policy=policy).ask(idp())) == answer


def test_a_record_that_comes_later() -> None:
    room = SmsRoom(READY)
    room.store.slow = True
    assert room.ask(idp()) is None
    room.advance(0.1)
    room.store_answers()
    assert said(room.answer()) == f"connect {SMSC}"


def test_a_store_that_is_too_slow_or_fails() -> None:
    room = SmsRoom(READY)
    room.store.slow = True
    assert room.ask(idp()) is None
    room.advance(0.16)
    assert said(room.answer()) == "continue"
    room.store_answers()  # too late
    assert said(room.answer()) == "continue"
    room = SmsRoom(READY, on_failure=OnFailure.RELEASE)
    room.store.failure = StoreFailure.UNAVAILABLE
    assert said(room.ask(idp())) == "release 29"


def test_what_is_wrong_gets_an_error() -> None:
    room = SmsRoom(READY)
    unknown = room.ask(idp(key=7))
    assert isinstance(unknown, ReturnError)
    assert unknown.error == 6  # missingCustomerRecord
    for octets, opcode in ((b"\x30\x03\x80\x01", 60), (b"", 60), (b"", 0)):
        assert isinstance(room.ask(octets, opcode=opcode), Reject)
    room.rules = None
    assert isinstance(room.ask(idp()), ReturnError)


def test_tshark_reads_every_answer() -> None:
    if reason := tshark.available():
        pytest.skip(reason)
    recorder = Recorder()
    for policy in (STEER, SmsControl(), SmsControl(originating="bar")):
        room = SmsRoom(READY, policy=policy, recorder=recorder)
        for version in (3, 4):
            assert room.ask(idp(), version) is not None
    assert len(recorder) > 12
    assert recorder.problems() == []
