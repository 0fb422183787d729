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


class OneTime(Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time number that is given.

    Attributes:
        number: E.164 digits.
        msisdn: the identity whose call comes to it.
        to: where that call goes, as the identity's devices dial it.
        until_ms: it is valid until then, in milliseconds since 1970-01-01 UTC.
    """

    number: str
    msisdn: str
    to: str
    until_ms: int


class Inbound(Struct, frozen=True, forbid_unknown_fields=True):
    """A text message that waits for devices.

    Attributes:
        id: opaque.
        msisdn: the identity that it is to.
        sender: E.164 digits, or a name.
        text: what it says.
        at_ms: when it came, in milliseconds since 1970-01-01 UTC.
        devices: those that do not have it yet; none: it is kept for a while, so that it is not taken again.
        under_way: devices that it is being sent to, and until when an answer is waited for, in milliseconds
            since 1970: nobody sends it meanwhile.
    """

    id: str
    msisdn: str
    sender: str
    text: str
    at_ms: int
    devices: tuple[str, ...]
    under_way: tuple[tuple[str, int], ...] = ()


class Cursor(Struct, frozen=True, forbid_unknown_fields=True):
    """How far something has been followed."""

    name: str
    seq: int


class Sent(Struct, frozen=True, forbid_unknown_fields=True):
    """A text message of a device that went out by the SMSC, until its end was reported to that device.

    Attributes:
        id: of the message.
        msisdn: the identity that it is from.
        device: that sent it.
        to: E.164 digits.
        imdn: the id that the device gave it and wants a report on delivery for, "" if it wants none.
        at_ms: when it was sent.
    """

    id: str
    msisdn: str
    device: str
    to: str
    imdn: str
    at_ms: int
