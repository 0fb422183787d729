"""The whole file: every table, its defaults, and the rules between tables."""

from __future__ import annotations

from re import fullmatch
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from scp.config.api import Api
from scp.config.charging import Charging
from scp.config.engine import Engine, Journal, Limits, Overload, Store
from scp.config.m3ua import M3ua
from scp.config.map import Map
from scp.config.messages import Messages
from scp.config.networks import DEFAULT_NETWORK, Network, default_network
from scp.config.node import NetworkIndicator, Node, Telemetry
from scp.config.reader import Fault
from scp.config.recording import Recording
from scp.config.sccp import Sccp
from scp.config.services import default_services
from scp.config.sms_control import SmsControl
from scp.config.switches import Switch, switch_faults
from scp.config.value_types import NAME, NAME_WORDS
from scp.config.values import PointCode
from scp.domain.announcement import Announcement
from scp.domain.numbers import Numbering

if TYPE_CHECKING:
    from collections.abc import Iterator


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        networks: by name; `every_network` has all.
        services: settings by service name, each with its ``service_keys``; the rest of a table is read by the
            service's own factory.
        announcements: by the names that services know them by.
        switches: by name.
    """

    node: Node
    m3ua: M3ua
    numbering: Numbering
    sccp: Sccp = Sccp()
    networks: dict[str, Network] = field(default_factory=dict)
    store: Store = Store()
    engine: Engine = Engine()
    journal: Journal = Journal()
    overload: Overload = Overload()
    limits: Limits = Limits()
    services: dict[str, dict[str, Any]] = field(default_factory=default_services)
    announcements: dict[str, Announcement] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    charging: Charging = Charging()
    messages: Messages | None = None
    sms_control: SmsControl | None = None
    api: Api | None = None
    telemetry: Telemetry = Telemetry()
    recording: Recording | None = None
    map: Map | None = None

    def every_network(self) -> dict[str, Network]:
        """Return all networks by name, that of ``[node]`` and ``[sccp]`` first; every value is there."""
        default = default_network(self.node, self.sccp)
        others = {name: network.over(default) for name, network in self.networks.items()}
        return {DEFAULT_NETWORK: default, **others}

    @property
    def ssns(self) -> tuple[int, ...]:
        """Our subsystems in all networks."""
        return tuple(dict.fromkeys(ssn for each in self.every_network().values() for ssn in each.ssns))

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit between tables."""
        if self.store.deadline_ms >= self.engine.answer_deadline_ms:
            yield Fault(
                "store.deadline_ms",
                f"{self.store.deadline_ms} must be below engine.answer_deadline_ms "
                f"({self.engine.answer_deadline_ms}): the answer is due before the store has failed",
            )
        if self.map is not None and self.sccp.global_title is None:
            yield Fault("sccp.global_title", "required with [map]: an HLR sends its answer to it")
        if self.map is not None and not self._leads_to(self.map.gateway):
            yield Fault(
                "map.gateway",
                f"{self.map.gateway}: no peer leads to it; give it to the destinations of one of m3ua.peers",
            )
        if self.messages is not None and self.messages.by == "map":
            if self.map is None:
                yield Fault("messages.by", "needs a table [map]: its gateway leads to the HLR")
            if not (self.messages.map.service_centre or self.sccp.global_title):
                yield Fault("messages.map.service_centre", "required, as there is no sccp.global_title")
        paid = None if self.sms_control is None else self.sms_control.charging
        if paid is not None and not paid.tariffs and self.charging.elsewhere is None:
            yield Fault(
                "sms_control.charging.tariffs",
                "one or more are needed, as there is no charging.chf or charging.ro: all else is denied",
            )
        yield from self._network_faults()
        yield from switch_faults(self.switches)
        for name in self.announcements:
            if not fullmatch(NAME, name):
                yield Fault(f"announcements.{name}", f"the name must be {NAME_WORDS}")
        peers = {peer.name for peer in self.m3ua.peers}
        for index, name in enumerate(() if self.recording is None else self.recording.peers):
            if name not in peers:
                yield Fault(f"recording.peers[{index}]", f"{name} is none of m3ua.peers")
        if self.api is not None and self.api.listen == self.telemetry.metrics and self.api.listen.port:
            yield Fault("telemetry.metrics", f"api.listen has {self.api.listen} already")

    def _leads_to(self, code: PointCode) -> bool:
        """Whether a peer leads to a point code; one without destinations leads to all.

        Those of the first network count, where there are any.
        """
        peers = self.m3ua.peers
        first = [peer for peer in peers if DEFAULT_NETWORK in peer.networks]
        return any(not peer.destinations or code in peer.destinations for peer in first or peers)

    def _network_faults(self) -> Iterator[Fault]:
        """Yield networks that nothing leads to or that can't be told apart, and peers of unknown networks."""
        used: set[str] = set()
        known = {DEFAULT_NETWORK, *self.networks}
        for number, peer in enumerate(self.m3ua.peers):
            at = f"m3ua.peers[{number}].network"
            used.update(peer.networks)
            unknown = [name for name in peer.networks if name not in known]
            for name in unknown:
                yield Fault(at, f"{name} is none of networks; there are: {', '.join(sorted(known))}")
            if not unknown and not peer.network_of_contexts:
                yield from self._alike(at, peer.networks)
        callers = [caller for caller in self.sccp.allowed_callers if "-" in caller]
        for name, network in self.networks.items():
            if name == DEFAULT_NETWORK:
                yield Fault(f"networks.{name}", "is described by [node] and [sccp]: take another name")
            elif not fullmatch(NAME, name):
                yield Fault(f"networks.{name}", f"the name must be {NAME_WORDS}")
            elif name not in used:
                yield Fault(f"networks.{name}", "no peer leads to it: none has it as its network")
            if callers and network.allowed_callers is None:
                why = f"required, as sccp.allowed_callers has a point code of another network: {callers[0]}"
                yield Fault(f"networks.{name}.allowed_callers", why)

    def _alike(self, at: str, names: tuple[str, ...]) -> Iterator[Fault]:
        """Yield networks of one peer that have one network indicator, which alone tells them apart."""
        networks = self.every_network()
        seen: dict[NetworkIndicator, str] = {}
        for name in dict.fromkeys(names):
            indicator = networks[name].network_indicator
            other = seen.setdefault(indicator, name)
            if other != name:
                yield Fault(at, f"{other} and {name} are both {indicator}: what tells their messages apart?")
