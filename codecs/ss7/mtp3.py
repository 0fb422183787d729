"""MTP3 messages (Q.704 §2.2, §14.2) as M2UA and M2PA carry them: SIO and routing label."""

from __future__ import annotations

from typing import Final

from ss7.errors import DecodeError
from ss7.m3ua import Data

LABEL_END: Final = 5
"""Octets of SIO and ITU routing label (Q.704 §14.2.1, figure 13)."""


def decode(octets: bytes, start: int = 0, priority: int = 0) -> Data:
    """Read an MTP3 message of an ITU network, 14-bit point codes, from ``start`` on.

    Returns:
        The same value as M3UA's DATA gives: the two differ in the label's layout only.

    Raises:
        DecodeError: shorter than its routing label, or nothing after it.
    """
    if len(octets) - start <= LABEL_END:
        raise DecodeError("MTP3 message ends within its routing label", len(octets), "Q.704 §14.2")
    label = int.from_bytes(octets[start + 1 : start + LABEL_END], "little")
    sio = octets[start]
    return Data(
        label >> 14 & 0x3FFF,
        label & 0x3FFF,
        sio & 0x0F,
        sio >> 6,
        priority,
        label >> 28,
        octets[start + LABEL_END :],
    )


def encode(data: Data) -> bytes:
    """Return the octets of an MTP3 message; what does not fit the label is cut to it."""
    label = (data.dpc & 0x3FFF) | (data.opc & 0x3FFF) << 14 | (data.sls & 0x0F) << 28
    return bytes(((data.ni & 3) << 6 | (data.si & 0x0F),)) + label.to_bytes(4, "little") + data.payload
