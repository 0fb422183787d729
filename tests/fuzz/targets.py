"""What is fuzzed: every decoder and the capture reader. A target takes any octets and may raise nothing.

Found so far, and fixed: a line for DATA whose SCCP is refused (KeyError); a pcapng block with a length too long ate the
packets after it; a gap in a TCP stream lost the segments that waited behind it.

`SEEDS` gives each target a corpus: the published PDUs where they are there, and what the captures in pcaps/ carry.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from scp.capture.anonymise import Anonymiser
from scp.capture.decode import Decoder, Filter
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.hex_input import LAYERS, decode_hex, decode_octets
from scp.capture.hex_text import read_hex
from scp.capture.source import Capture, CaptureError
from scp.capture.text import line, tree
from scp.capture.wire.dissector import Dissector
from scp.capture.wire.messages import Message
from scp.capture.wire.pcap import parser_for
from scp.capture.wire.transaction import with_ids
from scp.capture.wire.values import Frame
from scp.capture.write import PcapNgWriter
from scp.charging.ro_messages import read_answer, unit_of
from scp.charging.ro_sessions import granted
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.messages.smpp import pdu as smpp
from scp.messages.smpp.receipts import incoming_of, receipt_of
from scp.replay.offline import Replay
from scp.replay.records import Snapshot
from scp.replay.report import Report
from scp.services.voip_forwarding import VoipForwarding
from scp.simulator.hlr_script import Subscriber, info_of, note_mm_event, result_of
from ss7 import diameter, m2pa, m2ua, mtp3, tcap
from ss7.address import AddressString
from ss7.cap.codec import FAST
from ss7.cap.lenient import read_argument
from ss7.cap.operations import OPERATIONS
from ss7.errors import DecodeError
from ss7.m3ua_framer import Framer
from ss7.map import render as map_render
from ss7.map import roots as map_roots
from ss7.map.codec import FAST as MAP
from ss7.map.common import SubscriberIdentity
from ss7.map.location import AnyTimeInterrogationArg, RequestedInfo, SubscriberInfoRes
from ss7.map.messages import SMRPDA, SMRPOA, MTForwardSMArg
from ss7.map.operations import OPERATIONS as MAP_OPERATIONS
from ss7.sctp import read_chunks
from ss7.sms import tpdu
from ss7.sms.parts import Coding, Concatenation
from ss7.sms.tpdu import user_data

PCAPS = Path(__file__).parents[2] / "pcaps"
DISGUISE = Disguise(b"key")
CALL_CONTROL = [operation.opcode for operation in OPERATIONS if operation.argument is not None]


def layers(octets: bytes) -> None:
    """M3UA, SCCP, TCAP, CAP: decoded, shown as JSON, as a tree and as a line."""
    for layer in LAYERS:
        try:
            shown = decode_octets(octets, layer)
        except DecodeError:
            continue
        tree(shown)
        line(shown)


def pasted(octets: bytes) -> None:
    """Octets of which nobody says what they are, and their hex with whatever else is in the text."""
    try:
        for shown in decode_hex(octets):
            tree(shown)
            line(shown)
    except DecodeError:
        pass
    with contextlib.suppress(ValueError):
        read_hex(octets.decode("latin-1"))


def arguments(octets: bytes) -> None:
    """An argument of each operation in each version; what decodes has to encode, and to decode to the same.

    What does not decode has a fault that says so, and what can be read of it all the same.
    """
    opcode = CALL_CONTROL[octets[0] % len(CALL_CONTROL)] if octets else 0
    for version in range(1, 5):
        reading = read_argument(opcode, octets[1:], version)
        try:
            value = FAST.decode_argument(opcode, octets[1:], version)
        except DecodeError:
            assert reading.faults
            continue
        assert reading == (value, ())
        again = FAST.encode_argument(opcode, value, version)
        assert FAST.decode_argument(opcode, again, version) == value


def map_values(octets: bytes) -> None:
    """An argument, result and error of each operation of MAP in each version: what decodes encodes and decodes to the same.

    It is shown without its text, and disguised.
    """
    if len(octets) < 2:
        return
    operation = MAP_OPERATIONS[octets[0] % len(MAP_OPERATIONS)]
    opcode, code, version = int(operation.opcode), octets[0] & 0x7F, octets[1] % 3 + 1
    for kind, which, decode, encode, show in (
        (
            map_roots.argument_type,
            opcode,
            MAP.decode_argument,
            MAP.encode_argument,
            map_render.argument_to_json,
        ),
        (map_roots.result_type, opcode, MAP.decode_result, MAP.encode_result, map_render.result_to_json),
        (map_roots.error_type, code, MAP.decode_error, MAP.encode_error, map_render.error_to_json),
    ):
        try:
            value = decode(which, octets[2:], version)
        except DecodeError:
            continue
        assert decode(which, encode(which, value, version), version) == value
        show(which, value, version)
        described = kind(which, version)
        if described is not None and value is not None:
            with contextlib.suppress(DecodeError, NotUnderstoodError):
                DISGUISE.value(described, value, version)


def diameter_messages(octets: bytes) -> None:
    """A message of Diameter, which encodes to the same octets but for padding; and an answer of credit control."""
    try:
        message = diameter.decode_message(octets)
    except DecodeError:
        return
    avps = b"".join(
        diameter.encode_avp(each.code, each.data, each.vendor, mandatory=each.mandatory)
        for each in message.avps
    )
    again = diameter.decode_message(diameter.encode_message(*message[:5], avps))
    assert [each[:4] for each in again.avps] == [each[:4] for each in message.avps]
    with contextlib.suppress(DecodeError):
        answer = read_answer(message)
        granted(unit_of(answer, 1), 60)


def tcap_twice(octets: bytes) -> None:
    """What TCAP decodes without a bad part, it encodes, and decodes to the same."""
    try:
        message = tcap.decode(octets)
    except DecodeError:
        return
    bad = tcap.Malformed, tcap.MalformedDialogue
    if any(isinstance(part, bad) for part in (message.dialogue, *message.components)):
        return
    assert tcap.decode(tcap.encode(message)) == message


def other_ids(octets: bytes) -> None:
    """Any octets are given other transaction ids, as a replay does; what decodes differs in nothing else."""
    changed = with_ids(octets, b"\x0a\x0b\x0c\x0d", b"\x0e")
    try:
        was, now = tcap.decode(octets), tcap.decode(changed)
    except DecodeError:
        return
    assert (now.otid, now.dtid) == (was.otid and b"\x0a\x0b\x0c\x0d", was.dtid and b"\x0e")
    assert (now.kind, now.p_abort_cause) == (was.kind, was.p_abort_cause)
    assert [type(part) for part in now.components] == [type(part) for part in was.components]


def adaptations(octets: bytes) -> None:
    """What only captures have: M2UA, M2PA, MTP3, SCTP chunks, M3UA in a TCP stream."""
    for decode in (m2ua.decode, m2pa.decode, mtp3.decode):
        try:
            decode(octets)
        except DecodeError:
            continue
    read_chunks(octets, 0, len(octets), [])
    framer = Framer()
    try:
        framer.feed(octets)
    except DecodeError:
        return


def packet(octets: bytes) -> None:
    """One packet, its link type the first octet's choice."""
    links = (1, 0, 101, 113, 276, 248, 141, 142)
    dissector = Dissector()
    for number in range(3):
        dissector.packet(Frame(number, 0.0, links[octets[0] % len(links)] if octets else 1, octets[1:], 0))
    dissector.finish()


def capture(octets: bytes) -> None:
    """A file: decoded, replayed with a report, anonymised."""
    with tempfile.NamedTemporaryFile(suffix=".pcapng") as file:
        file.write(octets)
        file.flush()
        try:
            for shown in Decoder(Filter(reason="x")).show(Capture(file.name)):
                tree(shown)
        except CaptureError:
            return
        replay(file.name)
        Anonymiser(Disguise(b"key")).run(Capture(file.name), PcapNgWriter(io.BytesIO()))


def replay(name: str) -> None:
    store = Snapshot({})
    services = {100: VoipForwarding(Rules(Numbering(country_code="46"), prefix="99"))}
    report = Report(services, store, each=lambda shown: None, full=True)
    run = Replay(services, store, report.take, Counter())
    for item in Capture(name):
        run.take(item)
    run.finish()
    assert len(run.tcap) <= run.messages


def tpdus(octets: bytes) -> None:
    """A TPDU in each direction; what decodes has to encode, and to decode to the same; its text is read or refused."""
    for to_mobile, error in ((True, False), (False, False), (True, True), (False, True)):
        try:
            found = tpdu.decode(octets, to_mobile=to_mobile, error=error)
        except DecodeError:
            continue
        again = tpdu.encode(found)
        assert tpdu.decode(again, to_mobile=to_mobile, error=error) == found
        data = getattr(found, "user_data", None)
        if data is not None:
            with contextlib.suppress(DecodeError):
                data.read()


def smpp_pdus(octets: bytes) -> None:
    """A PDU of SMPP; what decodes has to encode, and to decode to the same; a deliver_sm is read or refused."""
    try:
        found = smpp.decode(len(octets).to_bytes(4, "big") + octets[4:])
    except DecodeError:
        return
    assert smpp.decode(smpp.encode(found)) == found
    if isinstance(found.body, smpp.Text):
        with contextlib.suppress(DecodeError):
            receipt_of(found, found.body)
        with contextlib.suppress(DecodeError):
            incoming_of(found, found.body, Coding.GSM7)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        layers,
        pasted,
        arguments,
        map_values,
        diameter_messages,
        tcap_twice,
        other_ids,
        adaptations,
        tpdus,
        smpp_pdus,
        packet,
        capture,
    )
}


_HELLO = user_data(Coding.GSM7, b"Hello", Concatenation(7, 2, 1))
_ZERO = tpdu.Timestamp(26, 11, 29, 11, 0, 0, 4)
_RECEIPT = b"id:1 sub:001 dlvrd:001 submit date:2611291100 done date:2611291100 stat:DELIVRD err:000 text:"
_GRANT = (
    diameter.encode_avp(
        431, diameter.encode_avp(420, diameter.u32(60)) + diameter.encode_avp(451, diameter.u32(1))
    )
    + diameter.encode_avp(430, diameter.encode_avp(449, diameter.u32(0)))
    + diameter.encode_avp(432, diameter.u32(1))
    + diameter.encode_avp(448, diameter.u32(9))
    + diameter.encode_avp(268, diameter.u32(2001))
)
_ANSWER = (
    diameter.encode_avp(263, b"scp;1;2")
    + diameter.encode_avp(268, diameter.u32(2001))
    + diameter.encode_avp(264, b"ocs.example")
    + diameter.encode_avp(456, _GRANT)
    + diameter.encode_avp(873, diameter.encode_avp(830, b"c", 10415), 10415)
)
MADE: dict[str, tuple[bytes, ...]] = {
    "diameter_messages": (
        diameter.encode_message(0x40, 272, 4, 1, 2, _ANSWER),
        diameter.encode_message(0x80, 280, 0, 1, 2, diameter.encode_avp(264, b"ocs.example")),
    ),
    "tpdus": (
        tpdu.encode(tpdu.Deliver(tpdu.SmsAddress("Example", 5, 0), _HELLO, _ZERO)),
        tpdu.encode(
            tpdu.Submit(
                tpdu.SmsAddress("46701234567"), user_data(Coding.UCS2, b"\xd8\x3d\xde\x00"), 1, b"\xa7"
            )
        ),
        tpdu.encode(tpdu.Report(tpdu.Kind.DELIVER, 0xD0, None, 0, _HELLO)),
        tpdu.encode(tpdu.Report(tpdu.Kind.SUBMIT, None, _ZERO)),
        tpdu.encode(tpdu.StatusReport(1, tpdu.SmsAddress("46701234567"), _ZERO, _ZERO, 0)),
    ),
    "smpp_pdus": (
        smpp.encode(smpp.Pdu(9, 1, 0, smpp.Bind("camel-scp", "secret"))),
        smpp.encode(
            smpp.Pdu(
                4, 2, 0, smpp.Text(destination="46701234567", short_message=b"Hello"), ((0x204, b"\0\1"),)
            )
        ),
        smpp.encode(smpp.Pdu(5, 3, 0, smpp.Text(source="46701234567", esm_class=4, short_message=_RECEIPT))),
        smpp.encode(
            smpp.Pdu(
                5, 4, 0, smpp.Text(esm_class=0x40, short_message=b"\5\0\3\7\2\1Hello"), ((0x427, b"\2"),)
            )
        ),
        smpp.encode(smpp.Pdu(0x80000004, 2, 0, smpp.Name("1"))),
    ),
}
"""The corpus of what no capture has."""


@cache
def seeds(name: str) -> tuple[bytes, ...]:
    """The corpus of a target."""
    files = [path.read_bytes() for path in sorted(PCAPS.glob("*.pcapng"))]
    if name == "capture":
        return tuple(files)
    if name == "map_values":
        return tuple(map_seeds())
    if name in MADE:
        return MADE[name]
    frames = [frame.octets for octets in files for frame in _frames(octets)]
    if name == "pasted":
        return tuple(frames)
    if name == "packet":
        return tuple(b"\0" + octets for octets in frames)
    carried = [
        item for path in sorted(PCAPS.glob("*.pcapng")) for item in Capture(path) if isinstance(item, Message)
    ]
    if name in ("tcap_twice", "other_ids"):
        return tuple({item.tcap for item in carried if item.tcap})
    if name == "arguments":
        return tuple(_arguments(item.tcap) for item in carried if item.tcap and _arguments(item.tcap))
    if name == "adaptations":
        return tuple({*(octets[34:] for octets in frames), *(item.signal.octets for item in carried)})
    units = {item.data.payload for item in carried if item.data is not None}
    return tuple(
        {*units, *(item.signal.octets for item in carried), *(item.tcap for item in carried if item.tcap)}
    )


def map_seeds() -> Iterator[bytes]:
    """Arguments and results of some operations, behind the octets that choose operation and version."""
    bob = Subscriber(msisdn="46701234567", vlr="31651234567", cell="204-04-100-200", age=3)
    identity = SubscriberIdentity("msisdn", AddressString(bob.msisdn).encode())
    asked = AnyTimeInterrogationArg(identity, RequestedInfo(location_information=True), identity.value)
    by_code = {int(each.opcode): bytes((number, 2)) for number, each in enumerate(MAP_OPERATIONS)}
    yield by_code[71] + MAP.encode_argument(71, asked, 3)
    yield by_code[71] + MAP.encode_result(71, SubscriberInfoRes(info_of(bob)), 3)
    yield by_code[89] + MAP.encode_argument(89, note_mm_event(bob, b"\x01"), 3)
    for opcode in (22, 45):
        yield by_code[opcode] + MAP.encode_result(opcode, result_of(opcode, None, bob, 3)[1], 3)
    to, sender = SMRPDA("noSM-RP-DA", True), SMRPOA("msisdn", identity.value)
    deliver = bytes.fromhex("040b916407214365f70000621110210000000bc8329bfd06dddf723619")
    yield by_code[44] + MAP.encode_argument(44, MTForwardSMArg(to, sender, deliver), 3)


def _frames(octets: bytes) -> list[Frame]:
    parser = parser_for(octets[:4])
    return parser.feed(octets) if parser is not None else []


def _arguments(octets: bytes) -> bytes:
    try:
        components = tcap.decode(octets).components
    except DecodeError:
        return b""
    for component in components:
        if isinstance(component, tcap.Invoke) and component.opcode in CALL_CONTROL and component.parameter:
            return bytes((CALL_CONTROL.index(component.opcode),)) + component.parameter
    return b""
