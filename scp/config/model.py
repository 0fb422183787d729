"""The whole file: every table, its defaults, and the rules between tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from scp.config.api import Api
from scp.config.charging import Charging
from scp.config.engine import Engine, Limits, Overload, Store
from scp.config.m3ua import M3ua
from scp.config.node import Node, Telemetry
from scp.config.reader import Fault
from scp.config.recording import Recording
from scp.config.sccp import Sccp
from scp.config.services import default_services
from scp.domain.numbers import Numbering

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    services: dict[str, dict[str, Any]] = field(default_factory=default_services)
    charging: Charging = Charging()
    api: Api | None = None
    telemetry: Telemetry = Telemetry()
    recording: Recording | None = None

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit between tables."""
        if self.store.deadline_ms >= self.engine.answer_deadline_ms:
            yield Fault(
                "store.deadline_ms",
                f"{self.store.deadline_ms} must be below engine.answer_deadline_ms "
                f"({self.engine.answer_deadline_ms}): the answer is due before the store has failed",
            )
        peers = {peer.name for peer in self.m3ua.peers}
        for index, name in enumerate(() if self.recording is None else self.recording.peers):
            if name not in peers:
                yield Fault(f"recording.peers[{index}]", f"{name} is none of m3ua.peers")
        if self.api is not None and self.api.listen == self.telemetry.metrics and self.api.listen.port:
            yield Fault("telemetry.metrics", f"api.listen has {self.api.listen} already")
