"""SCTP packets of a capture (RFC 9260 §3): the common header and the DATA and I-DATA chunks in a packet.

For reading captures only: other chunks carry nothing of SS7 and are passed over. The checksum is not looked
at, since a capture taken at the sender has none where the network card computes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from ss7.errors import DecodeError

if TYPE_CHECKING:
    from mypy_extensions import i64

HEADER_LENGTH: Final = 12
DATA: Final = 0
I_DATA: Final = 64
"""RFC 8260 §2.1."""

LAST: Final = 0x01
FIRST: Final = 0x02
UNORDERED: Final = 0x04
_WHOLE: Final = 0x03

PPID_M2UA: Final = 2
PPID_M3UA: Final = 3
PPID_M2PA: Final = 5
"""Payload protocol identifiers that IANA gave to SIGTRAN."""

_DATA_HEADER: Final = 16
_I_DATA_HEADER: Final = 20
_CLAUSE: Final = "RFC 9260 §3.2"


@final
class DataChunk:
    """A DATA (RFC 9260 §3.3.1) or I-DATA chunk (RFC 8260 §2.1).

    Attributes:
        tsn: transmission sequence number.
        stream: stream identifier.
        sequence: stream sequence number (16 bits), or message identifier (32 bits) of I-DATA.
        ppid: payload protocol identifier; -1 in an I-DATA chunk that is not the first of its message.
        fragment: fragment sequence number of I-DATA, else 0.
        flags: `FIRST`, `LAST`, `UNORDERED`.
        interleaved: it is I-DATA.
        data: the message, or the fragment of it.
    """

    __slots__ = ("data", "flags", "fragment", "interleaved", "ppid", "sequence", "stream", "tsn")

    def __init__(
        self,
        tsn: int,
        stream: int,
        sequence: int,
        ppid: int,
        flags: int,
        data: bytes,
        *,
        fragment: int = 0,
        interleaved: bool = False,
    ) -> None:
        self.tsn = tsn
        self.stream = stream
        self.sequence = sequence
        self.ppid = ppid
        self.flags = flags
        self.data = data
        self.fragment = fragment
        self.interleaved = interleaved

    @property
    def whole(self) -> bool:
        """Whether the message is in this one chunk."""
        return self.flags & _WHOLE == _WHOLE


def word(octets: bytes, at: i64) -> i64:
    """Return the 32-bit number at ``at``, which the caller has seen to be there."""
    return octets[at] << 24 | octets[at + 1] << 16 | octets[at + 2] << 8 | octets[at + 3]


def read_chunks(octets: bytes, start: int, end: int, chunks: list[DataChunk]) -> DecodeError | None:
    """Append the DATA and I-DATA chunks of a packet whose common header begins at ``start``.

    Returns:
        What is wrong with the packet, behind the chunks that were read before it; None if nothing is.
    """
    at: i64 = start + HEADER_LENGTH
    stop: i64 = end
    if at > stop:
        return DecodeError("packet ends within the common header", end, "RFC 9260 §3.1")
    while at < stop:
        if stop - at < 4:
            return DecodeError("packet ends within a chunk's header", at, _CLAUSE)
        length: i64 = octets[at + 2] << 8 | octets[at + 3]
        if length < 4:
            return DecodeError("chunk length below 4", at + 2, _CLAUSE)
        if length > stop - at:
            return DecodeError("chunk is longer than the packet", at + 2, _CLAUSE)
        kind: i64 = octets[at]
        if kind in (DATA, I_DATA):
            fault = _read_data(octets, at, at + length, chunks)
            if fault is not None:
                return fault
        at += length + (-length & 3)
    return None


def _read_data(octets: bytes, at: i64, end: i64, chunks: list[DataChunk]) -> DecodeError | None:
    """Append the one chunk in ``octets[at:end]``; a chunk without user data is a protocol violation."""
    interleaved = octets[at] == I_DATA
    header: i64 = _I_DATA_HEADER if interleaved else _DATA_HEADER
    if end - at <= header:
        clause = "RFC 8260 §2.1" if interleaved else "RFC 9260 §3.3.1"
        return DecodeError("data chunk without data", at + 2, clause)
    flags: i64 = octets[at + 1]
    stream: i64 = octets[at + 8] << 8 | octets[at + 9]
    tsn = word(octets, at + 4)
    data = octets[at + header : end]
    if not interleaved:
        sequence: i64 = octets[at + 10] << 8 | octets[at + 11]
        chunks.append(DataChunk(tsn, stream, sequence, word(octets, at + 12), flags, data))
        return None
    shared = word(octets, at + 16)  # the PPID in a message's first chunk, the FSN in the others
    first = flags & FIRST != 0
    chunks.append(
        DataChunk(
            tsn,
            stream,
            word(octets, at + 12),
            shared if first else -1,
            flags,
            data,
            fragment=0 if first else shared,
            interleaved=True,
        )
    )
    return None
