"""What CAP puts into the dialogue portion besides the application context (TS 29.078 §5.7, §8.1, §10.3).

User information is a list of EXTERNALs (X.690 §8.18): each names its syntax by an OBJECT IDENTIFIER.
"""

# ruff: noqa: TC001 - the annotations are read at run time

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from msgspec import Struct

from ss7.asn1.declare import Enumerated, Tag
from ss7.asn1.lenient import read
from ss7.asn1.primitives import element_at
from ss7.asn1.schema import EnumeratedType, Type, describe
from ss7.cap.common import Integer4
from ss7.cap.contexts import LATEST
from ss7.errors import DecodeError
from ss7.tcap_dialogue import oid_octets

_CLAUSE: Final = "X.690 §8.18"
_EXTERNAL: Final = 0x28
_OBJECT_IDENTIFIER: Final = 0x06
_SINGLE_ASN1_TYPE: Final = 0xA0


class UAbortReason(Enumerated):
    """Why a CAP user aborts a dialogue (CAP-U-ABORT-REASON)."""

    NO_REASON_GIVEN = 1, "no-reason-given"
    APPLICATION_TIMER_EXPIRED = 2, "application-timer-expired"
    NOT_ALLOWED_PROCEDURES = 3, "not-allowed-procedures"
    ABNORMAL_PROCESSING = 4, "abnormal-processing"
    CONGESTION = 5, "congestion"
    INVALID_REFERENCE = 6, "invalid-reference"
    MISSING_REFERENCE = 7, "missing-reference"
    OVERLAPPING_DIALOGUE = 8, "overlapping-dialogue"


class GPRSReferenceNumber(Struct, frozen=True, gc=False):
    """CAP-GPRS-ReferenceNumber: relates the dialogues of one session, which its two ends number."""

    destination_reference: Annotated[Integer4 | None, Tag(0, "destinationReference")] = None
    origination_reference: Annotated[Integer4 | None, Tag(1, "originationReference")] = None


SYNTAXES: Final[dict[bytes, tuple[str, Type]]] = {
    oid_octets("0.4.0.0.1.1.2.2"): ("cAP-U-ABORT-Reason", EnumeratedType(UAbortReason, extensible=False)),
    oid_octets("0.4.0.0.1.1.5.2"): ("cAP-GPRS-ReferenceNumber", describe(GPRSReferenceNumber, LATEST)),
}
"""Name and type of what a syntax has in it, by the contents octets of its OBJECT IDENTIFIER."""


class Information(NamedTuple):
    """One EXTERNAL.

    Attributes:
        reference: contents octets of the OBJECT IDENTIFIER of its syntax; b"": it names none.
        octets: the element in which it is encoded, tag and length included.
        value: of the syntax's type; None if the syntax is not CAP's, or this can't be read.
    """

    reference: bytes
    octets: bytes
    value: Any


def user_information(octets: bytes) -> list[Information]:
    """Return the EXTERNALs in user information (`ss7.tcap_dialogue.Aarq`, …); raises `DecodeError`."""
    found = []
    offset = 0
    while offset < len(octets):
        tag, start, stop, after = element_at(octets, offset, len(octets))
        if tag != _EXTERNAL:
            raise DecodeError("user information that is no EXTERNAL", offset, _CLAUSE)
        found.append(_external(octets, start, stop))
        offset = after
    return found


def _external(octets: bytes, start: int, stop: int) -> Information:
    """Return an EXTERNAL; what stands in it between reference and encoding is not looked at."""
    reference, encoding, contents = b"", b"", b""
    offset = start
    while offset < stop:
        tag, begin, end, after = element_at(octets, offset, stop)
        if tag == _OBJECT_IDENTIFIER:
            reference = octets[begin:end]
        encoding = octets[offset:after]
        contents = octets[begin:end] if tag == _SINGLE_ASN1_TYPE else b""
        offset = after
    syntax = SYNTAXES.get(reference)
    value = read(syntax[1], contents, "TS 29.078 §5.7").value if syntax is not None and contents else None
    return Information(reference, encoding, value)
