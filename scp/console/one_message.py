"""One M3UA message that somebody has the octets of, decoded: the sample of a discard."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, ClassVar, Final

from litestar import Response, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from scp.api.openapi import answer, call
from scp.capture.cap_version import protocol_of_begin
from scp.capture.finder import Signals
from scp.capture.octet_tree import octet_tree
from scp.capture.tracer import shown
from scp.capture.wire.messages import Reader
from scp.config import Scope

_MOST: Final = 4096
"""Octets of a message."""


class OctetsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The octets of a message, from M3UA's common header on."""

    EXAMPLE: ClassVar = {"hex": "0100030100000008"}
    hex: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{2})*\Z", min_length=2, max_length=2 * _MOST)]


class OctetsRead(Struct, frozen=True):
    """A message, as `camel-scp decode --json` has it; what of it can't be read; and which octets are what."""

    message: dict[str, Any]
    faults: tuple[str, ...]
    octets: str
    parts: list[dict[str, Any]]


@post(
    "/v1/octets/decoded",
    operation_id="decodeOctets",
    status_code=200,
    **call(Scope.READ, tag="console", body=True),
)
async def decode_octets(data: JSONBody[OctetsBody]) -> Response[OctetsRead]:
    """Decode one message, as far as it can be read; `GET /v1/discards` has some. Scope: read."""
    return answer(read_octets(bytes.fromhex(data.hex)))


def read_octets(octets: bytes) -> OctetsRead:
    """Return a message, decoded as far as it can be."""
    reader = Reader(Counter())
    message = reader.read(Signals().of("peer", 0, octets, 0.0, sent=False))
    faults = tuple(
        f"{each.layer}: {each.reason} at octet {each.offset} ({each.clause})" for each in reader.faults
    )
    line: dict[str, Any] = {}
    version = 0
    if message is not None and message.tcap:
        version = protocol_of_begin(message.tcap)
    if message is not None and message.data is not None and message.unit is not None:
        line = shown(message, version)
    return OctetsRead(line, faults, octets.hex(), octet_tree(octets, version))


HANDLERS: Final[tuple[Any, ...]] = (decode_octets,)
