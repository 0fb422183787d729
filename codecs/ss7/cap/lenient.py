"""Reads as much of a CAP argument as can be read: for those that `ss7.cap.codec` refuses.

TS 29.078 §14.1.1.4.1 has a whole operation rejected for one parameter that breaks the ASN.1, and a call that
hangs on it may be lost for a parameter that nobody asked for. What is optional may be left out here.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ss7.asn1 import lenient
from ss7.asn1.lenient import REST, Fault, Reading
from ss7.asn1.schema import ChoiceType, OctetStringType, SequenceType
from ss7.ber import read_element
from ss7.cap.charging import contained_type
from ss7.cap.codec import FAST
from ss7.cap.common import CLAUSE
from ss7.cap.contexts import LATEST
from ss7.cap.operations import BY_OPCODE, OPERATIONS, Opcode
from ss7.cap.roots import argument_type
from ss7.errors import DecodeError

_OF_CALLS: Final = frozenset(Opcode)
_NULL: Final = b"\x05\x00"
_COMPLETE: Final = b"\x9f\x32\x00"
"""allAnnouncementsComplete of a SpecializedResourceReport (§6.3.1), which was a NULL before CAP v4."""

__all__ = ["REST", "Fault", "Reading", "parameters", "read_argument", "read_contained"]


def read_argument(opcode: int, parameter: bytes, version: int, *, partial: bool = False) -> Reading:
    """Read an argument, without the optional parameters that can't be read.

    Args:
        opcode: of the operation.
        parameter: the component's parameter: one element, or b"".
        version: CAP version of the dialogue's application context, 1 to 4.
        partial: see `ss7.asn1.lenient.read`.

    Returns:
        Its value, None if the operation has no argument or something mandatory can't be read; an InitialDP
        says in ``unreadable`` what it lacks. An octet string that is the whole argument bears the
        operation's name. A SpecializedResourceReport may say in another version's form, or without any
        parameter, that the announcement was played.
    """
    kind = argument_type(opcode, version)
    if opcode == Opcode.SPECIALIZED_RESOURCE_REPORT and kind is not None:
        usual = _COMPLETE if isinstance(kind, ChoiceType) else _NULL
        if parameter != usual and parameter in (b"", _NULL, _COMPLETE):
            reason = f"not in the form of CAP v{version}"
            fault = Fault("allAnnouncementsComplete", 0, reason, "TS 29.078 §6.3.1")
            return Reading(FAST.decode_argument(opcode, usual, version), (fault,))
    if kind is None or not parameter:
        try:
            return Reading(FAST.decode_argument(opcode, parameter, version), ())
        except DecodeError as error:
            return Reading(None, (Fault(REST, error.offset, error.reason, error.clause),))
    reading = lenient.read(kind, parameter, CLAUSE, partial=partial)
    if isinstance(kind, OctetStringType):
        name = BY_OPCODE[opcode].name
        return Reading(
            reading.value or _octets(parameter),
            tuple(fault._replace(parameter=name) for fault in reading.faults),
        )
    if opcode == Opcode.INITIAL_DP and reading.faults and reading.value is not None:
        unreadable = tuple(dict.fromkeys(fault.parameter for fault in reading.faults))
        return Reading(replace(reading.value, unreadable=unreadable), reading.faults)
    return reading


def read_contained(name: str, octets: bytes, version: int) -> Reading:
    """Read the BER in an octet string (`ss7.cap.charging.CONTAINED`), without what is optional and broken.

    So a charging report's time is known though an extension in it is broken.
    """
    return lenient.read(contained_type(name, version), octets, CLAUSE)


def _octets(parameter: bytes) -> bytes | None:
    """Return an octet string that is too short or long; None if it is none or has no octets."""
    tag, start, stop, after = read_element(parameter, 0, len(parameter))
    return parameter[start:stop] if tag == 0x04 and start < stop == after == len(parameter) else None


def parameters() -> tuple[str, ...]:
    """Return the identifiers of all parameters that a gsmSSF, or a gsmSRF, sends in operations of a call."""
    found: dict[str, None] = {}
    for operation in OPERATIONS:
        if operation.from_scf or operation.opcode not in _OF_CALLS:
            continue
        kind = argument_type(operation.opcode, LATEST)
        if isinstance(kind, SequenceType):
            found.update((component.identifier, None) for component in kind.components)
        elif isinstance(kind, ChoiceType):
            found.update((component.identifier, None) for component in kind.alternatives)
        else:
            found[operation.name] = None
    return tuple(found)
