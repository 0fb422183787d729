"""``camel-scp decode --hex``: octets of a whole frame, of a message of any layer, or of a part of one.

What they are is found out: a frame by its lengths and checksums, a message by its first octet.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from scp.capture.cap_version import VERSIONS
from scp.capture.frame_link import LINKS, link_of, mtp2_link_of
from scp.capture.json_view import data_json, fault_json, management_json, message_json, user_json
from scp.capture.source import PacketReader
from scp.capture.tcap_view import components_json, dialogue_json, error_json, is_error, tcap_json
from scp.capture.wire.messages import Message, is_segment
from scp.capture.wire.values import Frame
from ss7 import m2pa, m2ua, m3ua, mtp3, rose, sccp, tcap
from ss7.ber import read_element
from ss7.cap.charging import CONTAINED
from ss7.cap.contexts import LATEST
from ss7.cap.operations import BY_NAME, BY_OPCODE
from ss7.cap.render import CONTENTS, contents_to_json
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.capture.source import Item

JsonDict: TypeAlias = dict[str, Any]

_SCCP_USER: Final = 3  # service indicator (Q.704 §14.2.1)


# -- layers ----------------------------------------------------------------------------------------------


def _m3ua(octets: bytes, version: int) -> JsonDict:
    message = m3ua.decode(octets)
    if isinstance(message, m3ua.Message):
        return {"m3ua": management_json(message)}
    return {"m3ua": data_json(message), **_mtp_user(message, version)}


def _m2ua(octets: bytes, version: int) -> JsonDict:
    message = m2ua.decode(octets)
    if message is None:
        return {"m2ua": {"type": m2ua.name_of(m2ua.kind_of(octets))}}
    return {"m2ua": data_json(message), **_mtp_user(message, version)}


def _m2pa(octets: bytes, version: int) -> JsonDict:
    message = m2pa.decode(octets)
    if message is None:
        return {"m2pa": {"type": m2pa.NAMES[m2pa.kind_of(octets)]}}
    return {"m2pa": data_json(message), **_mtp_user(message, version)}


def _mtp3(octets: bytes, version: int) -> JsonDict:
    message = mtp3.decode(octets)
    return {"mtp3": data_json(message), **_mtp_user(message, version)}


def _mtp_user(message: m3ua.Data, version: int) -> JsonDict:
    if message.si != _SCCP_USER:
        return {"octets": message.payload.hex()}
    try:
        return _sccp(message.payload, version)
    except DecodeError as error:
        return {"sccp": error_json(error, message.payload)}


def _sccp(octets: bytes, version: int) -> JsonDict:
    unit = sccp.decode(octets)
    shown: JsonDict = {"sccp": unit.as_dict()}
    if is_segment(unit):
        return shown | {"segment": unit.data.hex()}
    return shown | user_json(unit.data, unit, version)


def _tcap(octets: bytes, version: int) -> JsonDict:
    tcap.decode(octets)
    return tcap_json(octets, version)


def _dialogue(octets: bytes, version: int) -> JsonDict:  # noqa: ARG001 - as the others
    return {"tcap": dialogue_json(tcap.decode_dialogue(octets))}


def _portion(octets: bytes, version: int) -> JsonDict:
    """Show a component portion (Q.773 §4.2.2), tag and length included."""
    _, start, stop, after = read_element(octets, 0, len(octets))
    if after != len(octets):
        raise DecodeError("not one component portion", 0, "Q.773 §4.2.2")
    return _components(octets, version, start, stop)


def _components(octets: bytes, version: int, start: int = 0, stop: int = -1) -> JsonDict:
    found = rose.decode_components(octets, start, stop if stop >= 0 else len(octets))
    return components_json(found, version)


_READERS: Final[dict[str, Callable[[bytes, int], JsonDict]]] = {
    "m3ua": _m3ua,
    "m2ua": _m2ua,
    "m2pa": _m2pa,
    "mtp3": _mtp3,
    "sccp": _sccp,
    "tcap": _tcap,
    "dialogue": _dialogue,
    "components": _portion,
    "component": _components,
}
LAYERS: Final = (*_READERS, "cap")
_TCAP_TAGS: Final = frozenset(bytes((kind,)) for kind in tcap.KIND_NAMES)
PARTS: Final = {name.lower(): name for name in (*CONTENTS, *CONTAINED)}
"""Names of what octet strings contain, in small letters."""

_BEGINS: Final[dict[int, str]] = {
    m3ua.VERSION: "m3ua",
    **dict.fromkeys((network << 6 | _SCCP_USER for network in range(4)), "mtp3"),
    **dict.fromkeys(map(int, sccp.MessageType), "sccp"),
    **dict.fromkeys(tcap.KIND_NAMES, "tcap"),
    0x6B: "dialogue",
    0x6C: "components",
    **dict.fromkeys(
        (
            rose.INVOKE,
            rose.RETURN_RESULT_LAST,
            rose.RETURN_ERROR,
            rose.REJECT,
            rose.RETURN_RESULT_NOT_LAST,
        ),
        "component",
    ),
    0x30: "cap",
}
"""What octets are by the first of them: M3UA's version, MTP3's SIO, SCCP's message type, the tags of TCAP."""
_CLASSES: Final = {m2ua.DATA >> 8: "m2ua", m2pa.USER_DATA >> 8: "m2pa"}


def decode_hex(
    octets: bytes, layer: str = "", *, version: int = 0, operation: str = "initialDP"
) -> list[JsonDict]:
    """Return what `decode_octets` does, or the messages of a whole frame, several if they were bundled.

    Args:
        octets: of a message, a part of one, or a frame.
        layer: one of `LAYERS`, of `LINKS`, or of `PARTS`; "": the outermost that the octets can be.
        version: see `decode_octets`.
        operation: likewise.

    Raises:
        DecodeError: they are nothing of that, or a frame that has no message in it.
        ValueError: no such layer or operation.
    """
    kind = LINKS.get(layer, -1)
    if kind < 0 and not layer and not _is_tcap(octets):
        kind = link_of(octets)
    if kind >= 0:
        return _frame(octets, kind, version)
    try:
        return [decode_octets(octets, layer, version=version, operation=operation)]
    except DecodeError:
        kind = -1 if layer else mtp2_link_of(octets)
        if kind < 0:
            raise
    return _frame(octets, kind, version)


def _is_tcap(octets: bytes) -> bool:
    """Whether octets are a TCAP message, whose tags are also the first octets of IPv6."""
    if octets[:1] not in _TCAP_TAGS:
        return False
    try:
        tcap.decode(octets)
    except DecodeError:
        return False
    return True


def _frame(octets: bytes, kind: int, version: int) -> list[JsonDict]:
    packets = PacketReader()
    items: list[Item] = []
    packets.read([Frame(1, 0.0, kind, octets, 0)], items)
    if not items:
        packets.finish(items)
    shown = [message_json(item, version) if isinstance(item, Message) else fault_json(item) for item in items]
    if not shown:
        name = next(name for name, each in LINKS.items() if each == kind)
        found = ", ".join(packets.counts) or "no DATA, or a part of a message"
        raise DecodeError(f"no whole message in this frame, read as {name}: {found}", 0)
    for each in shown:
        del each["frame"], each["time"]
    return shown


def decode_octets(
    octets: bytes, layer: str = "", *, version: int = 0, operation: str = "initialDP"
) -> JsonDict:
    """Return a message of any layer, with the layers in it, or a part of one.

    Args:
        octets: the message.
        layer: one of `LAYERS`, or of `PARTS` in any case; "": the outermost that the octets can be.
        version: CAP version of a message without application context; 0: what fits.
        operation: for the layer "cap", the operation (name or code) whose argument the octets are.

    Raises:
        DecodeError: the layer that was asked for refuses the octets, or no layer's begin so.
        ValueError: no such layer or operation.
    """
    if layer.lower() in PARTS:
        return _part(PARTS[layer.lower()], octets, version)
    if layer and layer not in LAYERS:
        raise ValueError(f"no layer {layer!r}: {', '.join((*LINKS, *LAYERS, *PARTS.values()))}")
    if not octets:
        raise DecodeError("no octets", 0)
    layer = layer or _layer_of(octets)
    if not layer:
        raise DecodeError(f"no layer's octets begin with {octets[0]:02x}: name the layer with --layer", 0)
    return _argument(octets, version, operation) if layer == "cap" else _READERS[layer](octets, version)


def _layer_of(octets: bytes) -> str:
    """Return the layer that octets are of; M2UA, M2PA and M3UA share a header and differ by message class."""
    layer = _BEGINS.get(octets[0], "")
    return _CLASSES.get(octets[2], layer) if layer == "m3ua" and len(octets) > 2 else layer


def _argument(octets: bytes, version: int, operation: str) -> JsonDict:
    known = BY_OPCODE.get(int(operation)) if operation.isdecimal() else BY_NAME.get(operation)
    if known is None:
        raise ValueError(f"no CAP operation {operation!r}")
    shown = components_json([rose.Invoke(0, known.opcode, octets)], version)
    component: JsonDict = shown.pop("components")[0]
    argument = component.get("argument")
    if isinstance(argument, dict) and is_error(argument):
        reason = f"not the argument of {known.name} (--operation): {argument['error']}"
        raise DecodeError(reason, argument["offset"], argument["clause"])
    del component["type"], component["invoke_id"]
    return shown | component


def _part(name: str, octets: bytes, version: int) -> JsonDict:
    """Return what an octet string contains; of several CAP versions, the latest in which it can be read."""
    readable: dict[int, Any] = {}
    for each in (version,) if version else VERSIONS:
        with contextlib.suppress(DecodeError):
            readable[each] = contents_to_json(name, octets, each)
    if not readable:
        contents_to_json(name, octets, version or LATEST)  # raises
    return {name: readable[max(readable)]}
