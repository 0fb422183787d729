"""``[api]``, ``[admission]`` and ``[messages]`` of ``voip.toml``: clients, how they join, text messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from scp.config import Fault, HostPort, Secret, Smpp, Tls
from scp.config.value_types import Day, Name, day_faults, end_of_day_ms, key_faults
from scp.voip.admission import Limits
from scp.voip.directory import E164


class Scope(StrEnum):
    """What a token may do."""

    OWN = "own"  # what belongs to the device whose token it is; given by admission, never by a key
    OPERATOR = "operator"  # everything
    TRUNK = "trunk"  # what a gateway asks: who is reachable, where a call would go


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[api.keys]]``: one bearer token.

    Attributes:
        name: whose it is, in logs and the audit.
        sha256: of the token, 64 hexadecimal digits.
        scopes: operator, trunk.
        until: the last day on which it is valid, in UTC; without it, for good.
    """

    name: Name
    sha256: Secret
    scopes: frozenset[Scope]
    until: Day | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield a hash that is none, without showing it, scopes that no key has, a day that is none."""
        if re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256.reveal(), re.ASCII) is None:
            yield Fault("sha256", "must be 64 hexadecimal digits: the token's SHA-256")
        if not self.scopes or Scope.OWN in self.scopes:
            yield Fault("scopes", "one or more of operator, trunk; own is of devices, by admission")
        yield from day_faults("until", self.until)

    @property
    def until_ms(self) -> int:
        """When it is not valid any more, in milliseconds since 1970-01-01 UTC."""
        return end_of_day_ms(self.until)


class Api(Struct, frozen=True, forbid_unknown_fields=True):
    """``[api]``; without the table there is no HTTP API.

    Attributes:
        listen: address and port.
        keys: of operator and gateways; devices have tokens of their own.
        tls: without it the API speaks HTTP in the clear.
        audit: a file for the audit lines, numbers in full; without it they go with the log, masked as it is.
        max_body: octets of a request's body.
        rate: requests a second of each token, and of each address that has none, in the long run.
        burst: of each at once.
        streams: event streams at once.
    """

    listen: HostPort = HostPort("127.0.0.1", 8082)
    keys: tuple[ApiKey, ...] = ()
    tls: Tls | None = None
    audit: str | None = None
    max_body: Annotated[int, Meta(ge=1024, le=1 << 20)] = 65_536
    rate: Annotated[float, Meta(ge=0.1, le=1_000_000)] = 20.0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    streams: Annotated[int, Meta(ge=1, le=100_000)] = 1000

    def faults(self) -> Iterator[Fault]:
        """Yield keys of one name, or of one token."""
        yield from key_faults(self.keys)


class Admission(Struct, frozen=True, forbid_unknown_fields=True):
    """``[admission]``: how devices join. It needs ``[api]`` and ``[messages]``.

    Attributes:
        text: of the message; ``{pin}`` and ``{domain}`` are filled in.
        digits: of the PIN.
        pin_s: how long it is taken.
        tries: PINs of one enrolment; one more is refused.
        tries_of_number: wrong PINs for one number within an hour.
        sends_of_number: messages to one number within an hour.
        asks_of_address: enrolments from one address within an hour.
        devices: that one number may have.
        token_days: how long a device's token for the API is valid.
        dids: numbers that are given to identities that join; one each, as long as there are any.
        quarantine_days: how long a number that was taken back is given to nobody.
    """

    text: Annotated[str, Meta(max_length=140, description="up to 140 characters")] = (
        "{pin} is your code for {domain}."
    )
    digits: Annotated[int, Meta(ge=4, le=10, description="from 4 to 10")] = 6
    pin_s: Annotated[int, Meta(ge=1, le=3600, description="seconds, from 1 to 3600")] = 300
    tries: Annotated[int, Meta(ge=1, le=100)] = 5
    tries_of_number: Annotated[int, Meta(ge=1, le=1000)] = 10
    sends_of_number: Annotated[int, Meta(ge=1, le=1000)] = 3
    asks_of_address: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    devices: Annotated[int, Meta(ge=1, le=20)] = 10
    token_days: Annotated[int, Meta(ge=1, le=36_500)] = 365
    dids: tuple[E164, ...] = ()
    quarantine_days: Annotated[int, Meta(ge=0, le=3650)] = 90

    def faults(self) -> Iterator[Fault]:
        """Yield a text that does not say the PIN, and one that can't be filled in."""
        if "{pin}" not in self.text:
            yield Fault("text", "{pin} is missing")
        if re.search(r"[{}]", self.text.replace("{pin}", "").replace("{domain}", "")):
            yield Fault("text", "{pin} and {domain} are all that may stand in braces")

    @property
    def limits(self) -> Limits:
        """What admission goes by."""
        return Limits(self.pin_s, self.tries, self.tries_of_number, self.sends_of_number)


class Messages(Struct, frozen=True, forbid_unknown_fields=True):
    """``[messages]``: text messages by the operator's SMSC.

    Attributes:
        smpp: the SMSC, as in scp.toml.
        store: SQLite file of messages on their way; without it ``store.url``'s path with ``.messages``.
        sender: of messages of the service itself: digits, or up to 11 characters.
        validity_s: for how long a message is tried to be delivered.
        in_doubt: what becomes of one that the SMSC, or a device, may have or not: "report" or "repeat".
        kept_days: how long a message waits for a device, and what is over is known.
        most_parts: a text that needs more is refused.
    """

    smpp: Smpp
    store: Annotated[str, Meta(min_length=1)] | None = None
    sender: Annotated[
        str,
        Meta(pattern=r"^([0-9]{1,15}|[ -~]{1,11})\Z", description="1 to 15 digits, or 1 to 11 characters"),
    ] = "camel-scp"
    validity_s: Annotated[int, Meta(ge=60, le=604_800, description="seconds, from 60 to 604800")] = 86_400
    in_doubt: Annotated[str, Meta(pattern=r"^(report|repeat)\Z", description="report or repeat")] = "report"
    kept_days: Annotated[int, Meta(ge=1, le=365, description="from 1 to 365")] = 7
    most_parts: Annotated[int, Meta(ge=1, le=255, description="from 1 to 255")] = 10
