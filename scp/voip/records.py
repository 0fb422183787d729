"""What the store keeps beside identities, devices and enrolments. Pure."""

from __future__ import annotations

from msgspec import Struct


class Token(Struct, frozen=True, forbid_unknown_fields=True):
    """A device's bearer token for the HTTP API.

    Attributes:
        sha256: all that is kept of it.
        device: whose it is.
        until_ms: it is valid until then, in milliseconds since 1970-01-01 UTC.
    """

    sha256: str
    device: str
    until_ms: int


class Quarantine(Struct, frozen=True, forbid_unknown_fields=True):
    """A number that was taken back and is given to nobody before then, in milliseconds since 1970."""

    number: str
    until_ms: int
