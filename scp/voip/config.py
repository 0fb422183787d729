"""``voip.toml``: read as the node's configuration is, every fault with the path of its key."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from scp.config import Fault, HostPort, Secret
from scp.config.load import file_text, toml_table
from scp.config.node import Telemetry
from scp.config.reader import ConfigError, Reader
from scp.config.value_types import Address, Name, Port
from scp.domain.numbers import Digits, Numbering
from scp.voip.config_api import Admission, Api, Messages
from scp.voip.decision import Rules
from scp.voip.directory import E164, Device, DeviceId, DeviceState, Directory, Ha1, Identity
from scp.voip.user_rules import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Domain: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z", description="a domain name in small letters"),
]
Listen: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(udp|tcp|tls|ws|wss):(\[[0-9a-fA-F:]+\]|[0-9A-Za-z._-]+):[0-9]{1,5}\Z",
        description="udp:, tcp:, tls:, ws: or wss:, then address and port: udp:192.0.2.1:5060",
    ),
]
Network: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]+)(/[0-9]{1,3})?\Z",
        description="an IP address, or one with the length of its prefix: 192.0.2.0/28",
    ),
]


def _seconds(low: int, high: int) -> Any:
    return Annotated[int, Meta(ge=low, le=high, description=f"seconds, from {low} to {high}")]


class Voip(Struct, frozen=True, forbid_unknown_fields=True):
    """``[voip]``: the identity of this process, the brain.

    Attributes:
        domain: of all addresses of record; also the realm of SIP's digest.
        name: in logs and to Kamailio.
        grace_s: how long an identity stays registered at the node after its last binding has gone.
        calls_at_once: calls that may be waiting for a decision; more go back to the switch at once.
    """

    domain: Domain
    name: Name = "voip-1"
    grace_s: Annotated[float, Meta(ge=0, le=3600, description="seconds, from 0 to 3600")] = 30.0
    calls_at_once: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class Sip(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sip]``: Kamailio.

    Attributes:
        listen: where devices and trunks reach it.
        advertise: "ADDRESS:PORT" to name in place of an address behind NAT.
        brain: where its evapi listens, for the brains.
        kamailios: where other Kamailios' evapis listen: this brain serves them too.
        replication: "udp:ADDRESS:PORT" of this Kamailio for what the others are told: bindings, calls.
        peers: the same of the others.
        decision_ms: how long it waits for a decision; then it rings who is registered, else the mobile.
        register_s: longest time of a registration.
        run_folder: for its FIFO.
        workers: processes for each address.
        requests_per_second: of each address that is no trunk; more are dropped.
        tls_certificate: PEM, for tls: and wss:.
        tls_key: PEM.
        hide_key: a secret, the same at all Kamailios; with it trunks see none of the addresses of devices.
    """

    listen: tuple[Listen, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    advertise: str = ""
    brain: HostPort = HostPort("127.0.0.1", 8448)
    kamailios: tuple[HostPort, ...] = ()
    replication: Annotated[str, Meta(pattern=r"^(udp:.+)?\Z", description="udp:ADDRESS:PORT")] = ""
    peers: Annotated[tuple[Listen, ...], Meta(max_length=3, description="up to 3")] = ()
    decision_ms: Annotated[int, Meta(ge=50, le=5000, description="milliseconds, from 50 to 5000")] = 300
    register_s: _seconds(60, 86_400) = 300  # type: ignore[valid-type]
    register_least_s: _seconds(1, 3600) = 30  # type: ignore[valid-type]
    run_folder: str = "/run/kamailio"
    workers: Annotated[int, Meta(ge=1, le=64)] = 4
    requests_per_second: Annotated[int, Meta(ge=1, le=100_000)] = 50
    wrong_digests: Annotated[int, Meta(ge=1, le=10_000)] = 20
    tls_certificate: str = ""
    tls_key: str = ""
    hide_key: Secret | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit."""
        if not self.listen:
            yield Fault("listen", "one or more are needed")
        for key, given in (("listen", self.listen), ("peers", self.peers)):
            for index, one in enumerate(given):
                if fault := _listen_fault(one):
                    yield Fault(f"{key}[{index}]", fault)
        for key in ("advertise", "replication"):
            if (text := getattr(self, key)) and (fault := _listen_fault(text)):
                yield Fault(key, fault)
        if bool(self.peers) is not bool(self.replication):
            yield Fault("replication", "goes together with peers")
        if self.replication in self.peers:
            yield Fault("peers", f"{self.replication} is this Kamailio itself")
        secure = any(one.startswith(("tls:", "wss:")) for one in self.listen)
        for key in ("tls_certificate", "tls_key"):
            if secure and not getattr(self, key):
                yield Fault(key, "required, since listen has tls: or wss:")


def _host_fault(host: str) -> str:
    """Return in words what is wrong with a host, "" if it is an IP address or may be a name."""
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            return f"{host} is neither an IP address nor a host name"
    return ""


def _listen_fault(text: str) -> str:
    """Return in words what is wrong with ``TRANSPORT:HOST:PORT`` or ``HOST:PORT``, "" if nothing is."""
    host, _, port = re.sub(r"^(udp|tcp|tls|ws|wss):", "", text).rpartition(":")
    if not (port.isdigit() and port.isascii() and 0 < int(port[:6]) < 65_536):
        return f"{text}: ports are from 1 to 65535"
    return _host_fault(host)


class Trunk(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[trunks]]``: a gateway of the switch.

    Attributes:
        name: in logs.
        addresses: where its calls come from; nobody else's are taken without a digest.
        host: where calls go out, an address or a name; without it none do.
        port: of it.
        transport: to it.
        numbers: "+": with plus and country code; "international": with the international prefix.
        passes: have the node let calls to mobiles pass by this gateway, which drops redirection data, or may.
    """

    name: Name
    addresses: tuple[Network, ...]
    host: Address | None = None
    port: Port = 5060
    transport: Literal["udp", "tcp", "tls"] = "udp"
    numbers: Literal["+", "international"] = "+"
    passes: bool = True

    def faults(self) -> Iterator[Fault]:
        """Yield addresses that are none."""
        if not self.addresses:
            yield Fault("addresses", "one or more are needed: nobody's calls would be taken")
        for index, one in enumerate(self.addresses):
            try:
                ip_network(one, strict=False)
            except ValueError:
                yield Fault(
                    f"addresses[{index}]", f"{one} is no IP address, nor one with the length of its prefix"
                )
        if self.host is not None and (fault := _host_fault(self.host)):
            name, _, port = self.host.rpartition(":")
            beside = f'; the port stands beside it: host = "{name}", port = {port}'
            yield Fault("host", fault + (beside if port.isdigit() and ":" not in name else ""))

    @property
    def target(self) -> str:
        """Host, port and parameters of a SIP URI, "" where calls don't go out."""
        if self.host is None:
            return ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + ("" if self.transport == "udp" else f";transport={self.transport}")


class Calls(Struct, frozen=True, forbid_unknown_fields=True):
    """``[calls]``.

    Attributes:
        mark: prefix that the node puts before the numbers of calls for this service.
        ring_s: how long devices ring before the call goes to the mobile.
        emergency: numbers, as dialled, that always go out.
        classes: prefixes of numbers, E.164, by a name: what identities bar (``premium``).
    """

    mark: Annotated[str, Meta(pattern=r"^[0-9]{0,8}\Z", description="up to 8 digits")] = "99"
    ring_s: _seconds(1, 600) = 25  # type: ignore[valid-type]
    emergency: frozenset[Digits] = frozenset({"112"})
    classes: dict[str, tuple[Prefix, ...]] = msgspec.field(default_factory=dict)


MOST_ONE_TIME: Final = 10_000
"""One-time numbers in all."""


class OneTime(Struct, frozen=True, forbid_unknown_fields=True):
    """``[one_time]``: numbers of the gateway's that stand for one call each.

    Attributes:
        numbers: E.164 digits, or the first and the last of a range: "46810000000-46810000099".
        seconds: how long a number may be called after it was given.
        of_identity: numbers that an identity may have at a time.
    """

    numbers: tuple[
        Annotated[
            str,
            Meta(
                pattern=r"^[1-9][0-9]{4,14}(-[1-9][0-9]{4,14})?\Z",
                description='E.164 digits, or the first and the last of a range: "46810000000-46810000099"',
            ),
        ],
        ...,
    ]
    seconds: _seconds(5, 600) = 30  # type: ignore[valid-type]
    of_identity: Annotated[int, Meta(ge=1, le=100, description="from 1 to 100")] = 3

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit."""
        count = 0
        for index, one in enumerate(self.numbers):
            first, _, last = one.partition("-")
            if last and (len(first) != len(last) or last < first):
                yield Fault(f"numbers[{index}]", f"{last} is no number behind {first}, with as many digits")
            else:
                count += int(last or first) - int(first) + 1
        if not 0 < count <= MOST_ONE_TIME:
            yield Fault("numbers", f"has {count} numbers; from 1 to {MOST_ONE_TIME} are possible")

    def has(self, number: str) -> int:
        """Return the place in `numbers` that has a number, -1 if none has."""
        for index, one in enumerate(self.numbers):
            first, _, last = one.partition("-")
            if int(first) <= int(number) <= int(last or first):
                return index
        return -1

    def all(self) -> tuple[str, ...]:
        """Return every number, each once."""
        ranges = (one.partition("-")[::2] for one in self.numbers)
        found = (str(n) for first, last in ranges for n in range(int(first), int(last or first) + 1))
        return tuple(dict.fromkeys(found))


class ScpLink(Struct, frozen=True, forbid_unknown_fields=True):
    """``[scp]``: the node's HTTP API.

    Attributes:
        url: base URL.
        token: with the scopes registration, forwarding, passes, read, charging (for calls' records too).
        deadline_ms: of a reservation before a call is put through.
        at_once: requests that may be under way.
    """

    url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+\Z", description="http(s)://HOST:PORT")]
    token: Secret
    deadline_ms: Annotated[int, Meta(ge=10, le=5000, description="milliseconds, from 10 to 5000")] = 200
    at_once: Annotated[int, Meta(ge=1, le=1000)] = 16


class Charging(Struct, frozen=True, forbid_unknown_fields=True):
    """``[charging]``; without the table calls cost nothing.

    Attributes:
        minutes: asked for before a call is put through.
        denied: what becomes of a marked call without minutes: "mobile" sends it back to the switch, "refuse"
            answers 402; a device's call is always refused.
        warn_s: so many seconds before a call ends for want of minutes its subscriber is told; 0: not.
        warning: what the subscriber's phones get as a text message then; "": none, events tell it anyhow.
    """

    minutes: Annotated[int, Meta(ge=1, le=1440, description="minutes, from 1 to 1440")] = 60
    denied: Literal["mobile", "refuse"] = "mobile"
    warn_s: _seconds(0, 60) = 20  # type: ignore[valid-type]
    warning: Annotated[str, Meta(max_length=140, description="up to 140 characters")] = (
        "Your call ends in {seconds} s: your minutes are used up."
    )


class Store(Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: where the directory is kept."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite:|rediss?://|rediss?\+sentinel://|rediss?\+cluster://).+\Z",
            description="sqlite:PATH or, for several brains, redis://HOST:PORT/DATABASE, "
            "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE or redis+cluster://HOST:PORT,HOST:PORT",
        ),
    ] = "sqlite:voip.db"


class DeviceTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[devices]]``: a device with its password, or with the HA1 of it."""

    id: DeviceId
    identities: tuple[E164, ...]
    password: Secret | None = None
    ha1: Ha1 | None = None
    label: str = ""
    state: DeviceState = DeviceState.ACTIVE

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit."""
        if (self.password is None) is (self.ha1 is None):
            yield Fault("password", "either password or ha1 is needed")
        if not self.identities:
            yield Fault("identities", "one or more are needed")

    def device(self, domain: str) -> Device:
        """Return the device."""
        ha1 = self.ha1 or ha1_of(self.id, domain, self.password.reveal() if self.password else "")
        return Device(self.id, ha1, self.identities, self.label, self.state)


class VoipConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    voip: Voip
    numbering: Numbering
    sip: Sip = Sip()
    trunks: tuple[Trunk, ...] = ()
    calls: Calls = Calls()
    one_time: OneTime | None = None
    scp: ScpLink | None = None
    charging: Charging | None = None
    store: Store = Store()
    api: Api | None = None
    admission: Admission | None = None
    messages: Messages | None = None
    telemetry: Telemetry = Telemetry(metrics=HostPort("127.0.0.1", 9465))
    identities: tuple[Identity, ...] = ()
    devices: tuple[DeviceTable, ...] = ()

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit."""
        if self.charging is not None and self.scp is None:
            yield Fault("charging", "minutes are the node's: [scp] is needed")
        if self.admission is not None:
            for name in ("api", "messages"):
                if getattr(self, name) is None:
                    yield Fault(
                        "admission",
                        f"PINs go out by text message and come back by the API: [{name}] is needed",
                    )
        if self.messages is not None and self.messages.store is None and self.store.url.startswith("redis"):
            yield Fault("messages.store", "required, since store.url is no file: each brain has its own")
        names: dict[str, int] = {}
        for index, trunk in enumerate(self.trunks):
            if names.setdefault(trunk.name, index) != index:
                yield Fault(
                    f"trunks[{index}].name", f"{trunk.name} is trunks[{names[trunk.name]}]'s name already"
                )
        yield from _directory_faults(self)
        yield from _account_faults(self)

    @property
    def outward(self) -> Trunk | None:
        """The first trunk that calls go out by."""
        return next((one for one in self.trunks if one.host is not None), None)

    @property
    def rules(self) -> Rules:
        """What the decision goes by."""
        trunk = self.outward
        return Rules(
            self.voip.domain,
            self.numbering,
            self.calls.mark,
            self.calls.emergency | self.numbering.never_steer,
            self.calls.ring_s,
            "" if trunk is None else trunk.target,
            trunk is not None and trunk.numbers == "international",
            trunk is not None and trunk.passes and self.scp is not None,
            tuple(self.calls.classes.items()),
        )


def _directory_faults(config: VoipConfig) -> Iterator[Fault]:
    directory = Directory()
    for index, identity in enumerate(config.identities):
        if directory.identity(identity.msisdn) is not None:
            yield Fault(f"identities[{index}].msisdn", f"{identity.msisdn} is there already")
            continue
        try:
            directory.put_identity(identity)
        except ValueError as error:
            clash = (place for place, did in enumerate(identity.dids) if directory.called(did))
            where = "".join(f".dids[{place}]" for place in itertools.islice(clash, 1))
            yield Fault(f"identities[{index}]{where}", str(error))
    ids: dict[str, int] = {}
    for index, device in enumerate(config.devices):
        if ids.setdefault(device.id, index) != index:
            yield Fault(f"devices[{index}].id", f"{device.id} is devices[{ids[device.id]}]'s id already")


SHORTEST_PASSWORD: Final = 10


def _account_faults(config: VoipConfig) -> Iterator[Fault]:
    """Yield devices for nobody, passwords that are guessed at once, numbers to give that somebody has."""
    msisdns = {one.msisdn for one in config.identities}
    for index, identity in enumerate(config.identities):
        if fault := identity.fault():
            key, _, words = fault.partition(": ")
            yield Fault(f"identities[{index}].{key}", words)
        for place, barred in enumerate(identity.barred):
            if not barred.isdigit() and barred not in config.calls.classes:
                yield Fault(f"identities[{index}].barred[{place}]", f"calls.classes has no {barred}")
    numbers = {number for one in config.identities for number in (one.msisdn, *one.dids, *one.shared)}
    for number in sorted(numbers if config.one_time is not None else ()):
        if config.one_time is not None and (index := config.one_time.has(number)) >= 0:
            yield Fault(f"one_time.numbers[{index}]", f"{number} is an identity's already")
    for index, device in enumerate(config.devices):
        for place, msisdn in enumerate(device.identities):
            if msisdn not in msisdns:
                yield Fault(f"devices[{index}].identities[{place}]", f"{msisdn} is no identity's msisdn")
        password = "" if device.password is None else device.password.reveal()
        if device.password is not None and (weak := _weak(password, device)):
            yield Fault(f"devices[{index}].password", weak)
    for index, did in enumerate(config.admission.dids if config.admission is not None else ()):
        if did in numbers:
            yield Fault(f"admission.dids[{index}]", f"{did} is an identity's already")
        if config.one_time is not None and config.one_time.has(did) >= 0:
            yield Fault(f"admission.dids[{index}]", f"{did} is a number of one_time.numbers, too")


def _weak(password: str, device: DeviceTable) -> str:
    """Return in words what is wrong with a password, "" if nothing is."""
    if len(password) < SHORTEST_PASSWORD:
        return f"has fewer than {SHORTEST_PASSWORD} characters: openssl rand -hex 12 makes a good one"
    if len(set(password)) < 5 or password in (device.id, *device.identities):
        return "is guessed at once: openssl rand -hex 12 makes a good one"
    return ""


def ha1_of(device: str, domain: str, password: str) -> str:
    """Return what is kept of a device's password: MD5 of user, realm and password (RFC 7616 §3.4.2)."""
    return hashlib.md5(f"{device}:{domain}:{password}".encode(), usedforsecurity=False).hexdigest()


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> VoipConfig:
    """Read ``voip.toml``; raises `scp.config.ConfigError` with every fault that was found."""
    return loads(file_text(path), environ)


def loads(text: str, environ: Mapping[str, str] | None = None) -> VoipConfig:
    """Read it from text; as `load`."""
    reader = Reader(os.environ if environ is None else environ)
    config: Any = reader.struct(VoipConfig, toml_table(text), "")
    if reader.faults:
        raise ConfigError(reader.faults)
    assert isinstance(config, VoipConfig)
    return config


_OWN_TABLES: Final = frozenset({b"[voip]", b"[sip]", b"[[identities]]", b"[[devices]]", b"[admission]"})


def is_voip(path: Path) -> bool:
    """Return whether a file is the VoIP service's: it has a table that only ``voip.toml`` has."""
    try:
        return any(line.partition(b"#")[0].strip() in _OWN_TABLES for line in path.read_bytes().splitlines())
    except OSError:
        return False
