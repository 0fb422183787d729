"""IPv4 (RFC 791) and IPv6 (RFC 8200) packets: addresses, protocol and payload, fragments put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from ss7.errors import DecodeError

if TYPE_CHECKING:
    from mypy_extensions import i64

_IPV6_HEADER: Final = 40
_FRAGMENT: Final = 44
_EXTENSIONS: Final = frozenset((0, 43, 60, 135))  # hop-by-hop, routing, destination, mobility: RFC 8200 §4
_AUTHENTICATION: Final = 51
_MAX_DATAGRAMS: Final = 256
_MAX_OCTETS: Final = 1 << 22
_MAX_DATAGRAM: Final = 65_535


@final
class Packet:
    """An IP packet: ``source`` and ``destination`` address, ``protocol``, and ``octets[start:end]``."""

    __slots__ = ("destination", "end", "octets", "protocol", "source", "start")

    def __init__(
        self, source: bytes, destination: bytes, protocol: int, octets: bytes, start: int, end: int
    ) -> None:
        self.source = source
        self.destination = destination
        self.protocol = protocol
        self.octets = octets
        self.start = start
        self.end = end


@final
class _Partial:
    """A datagram of which fragments are missing: its parts by offset, and its size once the last is there."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.octets: int = 0
        self.size: int = -1


@final
class Reader:
    """Reads packets; keeps the fragments of unfinished datagrams, bounded in number and octets.

    Attributes:
        dropped: datagrams that were given up, since the owner last looked.
    """

    def __init__(self) -> None:
        self._partial: dict[bytes, _Partial] = {}
        self._octets: int = 0
        self.dropped: int = 0

    def read(self, octets: bytes, at: i64) -> Packet | None:
        """Return the packet that begins at ``at``, or None for a fragment of one that is not complete.

        Raises:
            DecodeError: no IP packet.
        """
        size: i64 = len(octets)
        if at >= size:
            raise DecodeError("no octet of an IP packet", at, "RFC 791 §3.1")
        version: i64 = octets[at] >> 4
        if version == 4:
            return self._ipv4(octets, at, size)
        if version == 6:
            return self._ipv6(octets, at, size)
        raise DecodeError(f"IP version {version}", at, "RFC 791 §3.1")

    def _ipv4(self, octets: bytes, at: i64, size: i64) -> Packet | None:
        header: i64 = (octets[at] & 0x0F) * 4
        if header < 20 or at + header > size:
            raise DecodeError("IPv4 header shorter than 20 octets, or cut short", at, "RFC 791 §3.1")
        total: i64 = octets[at + 2] << 8 | octets[at + 3]
        # 0: the network card segments it later, as a capture at the sender shows it
        end = size if total == 0 else min(size, at + total)
        if end < at + header:
            raise DecodeError("IPv4 total length below its header's", at + 2, "RFC 791 §3.1")
        source = octets[at + 12 : at + 16]
        destination = octets[at + 16 : at + 20]
        protocol: i64 = octets[at + 9]
        fragment: i64 = octets[at + 6] << 8 | octets[at + 7]
        if not fragment & 0x3FFF:
            return Packet(source, destination, protocol, octets, at + header, end)
        key = source + destination + octets[at + 4 : at + 6] + octets[at + 9 : at + 10]
        more = fragment & 0x2000 != 0
        whole = self._fragment(key, (fragment & 0x1FFF) * 8, octets[at + header : end], more)
        return None if whole is None else Packet(source, destination, protocol, whole, 0, len(whole))

    def _ipv6(self, octets: bytes, at: i64, size: i64) -> Packet | None:
        if at + _IPV6_HEADER > size:
            raise DecodeError("IPv6 header cut short", size, "RFC 8200 §3")
        length: i64 = octets[at + 4] << 8 | octets[at + 5]
        end = size if length == 0 else min(size, at + _IPV6_HEADER + length)
        source = octets[at + 8 : at + 24]
        destination = octets[at + 24 : at + 40]
        following: i64 = octets[at + 6]
        start = at + _IPV6_HEADER
        while following in _EXTENSIONS or following in (_FRAGMENT, _AUTHENTICATION):
            if start + 8 > end:
                raise DecodeError("IPv6 extension header cut short", end, "RFC 8200 §4")
            if following == _FRAGMENT:
                field: i64 = octets[start + 2] << 8 | octets[start + 3]
                key = source + destination + octets[start + 4 : start + 8] + octets[start : start + 1]
                whole = self._fragment(key, field & 0xFFF8, octets[start + 8 : end], field & 1 != 0)
                if whole is None:
                    return None
                return Packet(source, destination, octets[start], whole, 0, len(whole))
            unit: i64 = 4 if following == _AUTHENTICATION else 8
            extra: i64 = 2 if following == _AUTHENTICATION else 1
            following = octets[start]
            start += (octets[start + 1] + extra) * unit
        return Packet(source, destination, following, octets, min(start, end), end)

    def _fragment(self, key: bytes, offset: int, part: bytes, more: bool) -> bytes | None:
        """Keep a fragment; return the datagram that it completes."""
        partial = self._partial.get(key)
        if partial is None:
            while self._partial and (
                len(self._partial) >= _MAX_DATAGRAMS or self._octets + len(part) > _MAX_OCTETS
            ):
                self._drop(next(iter(self._partial)))
                self.dropped += 1
            partial = self._partial[key] = _Partial()
        if not more:
            partial.size = offset + len(part)
        if offset not in partial.parts:
            partial.parts[offset] = part
            partial.octets += len(part)
            self._octets += len(part)
        if partial.octets > _MAX_DATAGRAM:
            self._drop(key)
            self.dropped += 1
            return None
        if partial.size < 0 or partial.octets < partial.size:
            return None
        return self._whole(key, partial)

    def _whole(self, key: bytes, partial: _Partial) -> bytes | None:
        """Return the datagram if its parts leave no gap; one with overlaps is dropped (RFC 5722)."""
        octets = b""
        for offset in sorted(partial.parts):
            if offset > len(octets):
                return None
            if offset < len(octets):
                self._drop(key)
                self.dropped += 1
                return None
            octets += partial.parts[offset]
        self._drop(key)
        return octets

    def _drop(self, key: bytes) -> None:
        self._octets -= self._partial.pop(key).octets
