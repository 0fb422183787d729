"""The checksum of SCTP (RFC 9260 §6.8 and appendix A): CRC32c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

_POLYNOMIAL: Final = 0x82F63B78  # 0x1EDC6F41, its bits in the order in which they are sent


def _made_table() -> list[int]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return table


_TABLE: Final = _made_table()


def crc32c(octets: bytes) -> int:
    """Return the checksum as a number; SCTP sends it least significant octet first."""
    table = _TABLE
    crc: i64 = 0xFFFF_FFFF
    for octet in octets:
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFF_FFFF
