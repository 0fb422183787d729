"""CAP application contexts (TS 29.078 §5.6 and §6.1.2; those of CAP v1 and v2 in GSM 09.78).

A gsmSSF opens its dialogue with one of the four marked ``call_control``; the others are here for a trace to
name.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from ss7.tcap_dialogue import oid_octets

LATEST: Final = 4
"""The last CAP version."""


class ApplicationContext(Struct, frozen=True, gc=False):
    """One application context.

    Attributes:
        name: short name, as the standards' contexts are spoken of.
        version: CAP version, 1..4.
        octets: contents of the OBJECT IDENTIFIER (X.690 §8.19), without tag and length.
        text: the identifier in dotted form.
        call_control: whether a gsmSSF opens it with InitialDP, that is, whether a gsmSCF answers it.
    """

    name: str
    version: int
    octets: bytes
    text: str
    call_control: bool = False


def _context(name: str, version: int, text: str, call_control: bool = False) -> ApplicationContext:
    return ApplicationContext(name, version, oid_octets(text), text, call_control)


CAP_V1: Final = _context("CAP-v1-gsmSSF-to-gsmSCF", 1, "0.4.0.0.1.0.50.0", call_control=True)
CAP_V2: Final = _context("CAP-v2-gsmSSF-to-gsmSCF", 2, "0.4.0.0.1.0.50.1", call_control=True)
CAP_V3: Final = _context("CAP-v3-gsmSSF-scfGeneric", 3, "0.4.0.0.1.21.3.4", call_control=True)
CAP_V4: Final = _context("CAP-v4-gsmSSF-scfGeneric", 4, "0.4.0.0.1.23.3.4", call_control=True)

CONTEXTS: Final = (
    CAP_V1,
    CAP_V2,
    CAP_V3,
    CAP_V4,
    _context("CAP-v2-assist-gsmSSF-to-gsmSCF", 2, "0.4.0.0.1.0.51.1"),
    _context("CAP-v2-gsmSRF-to-gsmSCF", 2, "0.4.0.0.1.0.52.1"),
    _context("CAP-v3-gsmSSF-scfAssistHandoff", 3, "0.4.0.0.1.21.3.6"),
    _context("CAP-v3-gprsSSF-gsmSCF", 3, "0.4.0.0.1.21.3.50"),
    _context("CAP-v3-gsmSCF-gprsSSF", 3, "0.4.0.0.1.21.3.51"),
    _context("CAP-v3-sms", 3, "0.4.0.0.1.21.3.61"),
    _context("CAP-v3-gsmSRF-gsmSCF", 3, "0.4.0.0.1.20.3.14"),
    _context("CAP-v4-gsmSSF-scfAssistHandoff", 4, "0.4.0.0.1.23.3.6"),
    _context("CAP-v4-scf-gsmSSFGeneric", 4, "0.4.0.0.1.23.3.8"),
    _context("CAP-v4-sms", 4, "0.4.0.0.1.23.3.61"),
    _context("CAP-v4-gsmSRF-gsmSCF", 4, "0.4.0.0.1.22.3.14"),
)

BY_OCTETS: Final[dict[bytes, ApplicationContext]] = {context.octets: context for context in CONTEXTS}
BY_TEXT: Final[dict[str, ApplicationContext]] = {context.text: context for context in CONTEXTS}
BY_VERSION: Final[dict[int, ApplicationContext]] = {
    context.version: context for context in CONTEXTS if context.call_control
}
REFUSALS: Final[dict[bytes, str]] = {
    context.octets: f"{kind}ContextNotSupported"
    for kind, words in (("sms", ("-sms",)), ("gprs", ("gprs",)), ("resource", ("assist", "srf")))
    for context in CONTEXTS
    if any(word in context.name.lower() for word in words)
}
"""Why a gsmSCF for calls refuses a context: it is for messages, packet data, or resources."""
CALL_CONTROL: Final = frozenset(context.octets for context in CONTEXTS if context.call_control)
"""The contexts that a gsmSCF serves for calls, as octets."""
