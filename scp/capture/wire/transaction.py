"""What a TCAP message belongs to, without reading the rest of it, and the same message with other ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from ss7.ber import encode_element, read_element
from ss7.tcap import ABORT, BEGIN, CONTINUE, END, UNIDIRECTIONAL

if TYPE_CHECKING:
    from mypy_extensions import i64

_OTID: Final = 0x48
_DTID: Final = 0x49


@final
class Transaction:
    """A message's kind (its tag; 0: no TCAP message) and its transaction ids, b"" where it has none."""

    __slots__ = ("dtid", "kind", "otid", "rest")

    def __init__(self, kind: int, otid: bytes, dtid: bytes, rest: int) -> None:
        self.kind = kind
        self.otid = otid
        self.dtid = dtid
        self.rest = rest


_NONE: Final = Transaction(0, b"", b"", 0)


def read_kind(octets: bytes) -> int:
    """Return a message's kind; see `Transaction`."""
    kind, at, end, _ = read_element(octets, 0, len(octets))
    return kind if kind in (BEGIN, END, CONTINUE, ABORT, UNIDIRECTIONAL) and end >= at else 0


def read_transaction(octets: bytes) -> Transaction:
    """Return what a message belongs to; ``rest`` is where its dialogue and component portions begin."""
    size: i64 = len(octets)
    kind, at, end, _ = read_element(octets, 0, size)
    if kind not in (BEGIN, END, CONTINUE, ABORT, UNIDIRECTIONAL) or end < at:
        return _NONE
    otid = b""
    dtid = b""
    tag, start, stop, after = read_element(octets, at, end)
    if tag == _OTID and after > 0:
        otid = octets[start:stop]
        at = after
        tag, start, stop, after = read_element(octets, at, end)
    if tag == _DTID and after > 0:
        dtid = octets[start:stop]
        at = after
    return Transaction(kind, otid, dtid, at)


def with_ids(octets: bytes, otid: bytes, dtid: bytes) -> bytes:
    """Return a message with other ids: ``otid`` and ``dtid`` stand where it has such ids.

    Whatever is behind the message stays there; one that `read_transaction` can't read stays as it is.
    """
    known = read_transaction(octets)
    _, _, end, after = read_element(octets, 0, len(octets))
    if after < 0 or not known.kind:
        return octets
    contents = octets[known.rest : end]
    if known.dtid:
        contents = encode_element(_DTID, dtid) + contents
    if known.otid:
        contents = encode_element(_OTID, otid) + contents
    return encode_element(known.kind, contents) + octets[after:]
