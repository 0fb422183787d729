"""M2UA (RFC 3331 §3): the MTP3 message in a Data message. For reading captures only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ss7 import mtp3
from ss7.errors import DecodeError
from ss7.m3ua_parameters import split

if TYPE_CHECKING:
    from ss7.m3ua import Data

DATA: Final = 0x0601
"""MAUP class << 8 | type (§3.1.2, §3.1.4)."""

_CLASSES: Final = {0: "MGMT", 3: "ASPSM", 4: "ASPTM", 6: "MAUP", 10: "IIM"}
_HEADER: Final = 8
_PROTOCOL_DATA_1: Final = 0x0300
_PROTOCOL_DATA_2: Final = 0x0301  # TTC: the length octet of its MTP2 before the SIO (§3.3.1.1)


def kind_of(octets: bytes) -> int:
    """Return class << 8 | type of a message; `DecodeError` if it is no M2UA message."""
    if len(octets) < _HEADER:
        raise DecodeError("shorter than the common header", len(octets), "RFC 3331 §3.1")
    if octets[0] != 1:
        raise DecodeError(f"version {octets[0]}, not 1", 0, "RFC 3331 §3.1.1")
    if octets[2] not in _CLASSES:
        raise DecodeError(f"no message class {octets[2]}", 2, "RFC 3331 §3.1.2")
    return octets[2] << 8 | octets[3]


def name_of(kind: int) -> str:
    """Return what a line shows of a message kind."""
    return "Data" if kind == DATA else f"{_CLASSES[kind >> 8]} {kind & 0xFF}"


def decode(octets: bytes) -> Data | None:
    """Return the MTP3 message that a message carries; None if it is no Data message.

    Raises:
        DecodeError: no M2UA, or Data without an MTP3 message.
    """
    if kind_of(octets) != DATA:
        return None
    length = int.from_bytes(octets[4:8], "big")
    for tag, start, end in split(octets, _HEADER, min(len(octets), length)):
        if tag == _PROTOCOL_DATA_1:
            return mtp3.decode(octets[:end], start)
        if tag == _PROTOCOL_DATA_2:
            return mtp3.decode(octets[:end], start + 1)
    raise DecodeError("Data without Protocol Data", _HEADER, "RFC 3331 §3.3.1.1")
