"""``[api]``: listening address, keys and their scopes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.value_types import Day, Name, day_faults, end_of_day_ms, key_faults
from scp.config.values import HostPort, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scope(StrEnum):
    """What a token may do."""

    AUTHORIZATION = "authorization"
    REGISTRATION = "registration"
    FORWARDING = "forwarding"
    CHARGING = "charging"
    READ = "read"
    TRACE = "trace"
    CALLS = "calls"
    MESSAGES = "messages"
    PASSES = "passes"


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[api.keys]]``: one bearer token.

    Attributes:
        name: whose it is, in logs.
        sha256: of the token, 64 hexadecimal digits.
        scopes: what it may do.
        until: the last day on which it is valid, in UTC; without it, for good.
    """

    name: Name
    sha256: Secret
    scopes: frozenset[Scope]
    until: Day | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield a hash that is none, without showing it, a key that may do nothing, a day that is none."""
        if re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256.reveal(), re.ASCII) is None:
            yield Fault("sha256", "must be 64 hexadecimal digits: the token's SHA-256")
        if not self.scopes:
            yield Fault("scopes", f"at least one is needed, of {', '.join(Scope)}")
        yield from day_faults("until", self.until)

    @property
    def until_ms(self) -> int:
        """When it is not valid any more, in milliseconds since 1970-01-01 UTC."""
        return end_of_day_ms(self.until)


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """``[api.tls]``: files in PEM.

    Attributes:
        certificate: the API's own, with the chain behind it.
        key: its private key.
        client_ca: if given, a client needs a certificate that one of these has signed, beside its token.
    """

    certificate: str
    key: str
    client_ca: str | None = None


class VoipApi(Struct, frozen=True, forbid_unknown_fields=True):
    """``[api.voip]``: the VoIP service's API, which the console asks for a subscriber's devices.

    Attributes:
        url: base URL.
        token: of a key there with the scope operator.
    """

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+\Z", description="http(s)://HOST:PORT")]
    token: Secret


class Api(Struct, frozen=True, forbid_unknown_fields=True):
    """``[api]``; without the table there is no HTTP API.

    Attributes:
        listen: address and port.
        keys: tokens and their scopes.
        tls: without it the API speaks HTTP in the clear.
        audit: a file for the audit lines, numbers in full; without it they go with the log, masked as it is.
        max_body: octets of a request's body.
        max_import: octets of the body of a bulk import.
        rate: requests a second of each key, in the long run.
        burst: requests of each key at once.
        release_cause: Q.850 cause value with which a held call is released that somebody wants released.
        url: where people and other nodes find the API, for links from other nodes' consoles; by default the
            address that it listens on.
        voip: where the console asks for devices; without it there are none on the page.
        console: serve the console, at ``/console``; what it shows depends on the scopes of the key.
    """

    listen: HostPort = HostPort("127.0.0.1", 8080)
    keys: tuple[ApiKey, ...] = ()
    tls: Tls | None = None
    audit: str | None = None
    max_body: Annotated[int, Meta(ge=1024, le=1 << 24)] = 65_536
    max_import: Annotated[int, Meta(ge=1024, le=1 << 34)] = 1 << 28
    rate: Annotated[float, Meta(ge=0.1, le=1_000_000)] = 200.0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 400
    release_cause: Annotated[int, Meta(ge=1, le=127)] = 31
    url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+\Z", description="http(s)://HOST:PORT")] | None = None
    voip: VoipApi | None = None
    console: bool = True

    def faults(self) -> Iterator[Fault]:
        """Yield keys of one name, or of one token."""
        yield from key_faults(self.keys)
