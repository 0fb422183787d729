"""``camel-scp decode --hex``: the octets of one message of any layer, or of a part of one."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from scp.capture.cap_version import VERSIONS
from scp.capture.json_view import data_json, management_json, user_json
from scp.capture.tcap_view import components_json, dialogue_json, error_json, is_error, tcap_json
from scp.capture.wire.messages import is_segment
from ss7 import m2pa, m2ua, m3ua, mtp3, rose, sccp, tcap
from ss7.ber import read_element
from ss7.cap.charging import CONTAINED
from ss7.cap.contexts import LATEST
from ss7.cap.operations import BY_NAME, BY_OPCODE
from ss7.cap.render import CONTENTS, contents_to_json
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

JsonDict: TypeAlias = dict[str, Any]

_SCCP_USER: Final = 3  # service indicator (Q.704 §14.2.1)


# -- hex -------------------------------------------------------------------------------------------------

_BETWEEN: Final = re.compile(r"[\s:;,.|_-]+")
_PREFIX: Final = re.compile(r"(?:0|\\)[xX]")
_NO_HEX: Final = re.compile(r"[^0-9A-Fa-f]")


def read_hex(text: str) -> bytes:
    r"""Return the octets that ``text`` has in hex, as programs and people write them.

    Case is free, and so are spaces, line ends and ``: - , . ; | _`` between octets, and ``0x`` or ``\x``
    before them. An octet that stands alone may be a single digit.

    Raises:
        ValueError: other characters, or half an octet.
    """
    words = [word for word in _BETWEEN.split(_PREFIX.sub(" ", text)) if word]
    if len(words) > 1 and all(len(word) <= 2 for word in words):
        words = [word.zfill(2) for word in words]
    digits = "".join(words)
    stray = _NO_HEX.search(digits)
    if stray:
        raise ValueError(f"{stray.group()!r} is no hex digit")
    if len(digits) % 2:
        raise ValueError(f"{len(digits)} hex digits: half an octet is missing")
    return bytes.fromhex(digits)


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


def decode_octets(
    octets: bytes, layer: str = "", *, version: int = 0, operation: str = "initialDP"
) -> JsonDict:
    """Return a message of any layer, with the layers in it, or a part of one.

    Args:
        octets: the message.
        layer: one of `LAYERS`, or of `PARTS` in any case; "": the outermost that the octets can be.
        version: CAP version; 0: by the application context, else what fits.
        operation: for the layer "cap", the operation (name or code) whose argument the octets are.

    Raises:
        DecodeError: the layer that was asked for refuses the octets, or no layer's begin so.
        ValueError: no such layer or operation.
    """
    if layer.lower() in PARTS:
        return _part(PARTS[layer.lower()], octets, version)
    if layer and layer not in LAYERS:
        raise ValueError(f"no layer {layer!r}: {', '.join((*LAYERS, *PARTS.values()))}")
    if not octets:
        raise DecodeError("no octets", 0)
    layer = layer or _layer_of(octets)
    if not layer:
        raise DecodeError(f"no layer's octets begin with {octets[0]:02x}: say which with --layer", 0)
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
