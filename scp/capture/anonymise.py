"""Rewrites a capture to be shown: every number, IMSI, point code, global title and host is another.

Only what was understood is written, message by message in fresh packets: nothing that this module does not
know can slip through. What can't be decoded is left out and counted. Lengths stay, equal numbers stay equal,
numbers of one subscriber in different forms (+46…, 0…) stay related, and no two become one.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, final

from msgspec.structs import astuple

from scp.capture.dialogue_versions import DialogueVersions
from scp.capture.wire.messages import MANAGEMENT_SSN, Message
from scp.capture.write import Association, PcapNgWriter
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SI_SCCP, SccpSettings
from ss7 import m3ua, rose, tcap
from ss7.asn1.schema import ChoiceType, ListType, OctetStringType, OneOfType, SequenceType
from ss7.cap.charging import CONTAINED, contained_type, decode_contained
from ss7.cap.codec import FAST
from ss7.cap.roots import argument_type
from ss7.errors import DecodeError, EncodeError
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.sccp import Address, UnitData, address_of
from ss7.tcap_dialogue import Aare, Aarq, Abrt, External

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scp.capture.source import MessageSource
    from scp.capture.wire.values import Way
    from ss7.asn1.schema import Type
    from ss7.tcap_dialogue import DialoguePortion

DIGITS: Final = 6
"""How many digits at a number's end are replaced: what is before them says country and network, not who."""
IMSI_DIGITS: Final = 8
SHORT: Final = 4
"""Numbers of up to so many digits are services, nobody's own, and stay."""
_ROUNDS: Final = 8

# Octets before the digits (or their low half), for each kind of octet string with digits in it.
_DIGITS_AT: Final[dict[str, int]] = {
    "AddressString": 1,
    "CalledPartyBCDNumber": 1,
    "CalledPartyNumber": 2,
    "CallingPartyNumber": 2,
    "LocationNumber": 2,
    "OriginalCalledNumber": 2,
    "RedirectingNumber": 2,
    "GenericNumber": 3,
    "Digits": 3,
    "IMSI": 0,
    "IMEI": 0,
}
_HARMLESS: Final = frozenset({"Cause", "DateAndTime", "TimeAndTimezone", "RedirectionInformation"})
_PLACES: Final = {"CellGlobalId": 3, "LocationAreaId": 3}  # after MCC and MNC: area and cell
_LONG: Final = 4
"""Octet strings of unknown content that are longer than this are made anew."""


class NotUnderstoodError(Exception):
    """A message that can't be rewritten with certainty."""


@final
class Disguise:
    """The replacement of everything, from a key: the same key gives the same replacements."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]
        self._hosts: dict[bytes, bytes] = {}

    def number(self, digits: str, replaced: int = DIGITS) -> str:
        """Return other digits, the last ``replaced`` of them permuted; signs that are no digits stay."""
        decimal = [at for at, sign in enumerate(digits) if sign.isdigit()]
        if len(decimal) <= SHORT:
            return digits
        places = decimal[-replaced:]
        permuted = self._permuted("".join(digits[at] for at in places))
        signs = list(digits)
        for at, sign in zip(places, permuted, strict=True):
            signs[at] = sign
        return "".join(signs)

    def _permuted(self, digits: str) -> str:
        """Return a permutation of all strings of decimal digits of one length: a Feistel network."""
        half = len(digits) // 2
        left, right = digits[:half], digits[half:]
        for step in range(_ROUNDS):
            size = len(left)
            mixed = (int(left) + self._mix(f"{step}:{right}")) % 10**size
            left, right = right, f"{mixed:0{size}d}"
        return left + right

    def _mix(self, text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), key=self._key, digest_size=8).digest(), "big")

    def point_code(self, code: int) -> int:
        """Return another point code of 14 bits, a different one for each; those that have more stay below."""
        left, right = code >> 7 & 0x7F, code & 0x7F
        for step in range(_ROUNDS):
            left, right = right, left ^ self._mix(f"pc{step}:{right}") & 0x7F
        return left << 7 | right

    def octets(self, octets: bytes) -> bytes:
        """Return as many other octets."""
        made = b""
        while len(made) < len(octets):
            made += blake2b(octets, key=self._key, salt=len(made).to_bytes(16, "big")).digest()
        return made[: len(octets)]

    def host(self, address: bytes) -> bytes:
        """Return an IPv4 address for a host: 10.0.0.1 on, in the order of their appearance."""
        known = self._hosts.get(address)
        if known is None:
            number = len(self._hosts) + 1
            known = self._hosts[address] = b"\x0a" + number.to_bytes(3, "big")
        return known

    def semi_octets(self, octets: bytes, start: int, replaced: int) -> bytes:
        """Return octets whose digits, two an octet from ``start`` on, are replaced; fillers stay."""
        digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in octets[start:])
        body = digits.rstrip("f")
        made = self.number(body, replaced) + digits[len(body) :]
        swapped = "".join(made[at + 1] + made[at] for at in range(0, len(made), 2))
        return octets[:start] + bytes.fromhex(swapped)

    def content(self, kind: str, octets: bytes) -> bytes:
        """Return the octets that stand for those of an octet string, as long as they."""
        if kind in _HARMLESS:
            return octets
        if kind in _PLACES:
            return octets[: _PLACES[kind]] + self.octets(octets[_PLACES[kind] :])
        start = _DIGITS_AT.get(kind)
        if start is None:
            return self.octets(octets) if len(octets) > _LONG else octets
        replaced = IMSI_DIGITS if kind in {"IMSI", "IMEI"} else DIGITS
        odd = kind.endswith("Number") and kind != "CalledPartyBCDNumber" and octets[:1] >= b"\x80"
        if not odd:
            return self.semi_octets(octets, start, replaced)
        # the filler of an odd number of signals is no digit (Q.763 §3.9)
        body, last = octets[:-1], octets[-1]
        whole = self.semi_octets(body + bytes((last | 0xF0,)), start, replaced)
        return whole[:-1] + bytes((whole[-1] & 0x0F | last & 0xF0,))


@final
class Anonymiser:
    """Rewrites the messages of a capture.

    Attributes:
        left_out: what was not written, by why.
        written: messages that were.
    """

    def __init__(self, disguise: Disguise) -> None:
        self.left_out: Counter[str] = Counter()
        self.written = 0
        self._disguise = disguise
        self._dialogues = DialogueVersions(None)
        self._wires: dict[tuple[bytes, bytes], Association] = {}

    def run(self, capture: MessageSource, writer: PcapNgWriter) -> None:
        """Rewrite all of a capture."""
        self._dialogues = DialogueVersions(capture)
        for item in capture:
            if not isinstance(item, Message):
                self.left_out["can't be decoded"] += 1
                continue
            try:
                messages = list(self.rewritten(item))
            except (NotUnderstoodError, DecodeError, EncodeError) as error:
                self.left_out[
                    str(error) if isinstance(error, NotUnderstoodError) else "can't be decoded"
                ] += 1
                continue
            for octets in messages:
                self._write(writer, item, octets)

    def _write(self, writer: PcapNgWriter, message: Message, octets: bytes) -> None:
        wire, sent = self._wire(message.signal.way)
        for packet in wire.packets(octets, sent=sent, stream=max(0, message.signal.stream)):
            writer.write(message.signal.time, packet)
        self.written += 1

    def _wire(self, way: Way) -> tuple[Association, bool]:
        here, there = (
            self._disguise.host(way.source),
            self._disguise.host(way.destination + b"\0" * (not way.destination)),
        )
        if (there, here) in self._wires:
            return self._wires[there, here], False
        if (here, there) not in self._wires:
            self._wires[here, there] = Association(here, there, tag=2 * len(self._wires) + 1)
        return self._wires[here, there], True

    def rewritten(self, message: Message) -> Iterator[bytes]:
        """Yield the M3UA messages that stand for one of a capture; none for a segment of one that follows."""
        if message.management is not None:
            yield self._management(message.management)
            return
        data, unit = message.data, message.unit
        if data is None or data.si != SI_SCCP or unit is None:
            raise NotUnderstoodError("another MTP user")
        if not message.tcap:
            return
        if not isinstance(unit, UnitData):
            raise NotUnderstoodError("returned by SCCP")
        if address_of(unit.called_raw).ssn == MANAGEMENT_SSN:
            raise NotUnderstoodError("SCCP management")
        layer = Sccp(SccpSettings(), self.written & 0xFFFFFF)
        called, calling = self._address(unit.called_raw), self._address(unit.calling_raw)
        layer.send(
            called, calling, self._tcap(message), dpc=0, sls=data.sls, return_on_error=unit.return_on_error
        )
        hide = self._disguise.point_code
        for _, _, octets in layer.outbox:
            yield m3ua.encode(
                m3ua.Data(hide(data.opc), hide(data.dpc), SI_SCCP, data.ni, data.mp, data.sls, octets)
            )

    def _management(self, message: m3ua.Message) -> bytes:
        if message.kind in {m3ua.REG_REQ, m3ua.REG_RSP}:
            raise NotUnderstoodError("routing key management")
        params = {
            tag: value
            for tag, value in message.params.items()
            if tag not in {Tag.INFO_STRING, Tag.DIAGNOSTIC_INFORMATION, Tag.HEARTBEAT_DATA}
        }
        hide = self._disguise.point_code
        if Tag.AFFECTED_POINT_CODE in params:
            params[Tag.AFFECTED_POINT_CODE] = tuple(
                AffectedPointCode(hide(code), mask) for code, mask in params[Tag.AFFECTED_POINT_CODE]
            )
        if Tag.CONCERNED_DESTINATION in params:
            params[Tag.CONCERNED_DESTINATION] = hide(params[Tag.CONCERNED_DESTINATION])
        return m3ua.encode(m3ua.Message(message.kind, params))

    def _address(self, raw: bytes) -> bytes:
        address = address_of(raw)
        title = address.global_title
        if title is not None:
            made = type(title)(
                self._disguise.number(title.digits),
                title.indicator,
                title.translation_type,
                title.plan,
                title.scheme,
                title.nature,
            )
            title = made
        code = address.point_code if address.point_code < 0 else self._disguise.point_code(address.point_code)
        return Address(address.ssn, code, title, address.route_on_ssn, address.national).encode()

    # -- TCAP and CAP --------------------------------------------------------------------------------------

    def _tcap(self, carried: Message) -> bytes:
        message = tcap.decode(carried.tcap)
        dialogue = self._dialogues.follow(carried)
        if dialogue is None or dialogue.version < 0:
            raise NotUnderstoodError("no CAP")
        message.dialogue = _without_information(message.dialogue)
        versions = (dialogue.version,) if dialogue.version else dialogue.among
        message.components = [self._component(component, versions) for component in message.components]
        return tcap.encode(message)

    def _component(self, component: rose.Component, versions: Sequence[int]) -> rose.Component:
        if isinstance(component, rose.Invoke) and isinstance(component.opcode, int):
            opcode = component.opcode
            parameters = {self._parameter(opcode, component.parameter, version) for version in versions}
            if len(parameters) > 1:
                raise NotUnderstoodError("of a dialogue whose CAP version the capture does not tell")
            return rose.Invoke(component.invoke_id, opcode, parameters.pop(), component.linked_id)
        if isinstance(component, (rose.ReturnError, rose.Reject)):
            return component
        if isinstance(component, rose.ReturnResult) and not component.parameter:
            return component
        raise NotUnderstoodError("a component that is no operation, error or reject of CAP")

    def _parameter(self, opcode: int, parameter: bytes, version: int) -> bytes:
        argument = FAST.decode_argument(opcode, parameter, version)
        kind = argument_type(opcode, version)
        if argument is not None and kind is None:
            raise NotUnderstoodError("an operation whose argument only the reference codec knows")
        if kind is not None:
            for old, new in sorted(set(self._replacements(kind, argument, version)), key=_longest_first):
                parameter = parameter.replace(old, new)
        return parameter

    def _replacements(self, kind: Type, value: Any, version: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield what octets in an argument become which others."""
        if isinstance(kind, SequenceType):
            slots = astuple(value)
            for component in kind.components:
                if slots[component.slot] is not None:
                    yield from self._replacements(component.type, slots[component.slot], version)
        elif isinstance(kind, ChoiceType):
            chosen = next(item for item in kind.alternatives if item.identifier == value.name)
            yield from self._replacements(chosen.type, value.value, version)
        elif isinstance(kind, OneOfType):
            chosen = next(component for python, component in kind.alternatives if isinstance(value, python))
            yield from self._replacements(chosen.type, value, version)
        elif isinstance(kind, ListType):
            for item in value:
                yield from self._replacements(kind.element.type, item, version)
        elif isinstance(kind, OctetStringType) and kind.contains in CONTAINED:
            inner = decode_contained(kind.contains, value, version)
            yield from self._replacements(contained_type(kind.contains, version), inner, version)
        elif isinstance(kind, OctetStringType):
            yield value, self._disguise.content(kind.contains, value)
        elif isinstance(value, bytes) and len(value) > _LONG:
            yield value, value[:2] + self._disguise.octets(value[2:])  # an open type: its tag and length stay


def _longest_first(replacement: tuple[bytes, bytes]) -> tuple[int, bytes]:
    return -len(replacement[0]), replacement[0]


def _without_information(portion: DialoguePortion | None) -> DialoguePortion | None:
    """Return a dialogue portion without what users put into it."""
    if isinstance(portion, Aarq):
        return Aarq(portion.context, portion.version)
    if isinstance(portion, Aare):
        return Aare(portion.context, portion.result, portion.source, portion.diagnostic, portion.version)
    if isinstance(portion, Abrt):
        return Abrt(portion.source)
    if isinstance(portion, External):
        raise NotUnderstoodError("a dialogue portion in a syntax of its own")
    return portion
