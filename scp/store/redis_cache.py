"""Records that were read, kept until Redis says that their bucket changed (RESP3 client-side caching).

Redis tracks keys and a key is a bucket, so a change drops the bucket's other records as well: with 65,536
buckets that is 15 of a million. That no record exists is kept too: most called numbers are nobody's
subscriber.

Tracking is the default mode, not broadcasting: a node is told of buckets that it has read, once each, and the
server remembers at most all buckets for each node.

On one connection a reply and the invalidation by a later change come in this order, so what is kept can only
be old between the change and the push. A write of our own goes over another connection: the store then calls
`changed`, and replies to what was asked before that are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence

ABSENT: Final = b""


@final
class Cache:
    """Packed records by bucket and MSISDN.

    Args:
        buckets: how many there are.
        most: records kept at most, those known to be absent included.

    Attributes:
        epoch: changes with every change of our own; a reply counts if it was asked for in the same one.
    """

    def __init__(self, buckets: int, most: int) -> None:
        self.epoch = 0
        self._buckets: list[dict[str, bytes] | None] = [None] * buckets
        self._most = most
        self._size = 0
        self._hand = 0

    def __len__(self) -> int:
        return self._size

    def get(self, bucket: int, msisdn: str) -> bytes | None:
        """Return the packed record, `ABSENT` if there is none, None if that is not known."""
        records = self._buckets[bucket]
        return None if records is None else records.get(msisdn)

    def keep(self, bucket: int, msisdn: str, packed: bytes, epoch: int) -> None:
        """Keep what a lookup that was sent in ``epoch`` brought."""
        if epoch != self.epoch:
            return
        if self._size >= self._most:
            self._make_room()
        records = self._buckets[bucket]
        if records is None:
            records = self._buckets[bucket] = {}
        before = len(records)
        records[msisdn] = packed
        self._size += len(records) - before

    def drop(self, bucket: int) -> None:
        """Forget a bucket."""
        records = self._buckets[bucket]
        if records is not None:
            self._buckets[bucket] = None
            self._size -= len(records)

    def changed(self, buckets: Sequence[int]) -> None:
        """We changed records of these buckets ourselves."""
        self.epoch += 1
        for bucket in buckets:
            self.drop(bucket)

    def clear(self) -> None:
        """Forget everything."""
        self.epoch += 1
        self._buckets = [None] * len(self._buckets)
        self._size = 0

    def _make_room(self) -> None:
        """Forget buckets in turn: which ones is as good as random, MSISDNs are spread by a checksum."""
        while self._size >= self._most:
            self.drop(self._hand)
            self._hand = (self._hand + 1) % len(self._buckets)
