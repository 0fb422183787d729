"""MAP in captures: what decode shows of it, and what an anonymised copy has left."""

from __future__ import annotations

from typing import Any

from cap_strategies import values
from hypothesis import given
from hypothesis import strategies as st

from scp.capture.anonymise import Anonymiser
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.hex_input import decode_octets
from scp.capture.tcap_view import tcap_json
from scp.simulator.hlr_script import Subscriber, info_of, note_mm_event
from ss7 import tcap
from ss7.address import AddressString, Imsi
from ss7.map.codec import FAST
from ss7.map.common import SubscriberIdentity
from ss7.map.errors import AbsentSubscriberSM
from ss7.map.location import AnyTimeInterrogationArg, RequestedInfo, SubscriberInfoRes
from ss7.map.messages import SMRPDA, SMRPOA, MTForwardSMArg
from ss7.map.operations import OPERATIONS
from ss7.map.roots import argument_type, result_type
from ss7.rose import Invoke, ReturnError, ReturnResult
from ss7.sccp import Address, GlobalTitle, MessageType, UnitData
from ss7.tcap import Message
from ss7.tcap_dialogue import Aare, Aarq, oid_octets

NUMBER, IMSI, TEXT = "46701234567", "240011234567890", b"\xc8\x32\x9b\xfd\x06\xdd\xdf\x72\x36\x19"
ATI, NOTE, MT = (oid_octets(f"0.4.0.0.1.0.{number}.3") for number in (29, 42, 25))
DELIVER = bytes.fromhex("040b916407214365f700006211102100000 00b".replace(" ", "")) + TEXT
BOB = Subscriber(msisdn=NUMBER, imsi=IMSI, vlr="31651234567", cell="204-04-100-200", age=3)


def invoke(opcode: int, value: Any, context: bytes, version: int = 3) -> bytes:
    component = Invoke(1, opcode, FAST.encode_argument(opcode, value, version))
    return tcap.encode(Message(tcap.BEGIN, b"\x01\x02", dialogue=Aarq(context), components=[component]))


def forward() -> MTForwardSMArg:
    to, sender = (
        SMRPDA("imsi", Imsi(IMSI).encode()),
        SMRPOA("serviceCentreAddressOA", AddressString(NUMBER).encode()),
    )
    return MTForwardSMArg(to, sender, DELIVER)


def test_a_question_and_its_answer_are_shown_by_names_with_their_numbers():
    identity = SubscriberIdentity("msisdn", AddressString(NUMBER).encode())
    asked = AnyTimeInterrogationArg(
        identity, RequestedInfo(location_information=True), AddressString("46700000001").encode()
    )
    shown = tcap_json(invoke(71, asked, ATI))
    assert shown["tcap"]["application_context_name"] == "anyTimeInfoEnquiryContext-v3"
    [component] = shown["components"]
    assert component["operation"] == "anyTimeInterrogation"
    assert component["argument"]["subscriberIdentity"]["msisdn"]["digits"] == NUMBER
    result = FAST.encode_result(71, SubscriberInfoRes(info_of(BOB)), 3)
    end = Message(tcap.END, b"", b"\x01\x02", Aare(ATI), [ReturnResult(1, 71, result)])
    [component] = tcap_json(tcap.encode(end))["components"]
    place = component["result"]["subscriberInfo"]["locationInformation"]
    assert place["vlr-number"]["digits"] == BOB.vlr
    assert place["ageOfLocationInformation"] == 3
    assert component["result"]["subscriberInfo"]["subscriberState"] == {"assumedIdle": True}


def test_an_event_and_an_error_are_shown():
    [component] = tcap_json(invoke(89, note_mm_event(BOB, b"\x02"), NOTE))["components"]
    assert component["argument"]["eventMet"] == "imsi-attach"
    error = FAST.encode_error(6, AbsentSubscriberSM(diagnostic=1), 3)
    end = Message(tcap.END, b"", b"\x01\x02", Aare(MT), [ReturnError(1, 6, error)])
    [component] = tcap_json(tcap.encode(end))["components"]
    assert (component["error"], component["parameter"]) == (
        "absentSubscriberSM",
        {"absentSubscriberDiagnosticSM": 1},
    )


def test_what_a_short_message_says_is_masked():
    shown = str(tcap_json(invoke(44, forward(), MT)))
    assert "mt-ForwardSM" in shown
    assert TEXT.hex() not in shown
    assert "'text': 'masked'" in shown


class Scene:
    """An SCCP message of a capture, as the anonymiser sees it."""

    def __init__(self, octets: bytes) -> None:
        self.tcap = octets


def anonymised(component: Any, version: int = 3) -> Any:
    return Anonymiser(Disguise(b"key"))._of_map(component, version)


def test_an_anonymised_message_has_no_number_and_no_text():
    octets = FAST.encode_argument(44, forward(), 3)
    made = anonymised(Invoke(1, 44, octets)).parameter
    assert len(made) == len(octets)
    for secret in (TEXT, Imsi(IMSI).encode()[3:], AddressString(NUMBER).encode()[3:], DELIVER[5:9]):
        assert secret not in made
    tpdu = FAST.decode_argument(44, made, 3).sm_rp_ui
    assert (tpdu[0], tpdu[1], len(tpdu)) == (DELIVER[0], DELIVER[1], len(DELIVER))
    error = FAST.encode_error(6, AbsentSubscriberSM(imsi=Imsi(IMSI).encode()), 3)
    assert Imsi(IMSI).encode()[3:] not in anonymised(ReturnError(1, 6, error)).parameter


@given(
    st.sampled_from([each for each in range(256) if each & 3 < 2]), st.integers(0, 20), st.binary(min_size=21)
)
def test_no_text_of_a_short_message_is_left(first: int, digits: int, drawn: bytes):
    """The parts of SMS-DELIVER and SMS-SUBMIT ahead of the text: TS 23.040 §9.2.2.1, §9.2.2.2."""
    submit = first & 3 == 1
    times = {0: 0, 1: 7, 2: 1, 3: 7}[first >> 3 & 3] if submit else 7
    address = bytes((digits, drawn[0])) + drawn[1 : 1 + (digits + 1) // 2]
    ahead = bytes((first, 0)) if submit else bytes((first,))
    ahead += address + drawn[11:13] + drawn[13 : 13 + times] + b"\x05"
    text = bytes([0xAB, 0xCD, 0xEF, 0x12, 0x34])
    made = Disguise(b"key").short_message(ahead + text)
    assert made[len(ahead) :] == bytes(len(text))
    assert made[len(ahead) - 1 - times - 2 : len(ahead)] == ahead[-1 - times - 2 :]


@given(st.binary(max_size=40))
def test_a_short_message_of_any_octets_keeps_its_length_or_is_refused(octets: bytes):
    try:
        made = Disguise(b"key").short_message(octets)
    except NotUnderstoodError:
        return
    assert len(made) == len(octets)


@given(st.sampled_from([(each.opcode, version) for each in OPERATIONS for version in (1, 2, 3)]), st.data())
def test_every_operation_is_shown_and_anonymised_or_left_out(which: tuple[int, int], data: st.DataObject):
    opcode, version = which
    for kind, encode, component in (
        (argument_type(opcode, version), FAST.encode_argument, Invoke),
        (result_type(opcode, version), FAST.encode_result, ReturnResult),
    ):
        if kind is None or argument_type(opcode, version) is None:
            continue
        octets = encode(opcode, data.draw(values(kind)), version)
        try:
            made = anonymised(component(1, opcode, octets), version)
        except NotUnderstoodError:
            continue
        assert made.opcode == opcode


def test_a_whole_message_is_found_to_be_map_by_its_context():
    called = Address(ssn=147, global_title=GlobalTitle("46700000001")).encode()
    unit = UnitData(MessageType.UDT, 1, False, called, called, invoke(89, note_mm_event(BOB, b"\x01"), NOTE))
    [component] = decode_octets(unit.encode())["components"]
    assert component["operation"] == "noteMM-Event"
    assert component["argument"]["msisdn"]["digits"] == NUMBER
