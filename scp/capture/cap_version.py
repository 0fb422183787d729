"""Which CAP version a dialogue has, by its application context."""

from __future__ import annotations

from typing import Any, Final

from ss7 import tcap
from ss7.cap.contexts import BY_OCTETS, CAP_V1, LATEST
from ss7.errors import DecodeError
from ss7.tcap_dialogue import Aare, Aarq, Audt

MAP: Final = -1
"""In the place of a CAP version: the dialogue is of MAP, whose operation codes are other operations."""
_MAP_SSNS: Final = frozenset(
    {5, 6, 7, 8, 9, 10, 147, 148, 149}
)  # TS 23.003 §8.1 and 8.2: nodes that speak MAP
# {itu-t etsi mobileDomain gsm-Network ac-Id}: MAP's contexts (TS 29.002 §17.3.3), three of which are CAP's.
_GSM_CONTEXTS: Final = bytes.fromhex("0400000100")
_CAP_CONTEXTS: Final = b"\x32\x33\x34"


def version_of_begin(octets: bytes) -> int:
    """Return the CAP version that a BEGIN asks for; 0 if it can't be read or asks for something else."""
    try:
        portion = tcap.decode(octets).dialogue
    except DecodeError:
        return 0
    if portion is None:
        return CAP_V1.version
    context = BY_OCTETS.get(portion.context) if isinstance(portion, Aarq) else None
    return 0 if context is None else context.version


def version_of(message: tcap.Message, otherwise: int = LATEST) -> int:
    """Return the CAP version that a message shows, or `MAP`; 1 for a BEGIN without dialogue portion."""
    portion = message.dialogue
    if isinstance(portion, (Aarq, Aare, Audt)):
        known = BY_OCTETS.get(portion.context)
        if known is not None:
            return known.version
        if portion.context.startswith(_GSM_CONTEXTS) and portion.context[5:6] not in _CAP_CONTEXTS:
            return MAP
    unsaid = message.kind == tcap.BEGIN and portion is None and otherwise != MAP
    return CAP_V1.version if unsaid else otherwise


def unsaid_version(unit: Any) -> int:
    """Return what a message without application context is: `MAP` only if both subsystems speak that."""
    ssns = {subsystem(unit.called_raw, unit), subsystem(unit.calling_raw, unit)}
    return MAP if ssns <= _MAP_SSNS else LATEST


def subsystem(raw: bytes, unit: Any) -> int:
    """Return the subsystem number of one of a message's two addresses; -1 if it can't be read."""
    try:
        return int(unit.called.ssn if raw is unit.called_raw else unit.calling.ssn)
    except DecodeError:
        return -1
