"""``[charging]``: the charging system, the currency, tariffs, files of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from scp.config.reader import Fault
from scp.config.value_types import Name, Seconds, UInt32, each_once
from scp.config.values import HostPort, Secret
from scp.domain.tariff import Tariff

if TYPE_CHECKING:
    from collections.abc import Iterator


class Chf(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging.chf]``: the operator's own converged charging function (TS 32.291) charges, not our ledger.

    Attributes:
        url: its API root, ``https://chf.example``.
        rating_group: of these calls, agreed with its operator.
        message_rating_group: of short messages under control; without it `rating_group`.
        consumer: our FQDN in nfConsumerIdentification.
        functionality: our nodeFunctionality there.
        deadline_ms: how long a request may take, all attempts together.
        attempt_ms: how long one attempt may take.
        breaker_failures: attempts without an answer in a row, after which it is left alone …
        breaker_rest_s: … for so long.
        failure_handling: "continue" grants minutes unpaid while it can't be reached, "terminate" none.
        ca: file with the certificates to trust (PEM); without it those of the system.
        certificate: file with our own for it (PEM).
        key: file with the key of `certificate`, unless that has it.
        http2: HTTP/2, as TS 29.500 §5.2 wants it; needs the extra ``http2``.
    """

    url: Annotated[
        str, Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?\Z", description="an http or https URL")
    ]
    rating_group: UInt32 = 1
    message_rating_group: UInt32 | None = None
    consumer: Name = "camel-scp"
    functionality: Name = "IMS_Node"
    deadline_ms: Annotated[int, Meta(ge=50, le=60_000, description="milliseconds, from 50 to 60000")] = 2000
    attempt_ms: Annotated[int, Meta(ge=10, le=60_000, description="milliseconds, from 10 to 60000")] = 800
    breaker_failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    breaker_rest_s: Seconds = 5.0
    failure_handling: Literal["terminate", "continue"] = "terminate"
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    http2: bool = False


_IDENTITY = Meta(
    pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?\Z", description="a host name (RFC 6733 §4.3.1)"
)


class Ro(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging.ro]``: the operator's online charging system (OCS) charges, over Diameter Ro (TS 32.299).

    Attributes:
        servers: ``HOST:PORT`` of each; the first that is well is asked.
        origin_realm: our realm.
        origin_host: our name there, of this node alone; without it NAME.origin_realm, with the node's name.
        destination_realm: the servers'; without it ours.
        service_context: Service-Context-Id, as agreed with the OCS's operator.
        rating_group: of these calls, agreed likewise.
        message_rating_group: of short messages under control; without it `rating_group`.
        service_identifier: likewise; without it none is sent.
        deadline_ms: how long a request may take, all servers together.
        tx_ms: how long one server may take for it, if there is another (Tx, RFC 8506 §13).
        watchdog_s: of silence, after which a server is asked whether it is there (Tw, RFC 3539).
        reconnect_s: until a lost connection is tried again (Tc).
        failure_handling: what an answer's Credit-Control-Failure-Handling does not say: "terminate" asks no
            other server, "retry-and-terminate" does, "continue" does, and grants unpaid if none answers.
        session_failover: whether a session may go to another server if answers say nothing of it.
        tls: speak TLS with the servers (RFC 6733 §13.1).
        ca: file with the certificates to trust (PEM); without it those of the system.
        certificate: file with our own for them (PEM).
        key: file with the key of `certificate`, unless that has it.
    """

    servers: tuple[HostPort, ...]
    origin_realm: Annotated[str, _IDENTITY]
    origin_host: Annotated[str, _IDENTITY] | None = None
    destination_realm: Annotated[str, _IDENTITY] | None = None
    service_context: Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z", description="ASCII without spaces")] = (
        "32260@3gpp.org"
    )
    rating_group: UInt32 = 1
    message_rating_group: UInt32 | None = None
    service_identifier: UInt32 | None = None
    deadline_ms: Annotated[int, Meta(ge=50, le=60_000, description="milliseconds, from 50 to 60000")] = 2000
    tx_ms: Annotated[int, Meta(ge=10, le=60_000, description="milliseconds, from 10 to 60000")] = 900
    watchdog_s: Annotated[float, Meta(ge=6, le=3600, description="seconds, from 6 to 3600")] = 30.0
    reconnect_s: Seconds = 5.0
    failure_handling: Literal["terminate", "continue", "retry-and-terminate"] = "retry-and-terminate"
    session_failover: bool = False
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield servers that are none, and certificates that nobody looks at."""
        yield from each_once("servers", self.servers)
        for index, server in enumerate(self.servers):
            if not server.host or not server.port:
                yield Fault(f"servers[{index}]", f"'{server}' has to name a host and a port")
        for name in ("ca", "certificate", "key"):
            if getattr(self, name) is not None and not self.tls:
                yield Fault(name, "is for tls = true")
        if self.key is not None and self.certificate is None:
            yield Fault("key", "is of a certificate, which is not given")


class Charging(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging]``: reservations, balances, call detail records.

    Attributes:
        ledger: where balances are: as ``store.url``; without it in the store's Redis, or for SQLite in a file
            beside the store's (PATH.ledger).
        records: the file of this node's CDRs, ``sqlite:PATH``; without it beside the store's (PATH.cdr), or
            with Redis NODE.cdr in the working directory.
        call_records: whether every call attempt leaves a CDR.
        retention_days: how long CDRs are kept.
        currency: ISO 4217; all amounts are integers in its minor unit.
        timezone: whose clock the tariffs' bands go by (IANA).
        max_minutes: the most that one reservation may grant.
        grace_s: how long after its last minute a reservation waits to be committed; ringing is part of it.
        tariffs: see `scp.domain.tariff.Tariff`; none: every reservation is denied.
        chf: see `Chf`; with it the tariffs are not asked.
        ro: see `Ro`; likewise.
    """

    ledger: Secret | None = None
    records: Secret | None = None
    call_records: bool = True
    retention_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="three capital letters (ISO 4217)")] = (
        "EUR"
    )
    timezone: str = "UTC"
    max_minutes: Annotated[int, Meta(ge=1, le=1440)] = 240
    grace_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    tariffs: tuple[Tariff, ...] = ()
    chf: Chf | None = None
    ro: Ro | None = None

    @property
    def elsewhere(self) -> tuple[str, str] | None:
        """Which other system charges in place of the tariffs here, and where it is; None: none does."""
        if self.chf is not None:
            return "charging function", self.chf.url
        if self.ro is not None:
            return "online charging system", ", ".join(str(each) for each in self.ro.servers)
        return None

    def faults(self) -> Iterator[Fault]:
        """Yield tariffs of one prefix, a clock that nobody knows, tariffs that nobody asks."""
        prefixes: dict[str, int] = {}
        for index, tariff in enumerate(self.tariffs):
            if prefixes.setdefault(tariff.prefix, index) != index:
                yield Fault(f"tariffs[{index}].prefix", f"tariffs[{prefixes[tariff.prefix]}] has it already")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield Fault("timezone", f"{self.timezone!r} is no time zone known here (IANA, Europe/Stockholm)")
        if self.chf is not None and self.ro is not None:
            yield Fault("ro", "charging.chf is there as well: one of them charges")
        if self.records is not None and not self.records.reveal().startswith("sqlite:"):
            yield Fault("records", "must be sqlite:PATH or sqlite::memory:")
