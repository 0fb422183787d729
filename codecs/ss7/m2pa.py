"""M2PA (RFC 4165 §2): the MTP3 message in a User Data message. For reading captures only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ss7 import mtp3
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from ss7.m3ua import Data

USER_DATA: Final = 0x0B01
LINK_STATUS: Final = 0x0B02
"""Class << 8 | type (§2.1.2, §2.1.3)."""

NAMES: Final[dict[int, str]] = {USER_DATA: "User Data", LINK_STATUS: "Link Status"}

_HEADER: Final = 16  # common header and M2PA-specific header (§2.2)
_PRIORITY: Final = 1


def kind_of(octets: bytes) -> int:
    """Return class << 8 | type of a message; `DecodeError` if it is no M2PA message."""
    if len(octets) < _HEADER:
        raise DecodeError("shorter than M2PA's headers", len(octets), "RFC 4165 §2.2")
    if octets[0] != 1:
        raise DecodeError(f"version {octets[0]}, not 1", 0, "RFC 4165 §2.1.1")
    kind = octets[2] << 8 | octets[3]
    if kind not in NAMES:
        raise DecodeError(f"no message type {kind:#06x}", 2, "RFC 4165 §2.1.3")
    length = int.from_bytes(octets[4:8], "big")
    if not _HEADER <= length <= len(octets):
        raise DecodeError(f"message length {length} of {len(octets)} octets", 4, "RFC 4165 §2.1.4")
    return kind


def decode(octets: bytes) -> Data | None:
    """Return the MTP3 message that a message carries; None for Link Status and acknowledgements.

    Raises:
        DecodeError: no M2PA, or a User Data message with no MTP3 message in its data (§2.3.1).
    """
    length = int.from_bytes(octets[4:8], "big")
    if kind_of(octets) != USER_DATA or length == _HEADER:
        return None
    return mtp3.decode(octets[:length], _HEADER + _PRIORITY, octets[_HEADER] >> 6)
