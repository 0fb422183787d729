"""Anonymised copies of captures: every number, IMSI, point code, global title and host is replaced.

Only what was understood is written, message by message in fresh packets: nothing that this module does not
know can slip through. What can't be decoded is left out and counted; see `disguise` for the replacements.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.capture.cap_version import map_version
from scp.capture.dialogue_versions import DialogueVersions
from scp.capture.disguise import Disguise, NotUnderstoodError
from scp.capture.smpp_disguise import disguised
from scp.capture.wire.dissector import SMPP_PORT
from scp.capture.wire.messages import MANAGEMENT_SSN, Message
from scp.capture.write import Association, PcapNgWriter, TcpConnection
from scp.messages.smpp import pdu
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SI_SCCP, SccpSettings
from ss7 import m3ua, rose, tcap
from ss7.cap.codec import FAST
from ss7.cap.roots import argument_type, result_type
from ss7.errors import DecodeError, EncodeError
from ss7.m3ua_parameters import AffectedPointCode, Tag
from ss7.map.codec import FAST as MAP
from ss7.map.roots import argument_type as map_argument_type
from ss7.map.roots import error_type as map_error_type
from ss7.map.roots import result_type as map_result_type
from ss7.sccp import Address, UnitData, address_of
from ss7.tcap_dialogue import Aare, Aarq, Abrt, External

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scp.capture.source import MessageSource
    from scp.capture.wire.values import Way
    from ss7.tcap_dialogue import DialoguePortion

_Socket: TypeAlias = tuple[bytes, int]
_FAR_PORT: Final = 40_001
_FAR_PORTS: Final = 20_000


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
        self._connections: dict[tuple[_Socket, _Socket], TcpConnection] = {}

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
        way = message.signal.way
        wire, sent = self._wire(way) if message.smpp is None else self._connection(way)
        for packet in wire.packets(octets, sent=sent, stream=max(0, message.signal.stream)):
            writer.write(message.signal.time, packet)
        self.written += 1

    def _connection(self, way: Way) -> tuple[TcpConnection, bool]:
        """Return the connection of PDUs, and whether this way is from its end with SMPP's port."""
        source, target = (way.source, way.source_port), (way.destination, way.destination_port)
        sent = source[1] == SMPP_PORT or (target[1] != SMPP_PORT and source < target)
        near, far = (source, target) if sent else (target, source)
        if (near, far) not in self._connections:
            hosts = self._disguise.host(near[0]), self._disguise.host(far[0])
            port = _FAR_PORT + len(self._connections) % _FAR_PORTS
            self._connections[near, far] = TcpConnection(*hosts, port, port=SMPP_PORT)
        return self._connections[near, far], sent

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
        if message.smpp is not None:
            yield pdu.encode(disguised(message.smpp, self._disguise))
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

    # -- TCAP, CAP and MAP ---------------------------------------------------------------------------------

    def _tcap(self, carried: Message) -> bytes:
        message = tcap.decode(carried.tcap)
        dialogue = self._dialogues.follow(carried)
        if dialogue is None or (dialogue.version < 0 and not map_version(dialogue.version)):
            raise NotUnderstoodError("neither CAP nor MAP")
        message.dialogue = _without_information(message.dialogue)
        of_map = map_version(dialogue.version)
        if of_map:
            message.components = [self._of_map(component, of_map) for component in message.components]
            return tcap.encode(message)
        versions = (dialogue.version,) if dialogue.version else dialogue.among
        message.components = [self._component(component, versions) for component in message.components]
        return tcap.encode(message)

    def _component(self, component: rose.Component, versions: Sequence[int]) -> rose.Component:
        if isinstance(component, (rose.ReturnError, rose.Reject)):
            return component
        if isinstance(component, rose.Invoke) and isinstance(component.opcode, int):
            code = component.opcode
            made = _only(self._argument(code, component.parameter, version) for version in versions)
            return rose.Invoke(component.invoke_id, code, made, component.linked_id)
        if isinstance(component, rose.ReturnResult) and isinstance(component.opcode, int):
            code = component.opcode
            made = _only(self._result(code, component.parameter, version) for version in versions)
            return rose.ReturnResult(component.invoke_id, code, made, component.last)
        if isinstance(component, rose.ReturnResult) and not component.parameter:
            return component
        raise NotUnderstoodError("a component that is no operation, result, error or reject of CAP")

    def _of_map(self, component: rose.Component, version: int) -> rose.Component:
        """Return what stands for a component of MAP."""
        if isinstance(component, rose.Reject):
            return component
        if isinstance(component, rose.ReturnError) and isinstance(component.error, int):
            code = component.error
            made = self._map_error(code, component.parameter, version)
            return rose.ReturnError(component.invoke_id, code, made)
        if isinstance(component, rose.ReturnResult) and not component.parameter:
            return component
        if isinstance(component, (rose.Invoke, rose.ReturnResult)) and isinstance(component.opcode, int):
            opcode, octets = component.opcode, component.parameter
            if isinstance(component, rose.Invoke):
                kind = map_argument_type(opcode, version)
                if kind is not None:
                    value = self._disguise.value(kind, MAP.decode_argument(opcode, octets, version), version)
                    made = MAP.encode_argument(opcode, value, version)
                    return rose.Invoke(component.invoke_id, opcode, made, component.linked_id)
            else:
                kind = map_result_type(opcode, version)
                if kind is not None:
                    value = self._disguise.value(kind, MAP.decode_result(opcode, octets, version), version)
                    made = MAP.encode_result(opcode, value, version)
                    return rose.ReturnResult(component.invoke_id, opcode, made, component.last)
        raise NotUnderstoodError("an operation of MAP that is not decoded")

    def _map_error(self, code: int, parameter: bytes, version: int) -> bytes:
        kind = map_error_type(code, version)
        if kind is None or not parameter:
            return b""
        value = MAP.decode_error(code, parameter, version)
        return MAP.encode_error(code, self._disguise.value(kind, value, version), version)

    def _argument(self, opcode: int, parameter: bytes, version: int) -> bytes:
        value = FAST.decode_argument(opcode, parameter, version)
        kind = argument_type(opcode, version)
        if kind is None or value is None:
            return parameter
        return FAST.encode_argument(opcode, self._disguise.value(kind, value, version), version)

    def _result(self, opcode: int, parameter: bytes, version: int) -> bytes:
        value = FAST.decode_result(opcode, parameter, version)
        kind = result_type(opcode, version)
        if kind is None or value is None:
            return parameter
        return FAST.encode_result(opcode, self._disguise.value(kind, value, version), version)


def _only(made: Iterable[bytes]) -> bytes:
    """Return the octets that every CAP version of a dialogue gives."""
    different = set(made)
    if len(different) > 1:
        raise NotUnderstoodError("of a dialogue whose CAP version the capture does not tell")
    return different.pop()


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
