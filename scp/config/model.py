"""What can be configured: one Struct a table, with ranges, defaults, and what must fit together."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct, field

from scp.config.reader import Fault
from scp.config.values import HostPort, PointCode, Secret
from scp.domain.numbers import Numbering  # noqa: TC001 - read as a type hint at run time
from scp.domain.rules import OnFailure
from scp.domain.tariff import Tariff  # noqa: TC001 - read as a type hint at run time

if TYPE_CHECKING:
    from collections.abc import Iterator

Name: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1 to 64 letters, digits, '.', '_' and '-'")
]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
UInt32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.01, le=3600, description="seconds, from 0.01 to 3600")]
Address: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9A-Za-z:.%_-]{1,255}\Z", description="an IP address or a host name")
]
GlobalTitle: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits (E.164, without +)")
]
Caller: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,15}|[0-7]-[0-9]{1,3}-[0-7])\Z",
        description="the first digits of a global title, or a point code as zone-area-point",
    ),
]


class NetworkIndicator(StrEnum):
    """Of the service information octet (Q.704 §14.2.2)."""

    INTERNATIONAL = "international"
    SPARE = "spare"
    NATIONAL = "national"
    RESERVED = "reserved"

    @property
    def code(self) -> int:
        """The two bits on the wire: 0 international, 1 spare, 2 national, 3 reserved."""
        return _NI_CODES[self]


_NI_CODES: Final = {indicator: code for code, indicator in enumerate(NetworkIndicator)}


class Node(Struct, frozen=True, forbid_unknown_fields=True):
    """``[node]``: who this process is.

    Attributes:
        point_code: our own.
        also: further point codes that are ours; what comes to one is answered from it.
        name: in logs and in ``/health``.
        instance: part of every TCAP transaction id; unique among the running processes of one address.
        network_indicator: of the messages that we send.
    """

    point_code: PointCode
    also: tuple[PointCode, ...] = ()
    name: Name = "camel-scp"
    instance: Annotated[int, Meta(ge=0, le=255)] = 0
    network_indicator: NetworkIndicator = NetworkIndicator.INTERNATIONAL


class Translation(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[sccp.translations]]``: where messages to some global titles go (Q.714 §2.4).

    Attributes:
        prefix: of the title's digits; the longest that fits counts, "" fits all.
        point_codes: where to; each behind at least one of the peers.
        mode: "primary-backup" uses the first that can be reached, "loadshare" all of them, by SLS.
    """

    prefix: Annotated[str, Meta(pattern=r"^[0-9]{0,15}\Z", description="0 to 15 digits")]
    point_codes: tuple[PointCode, ...]
    mode: Literal["primary-backup", "loadshare"] = "primary-backup"

    def faults(self) -> Iterator[Fault]:
        """Yield a translation to nowhere."""
        if not self.point_codes:
            yield Fault("point_codes", "one or more are needed")


class Sccp(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sccp]``.

    Attributes:
        ssn: our subsystem; 146 is CAP (23.003 §8.2).
        global_title: our own address in answers; without it the received called address is used.
        allowed_callers: who may open dialogues, by the calling address; empty: everybody.
        translations: see `Translation`; what fits none goes back the way that the question came.
        return_on_error: which of our messages ask to be returned if they can't be delivered: "open": those
            that keep a dialogue open, whose return ends it; "always": those that end one as well, for the
            count of discards only.
        reassembly_s: how long segments are waited for (T(reassembly), Q.714 §3.8: 10 to 20 s).
    """

    ssn: Annotated[int, Meta(ge=2, le=254)] = 146
    global_title: GlobalTitle | None = None
    allowed_callers: tuple[Caller, ...] = ()
    translations: tuple[Translation, ...] = ()
    return_on_error: Literal["never", "open", "always"] = "open"
    reassembly_s: Seconds = 15.0

    def faults(self) -> Iterator[Fault]:
        """Yield callers that look like point codes but are none."""
        for index, caller in enumerate(self.allowed_callers):
            if "-" in caller:
                try:
                    PointCode.parse(caller)
                except ValueError as error:
                    yield Fault(f"allowed_callers[{index}]", str(error))


class PeerRole(StrEnum):
    """How we stand to the peer, and who connects."""

    ASP = "asp"
    ASP_LISTEN = "asp-listen"
    IPSP = "ipsp"
    IPSP_LISTEN = "ipsp-listen"

    @property
    def listens(self) -> bool:
        """Whether the peer connects to us."""
        return self in (PeerRole.ASP_LISTEN, PeerRole.IPSP_LISTEN)

    @property
    def ipsp(self) -> bool:
        """Whether the peer is no gateway but a signalling point itself (RFC 4666 §1.4.8, single exchange)."""
        return self in (PeerRole.IPSP, PeerRole.IPSP_LISTEN)


class TrafficMode(StrEnum):
    """Traffic Mode Type (RFC 4666 §3.7.1); "unspecified" sends none and takes what the gateway has."""

    UNSPECIFIED = "unspecified"
    OVERRIDE = "override"
    LOADSHARE = "loadshare"
    BROADCAST = "broadcast"


class PeerTimers(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.timers]``; all in seconds but ``attempts``.

    Attributes:
        ack_s: T(ack), until a request is sent again (RFC 4666 §4.3.4: 2 s by default).
        attempts: requests without an answer before the ASP starts anew.
        retry_s: until a request that the gateway refused is sent again.
        congestion_s: how long a SCON holds.
        connect_s: how long one attempt to connect may take.
        reconnect_first_s: until the second attempt; doubled with each.
        reconnect_most_s: the most that is waited between attempts.
    """

    ack_s: Seconds = 2.0
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_s: Seconds = 10.0
    congestion_s: Seconds = 10.0
    connect_s: Seconds = 5.0
    reconnect_first_s: Seconds = 0.5
    reconnect_most_s: Seconds = 30.0

    def faults(self) -> Iterator[Fault]:
        """Yield a back-off that would shrink."""
        if self.reconnect_most_s < self.reconnect_first_s:
            yield Fault("reconnect_most_s", f"less than reconnect_first_s ({self.reconnect_first_s:g})")


class PeerSctp(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.sctp]``: protocol parameters of RFC 9260 §16, by default for signalling.

    RFC 9260's own values would take a minute to give up a path. With these, traffic leaves a silent path
    after one RTO; the path is reported down after four.

    Attributes:
        rto_initial_s: until there is a measured round trip.
        rto_min_s: above the delay of the peer's SACKs, which is 0.2 s as a rule.
        rto_max_s: the most that is waited for an acknowledgement.
        heartbeat_s: HB.interval, how often an idle path is tested; 0: never.
        path_retransmissions: Path.Max.Retrans, after which a path counts as down.
        association_retransmissions: Association.Max.Retrans, after which the association does.
        init_attempts: Max.Init.Retransmits.
        streams: asked for each way: one for management and one for each SLS by default.
    """

    rto_initial_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 1.0
    rto_min_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 0.3
    rto_max_s: Annotated[float, Meta(ge=0.01, le=60, description="seconds, from 0.01 to 60")] = 3.0
    heartbeat_s: Annotated[float, Meta(ge=0, le=3600, description="seconds, from 0 to 3600")] = 10.0
    path_retransmissions: Annotated[int, Meta(ge=1, le=100)] = 3
    association_retransmissions: Annotated[int, Meta(ge=1, le=100)] = 6
    init_attempts: Annotated[int, Meta(ge=1, le=100)] = 8
    streams: Annotated[int, Meta(ge=2, le=257)] = 17

    def faults(self) -> Iterator[Fault]:
        """Yield RTOs out of order: the kernel would refuse them."""
        if not self.rto_min_s <= self.rto_initial_s <= self.rto_max_s:
            yield Fault("rto_initial_s", "must lie between rto_min_s and rto_max_s")


class RoutingKey(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua.peers.routing_key]``: registered with REG REQ (RFC 4666 §4.4.1); ``{}`` is all SCCP to us.

    The gateway assigns the routing context, whatever ``routing_context`` says.

    Attributes:
        point_code: destination; None: the node's own.
        origins: originating point codes that it is limited to; empty: all.
        service_indicators: user parts; 3 is SCCP (Q.704 §14.2.1). Empty: all.
    """

    point_code: PointCode | None = None
    origins: tuple[PointCode, ...] = ()
    service_indicators: tuple[Annotated[int, Meta(ge=0, le=15)], ...] = (3,)


TCP_HEARTBEAT_S: Final = 30.0


class Peer(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[m3ua.peers]]``: a gateway (STP) or another signalling point.

    Attributes:
        name: in logs and metrics.
        transport: SCTP, or TCP as Osmocom's STP offers it.
        role: "asp" and "ipsp" connect, "asp-listen" and "ipsp-listen" are connected to.
        remote: the peer's addresses, all of one host; where we listen: who may connect, empty for anybody.
        local: our addresses to bind; empty: the system chooses, or all where we listen.
        port: the peer's port, or where we listen: ours.
        local_port: ours where we connect; 0: the system chooses.
        routing_context: None where the gateway has one only and wants none.
        network_appearance: None: not sent (RFC 4666 §3.3.1).
        asp_identifier: None: not sent (RFC 4666 §3.5.1).
        traffic_mode: asked for in ASPAC.
        destinations: point codes behind this peer, for DAUD and for messages that are no answers; empty: all.
        heartbeat_s: T(beat) between BEATs, 0 for none; by default none over SCTP, which has heartbeats of its
            own (RFC 4666 §4.3.4.6), and 30 over TCP.
        routing_key: see `RoutingKey`; None: the gateway has ours configured.
        timers: see `PeerTimers`.
        sctp: see `PeerSctp`.
    """

    name: Name
    transport: Literal["sctp", "tcp"] = "sctp"
    role: PeerRole = PeerRole.ASP
    remote: tuple[Address, ...] = ()
    local: tuple[Address, ...] = ()
    port: Port = 2905
    local_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    routing_context: UInt32 | None = None
    network_appearance: UInt32 | None = None
    asp_identifier: UInt32 | None = None
    traffic_mode: TrafficMode = TrafficMode.LOADSHARE
    destinations: tuple[PointCode, ...] = ()
    heartbeat_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    routing_key: RoutingKey | None = None
    timers: PeerTimers = PeerTimers()
    sctp: PeerSctp = PeerSctp()

    @property
    def beat(self) -> float:
        """T(beat) as it holds for this peer's transport."""
        if self.heartbeat_s is not None:
            return self.heartbeat_s
        return TCP_HEARTBEAT_S if self.transport == "tcp" else 0.0

    def faults(self) -> Iterator[Fault]:
        """Yield what is missing or makes no sense for the role."""
        if not self.role.listens and not self.remote:
            yield Fault("remote", f"required for role {self.role}: the peer's addresses")
        if self.routing_key is not None and self.role.ipsp:
            yield Fault("routing_key", f"role {self.role} has no gateway to register it with")
        if self.role.listens and self.local_port:
            yield Fault("local_port", f"for role {self.role} give our port as port")


class M3ua(Struct, frozen=True, forbid_unknown_fields=True):
    """``[m3ua]``."""

    peers: tuple[Peer, ...]

    def faults(self) -> Iterator[Fault]:
        """Yield peers of one name and listeners of one address."""
        if not self.peers:
            yield Fault("peers", "at least one is needed")
        names: dict[str, int] = {}
        sockets: dict[tuple[str, str, int], str] = {}
        for index, peer in enumerate(self.peers):
            if names.setdefault(peer.name, index) != index:
                yield Fault(
                    f"peers[{index}].name", f"{peer.name} is peers[{names[peer.name]}]'s name already"
                )
            if peer.role.listens:
                for address in peer.local or ("",):
                    owner = sockets.setdefault((peer.transport, address, peer.port), peer.name)
                    if owner != peer.name:
                        yield Fault(
                            f"peers[{index}].port", f"{owner} listens on {address}:{peer.port} already"
                        )


class Store(Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``.

    Attributes:
        url: ``sqlite:PATH``, ``sqlite::memory:`` or a Redis URL (`scp.store.redis_url`).
        deadline_ms: how long a lookup may take; then `on_failure` holds.
        on_failure: what a call gets when the store can't say.
    """

    url: Secret = Secret("sqlite:camel-scp.db")
    deadline_ms: Annotated[int, Meta(ge=1, le=900, description="milliseconds, from 1 to 900")] = 150
    on_failure: OnFailure = OnFailure.CONTINUE


class Engine(Struct, frozen=True, forbid_unknown_fields=True):
    """``[engine]``.

    Attributes:
        max_dialogues: beyond it a new dialogue is refused with resourceLimitation (Q.773).
        answer_deadline_ms: when every InitialDP is answered, come what may; far below the shortest Tssf, 1 s
            (29.078 §7.1).
        dialogue_limit_s: without a message for so long a dialogue is given up. Above ApplyCharging's longest
            period, 24 h (29.078: 864000 times 100 ms).
        codec: "reference" decodes and encodes all of CAP with pycrate's compiled ASN.1.
    """

    max_dialogues: Annotated[int, Meta(ge=1, le=1 << 23)] = 100_000
    answer_deadline_ms: Annotated[int, Meta(ge=10, le=900, description="milliseconds, from 10 to 900")] = 400
    dialogue_limit_s: Annotated[float, Meta(ge=1, le=604_800, description="seconds, from 1 to 604800")] = (
        90_000.0
    )
    codec: Literal["fast", "reference"] = "fast"


class Overload(Struct, frozen=True, forbid_unknown_fields=True):
    """``[overload]``: what happens to new calls that this node can't keep up with (`scp.engine.admission`).

    Attributes:
        delay_ms: a call that has waited for longer is continued without a lookup.
        refuse_ms: one that has waited for longer is refused: resourceLimitation (Q.773 §4.2.1.4).
        memory_mb: what the process may have; 0: what its control group allows, or the machine has.
        call_gap_s: how long a switch is asked for fewer calls by CallGap (TS 29.078 §11.5); 0: it is not.
    """

    delay_ms: Annotated[int, Meta(ge=10, le=900, description="milliseconds, from 10 to 900")] = 200
    refuse_ms: Annotated[int, Meta(ge=20, le=5000, description="milliseconds, from 20 to 5000")] = 400
    memory_mb: Annotated[int, Meta(ge=0, le=1 << 24)] = 0
    call_gap_s: Annotated[int, Meta(ge=0, le=86_400, description="seconds, from 0 to 86400")] = 10

    def faults(self) -> Iterator[Fault]:
        """Yield a refusal that would come before the answer by policy."""
        if self.refuse_ms <= self.delay_ms:
            yield Fault("refuse_ms", f"must be above delay_ms ({self.delay_ms})")


Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000, description="calls a second, 0 for no limit")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: new calls above these rates are continued without a lookup. 0: no limit.

    Attributes:
        peer_rate: calls a second of each M3UA peer, in the long run.
        peer_burst: of them at once; 0: those of a second.
        caller_rate: calls a second of each calling SCCP address, a switch.
        caller_burst: of them at once; 0: those of a second.
    """

    peer_rate: Rate = 0.0
    peer_burst: Rate = 0.0
    caller_rate: Rate = 0.0
    caller_burst: Rate = 0.0


class Scope(StrEnum):
    """What a token may do."""

    AUTHORIZATION = "authorization"
    REGISTRATION = "registration"
    FORWARDING = "forwarding"
    CHARGING = "charging"
    READ = "read"


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[api.keys]]``: one bearer token.

    Attributes:
        name: whose it is, in logs.
        sha256: of the token, 64 hexadecimal digits.
        scopes: what it may do.
    """

    name: Name
    sha256: Secret
    scopes: frozenset[Scope]

    def faults(self) -> Iterator[Fault]:
        """Yield a hash that is none, without showing it, and a key that may do nothing."""
        if re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256.reveal(), re.ASCII) is None:
            yield Fault("sha256", "must be 64 hexadecimal digits: the token's SHA-256")
        if not self.scopes:
            yield Fault("scopes", f"at least one is needed, of {', '.join(Scope)}")


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


class Api(Struct, frozen=True, forbid_unknown_fields=True):
    """``[api]``; without the table there is no HTTP API.

    Attributes:
        listen: address and port.
        keys: who may do what.
        tls: without it the API speaks HTTP in the clear.
        audit: a file for the audit lines, numbers in full; without it they go with the log, masked as it is.
        max_body: octets of a request's body.
        max_import: octets of the body of a bulk import.
        rate: requests a second of each key, in the long run.
        burst: requests of each key at once.
    """

    listen: HostPort = HostPort("127.0.0.1", 8080)
    keys: tuple[ApiKey, ...] = ()
    tls: Tls | None = None
    audit: str | None = None
    max_body: Annotated[int, Meta(ge=1024, le=1 << 24)] = 65_536
    max_import: Annotated[int, Meta(ge=1024, le=1 << 34)] = 1 << 28
    rate: Annotated[float, Meta(ge=0.1, le=1_000_000)] = 200.0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 400

    def faults(self) -> Iterator[Fault]:
        """Yield keys of one name."""
        names: dict[str, int] = {}
        for index, key in enumerate(self.keys):
            if names.setdefault(key.name, index) != index:
                yield Fault(f"keys[{index}].name", f"{key.name} is keys[{names[key.name]}]'s name already")


class Chf(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging.chf]``: the operator's own converged charging function (TS 32.291) charges, not our ledger.

    Attributes:
        url: its API root, ``https://chf.example``.
        rating_group: of these calls, agreed with its operator.
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


class Charging(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging]``: reservations, balances, call detail records.

    Attributes:
        ledger: where balances are: as ``store.url``; without it in the store's Redis, or for SQLite in a file
            beside the store's (PATH.ledger).
        records: the file of this node's CDRs, ``sqlite:PATH``; without it beside the store's (PATH.cdr), or
            camel-scp.cdr with Redis.
        call_records: whether every call attempt leaves a CDR.
        retention_days: how long CDRs are kept.
        currency: ISO 4217; all amounts are integers in its minor unit.
        timezone: whose clock the tariffs' bands go by (IANA).
        max_minutes: the most that one reservation may grant.
        grace_s: how long after its last minute a reservation waits to be committed; ringing is part of it.
        tariffs: see `scp.domain.tariff.Tariff`; none: every reservation is denied.
        chf: see `Chf`; with it the tariffs are not asked.
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
        if self.records is not None and not self.records.reveal().startswith("sqlite:"):
            yield Fault("records", "must be sqlite:PATH or sqlite::memory:")


class Telemetry(Struct, frozen=True, forbid_unknown_fields=True):
    """``[telemetry]``.

    Attributes:
        metrics: where Prometheus scrapes.
        log_level: at "debug" every call is a line.
        mask_numbers: subscribers' numbers are shown in logs by their first four digits only.
    """

    metrics: HostPort = HostPort("127.0.0.1", 9464)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    mask_numbers: bool = True


MAX_SERVICE_KEY: Final = 2**31 - 1  # 29.078 §5.1: ServiceKey is MAP's Integer4
MARKED_SERVICES: Final = frozenset({"voip-forwarding"})


def _default_services() -> dict[str, dict[str, Any]]:
    return {"voip-forwarding": {"service_keys": [100], "prefix": "99"}}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        services: settings by service name, each with its ``service_keys``; the rest of a table is read by the
            service's own factory.
    """

    node: Node
    m3ua: M3ua
    numbering: Numbering
    sccp: Sccp = Sccp()
    store: Store = Store()
    engine: Engine = Engine()
    overload: Overload = Overload()
    limits: Limits = Limits()
    services: dict[str, dict[str, Any]] = field(default_factory=_default_services)
    charging: Charging = Charging()
    api: Api | None = None
    telemetry: Telemetry = Telemetry()

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit between tables."""
        if self.store.deadline_ms >= self.engine.answer_deadline_ms:
            yield Fault(
                "store.deadline_ms",
                f"{self.store.deadline_ms} must be below engine.answer_deadline_ms "
                f"({self.engine.answer_deadline_ms}): the answer is due before the store has failed",
            )
        if self.api is not None and self.api.listen == self.telemetry.metrics and self.api.listen.port:
            yield Fault("telemetry.metrics", f"api.listen has {self.api.listen} already")


def service_faults(tables: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with ``[services]`` as far as it can be told without the services themselves."""
    owners: dict[int, str] = {}
    for name, table in tables.items():
        path = f"services.{name}"
        if not isinstance(table, dict):
            yield Fault(path, "must be a table")
            continue
        keys = table.get("service_keys")
        if not isinstance(keys, list) or not keys:
            yield Fault(f"{path}.service_keys", "a list of one or more service keys is needed")
            keys = []
        for index, key in enumerate(keys):
            at = f"{path}.service_keys[{index}]"
            if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key <= MAX_SERVICE_KEY:
                yield Fault(at, f"{key!r} is not allowed: an integer from 0 to {MAX_SERVICE_KEY}")
            elif key in owners:
                again = "given twice" if owners[key] == name else f"bound to services.{owners[key]} already"
                yield Fault(at, f"service key {key} is {again}")
            else:
                owners[key] = name
        if name in MARKED_SERVICES:
            yield from _mark_faults(path, table)


def _mark_faults(path: str, table: dict[str, Any]) -> Iterator[Fault]:
    """Exactly one mark, of address signals that Q.763 §3.9 has."""
    given = [key for key in ("prefix", "suffix") if table.get(key, "") != ""]
    if len(given) != 1:
        yield Fault(f"{path}.prefix", "give either prefix or suffix, one of them")
    for key in given:
        value = table[key]
        if not isinstance(value, str) or re.fullmatch(r"[0-9A*#DE]{1,16}", value, re.ASCII) is None:
            yield Fault(
                f"{path}.{key}", f"{value!r} is not allowed: 1 to 16 digits (or *, #, A, D, E, Q.763 §3.9)"
            )
