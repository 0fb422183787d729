"""What a Redis URL says: where the servers are, how to log in, and how the store is to use them.

::

    redis://[user:password@]host[:port][/database]              one server
    redis+sentinel://[…@]host[:port],host[:port],…/service[/database]    the sentinels, and what they watch
    redis+cluster://[…@]host[:port],host[:port],…               some nodes of a cluster; the rest is learned

With ``rediss`` in place of ``redis`` everything goes over TLS. Options follow as ``?name=value&…``; each is
one row of `OPTIONS`.
"""

from __future__ import annotations

import re
import ssl
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from scp.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379


class Kind(StrEnum):
    """How the servers are set up."""

    SINGLE = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"


class Address(NamedTuple):
    """A server's host and TCP port."""

    host: str
    port: int


class RedisUrl(Struct, frozen=True):
    """A Redis URL, read; its attributes that are options are described in `OPTIONS`."""

    kind: Kind
    hosts: tuple[Address, ...]
    tls: bool = False
    user: str = ""
    password: str = ""
    service: str = ""
    database: int = 0
    prefix: str = "camel-scp"
    buckets: int = 65_536
    acks: int = -1
    ack_ms: int = 500
    replicas: bool = False
    cached: bool = False
    cache_records: int = 2_000_000
    in_flight: int = 20_000
    sentinel_user: str = ""
    sentinel_password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    @property
    def replicas_to_wait_for(self) -> int:
        """How many replicas must have a write before it is acknowledged; see `OPTIONS`, ``acks``."""
        return self.acks if self.acks >= 0 else int(self.kind is Kind.SENTINEL)

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what connections are secured with, None without TLS.

        Raises:
            StoreError: kind "config": a file can't be read or holds no certificate or key.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except (OSError, ssl.SSLError) as error:
            raise StoreError(f"redis: ca, certificate or key: {error}", "config") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            raise ValueError(f"must be a number from {least} to {most}")
        return int(text)

    return read


def _yes_or_no(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _prefix(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,32}", text, re.ASCII) is None:
        raise ValueError("must be 1 to 32 letters, digits, dots, dashes or underscores")
    return text


def _buckets(text: str) -> int:
    number = _number(1, 1 << 20)(text)
    if number & (number - 1):
        raise ValueError("must be a power of two")
    return number


OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    # What all keys begin with, so that several stores can share a database.
    "prefix": _prefix,
    # Hashes that the records are spread over, when a store is made; afterwards the store's own number holds.
    # 65,536 keep each below Redis's limit for its compact form (512 entries) up to some 30 million records.
    "buckets": _buckets,
    # Replicas that must have a write before it is acknowledged. Left out: 1 with Sentinel, else 0.
    "acks": _number(0, 9),
    # How long to wait for them, milliseconds.
    "ack_ms": _number(1, 5000),
    # Let replicas answer lookups: they may be some milliseconds behind.
    "replicas": _yes_or_no,
    # Keep what was read in memory until Redis says that it changed.
    "cached": _yes_or_no,
    "cache_records": _number(1, 1_000_000_000),
    # Lookups on their way at once; one more is answered with a failure.
    "in_flight": _number(1, 1_000_000),
    # How to log in to the sentinels, if that differs.
    "sentinel_user": str,
    "sentinel_password": str,
    # TLS: certificates to trust (PEM), our own and its key, and whether to verify at all.
    "ca": str,
    "certificate": str,
    "key": str,
    "verify": _yes_or_no,
}


def parse_redis_url(url: str) -> RedisUrl:
    """Read a Redis URL.

    Raises:
        StoreError: kind "config": in words, what is wrong. Neither the URL nor a password is repeated.
    """
    try:
        return _parse(url)
    except ValueError as error:
        raise StoreError(f"redis: {error}", "config") from None


def _parse(url: str) -> RedisUrl:
    parts = urlsplit(url)
    if parts.fragment:
        raise ValueError("write # as %23")
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":") if at else ("", "", "")
    kind = Kind(parts.scheme.replace("rediss", "redis"))
    read = RedisUrl(
        kind,
        tuple(
            _address(each, SENTINEL_PORT if kind is Kind.SENTINEL else REDIS_PORT)
            for each in hosts.split(",")
        ),
        tls=parts.scheme.startswith("rediss"),
        user=unquote(user),
        password=unquote(password),
    )
    if kind is Kind.SINGLE and len(read.hosts) > 1:
        raise ValueError("one host only; several are sentinels (redis+sentinel) or a cluster (redis+cluster)")
    return replace(read, **_path(kind, parts.path), **_options(parts.query))


def _path(kind: Kind, path: str) -> dict[str, Any]:
    """Read what stands behind the hosts: the service with Sentinel, then the database."""
    steps = [unquote(step) for step in path.split("/")[1:] if step]
    found: dict[str, Any] = {}
    if kind is Kind.SENTINEL:
        if not steps:
            raise ValueError(
                "the sentinels' name of the service is missing: redis+sentinel://host:port/service"
            )
        found["service"] = steps.pop(0)
    if steps and kind is Kind.CLUSTER:
        raise ValueError("a cluster has no numbered databases: nothing may follow the hosts")
    if steps:
        try:
            found["database"] = _number(0, 99_999)(steps.pop(0))
        except ValueError as error:
            raise ValueError(f"the database {error}") from None
    if steps:
        raise ValueError("nothing may follow the database")
    return found


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        reader = OPTIONS.get(name)
        if reader is None:
            raise ValueError(f"no option {name[:20]!r}; there are: {', '.join(OPTIONS)}")
        if name in found:
            raise ValueError(f"option {name} is given twice")
        try:
            found[name] = reader(text)
        except ValueError as error:
            raise ValueError(f"option {name} {error}") from None
    return found


_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
)


def _address(text: str, port: int) -> Address:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError(
            "a host is missing or not of the form host:port (IPv6: [::1]:6379); "
            "in a password / and ? are written %2F and %3F"
        )
    number = int(found["port"] or port)
    if not 0 < number < 65536:
        raise ValueError("a port must be from 1 to 65535")
    return Address(found["v6"] or found["host"], number)
