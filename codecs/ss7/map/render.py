"""MAP values for people and JSON, as `ss7.cap.render`; what a message says is masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ss7.cap.render import to_json
from ss7.map.location import MM_NAMES
from ss7.map.roots import argument_type, error_type, result_type

if TYPE_CHECKING:
    from ss7.cap.render import Contents

_TYPES: Final = ("deliver", "submit", "status-report or command", "reserved")
"""Of a TPDU, by TP-MTI (TS 23.040 §9.2.3.1)."""


def _masked_message(octets: bytes) -> dict[str, Any]:
    return {"tpdu": _TYPES[octets[0] & 3] if octets else "", "octets": len(octets), "text": "masked"}


def _masked_string(octets: bytes) -> dict[str, Any]:
    return {"octets": len(octets), "text": "masked"}


CONTENTS: Final[Contents] = {
    "ShortMessage": _masked_message,
    "USSDString": _masked_string,
    "Uri": _masked_string,
    "SMEA": _masked_string,
    "MM-Code": lambda octets: MM_NAMES.get(octets, octets.hex()),
}
"""Shows octets by what their declaration says that they contain, beside those that CAP knows."""


def argument_to_json(opcode: int, value: Any, version: int) -> Any:
    """Return an argument as JSON can have it."""
    kind = argument_type(opcode, version)
    return None if kind is None or value is None else to_json(kind, value, version, CONTENTS)


def result_to_json(opcode: int, value: Any, version: int) -> Any:
    """Return a result as JSON can have it; None for no result."""
    kind = result_type(opcode, version)
    return None if kind is None or value is None else to_json(kind, value, version, CONTENTS)


def error_to_json(code: int, value: Any, version: int) -> Any:
    """Return an error's parameter as JSON can have it; None for no parameter."""
    kind = error_type(code, version)
    return None if kind is None or value is None else to_json(kind, value, version, CONTENTS)
