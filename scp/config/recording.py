"""``[recording]``: writes the node's messages to files for Wireshark and ``camel-scp replay``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from scp.config.value_types import Name
from scp.config.values import Secret

Number: TypeAlias = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{4,14}\Z", description="E.164 digits, country code first, without +")
]


class Recording(Struct, frozen=True, forbid_unknown_fields=True):
    """``[recording]``; without the table nothing is recorded.

    Attributes:
        folder: of the files NODE-0001.pcapng and on; it has to exist.
        peers: names of the peers whose messages are recorded; empty: all.
        numbers: only the calls from and to these; empty: every message.
        file_mb: size of a file in MiB, after which the next is begun.
        files: how many are kept.
        rate: messages a second that are written at most; what is more is counted and left out. One takes the
            node 0.3 ms if it is masked, else 0.03.
        mask: numbers, IMSIs, point codes and global titles are replaced consistently, lengths kept.
        key: of the mask: with the same key the same number becomes the same in every recording; without it
            one is made at each start.
    """

    folder: str
    peers: tuple[Name, ...] = ()
    numbers: tuple[Number, ...] = ()
    file_mb: Annotated[int, Meta(ge=1, le=4096)] = 64
    files: Annotated[int, Meta(ge=1, le=1000)] = 4
    rate: Annotated[int, Meta(ge=1, le=100_000, description="messages a second, from 1 to 100000")] = 200
    mask: bool = True
    key: Secret | None = None
