"""What the process that runs a node knows of it, for the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric


class Collector(Protocol):
    """What has metrics."""

    def collect(self) -> Iterable[Metric]:
        """Return the families as they are now."""
        ...


class Drift(Struct, frozen=True):
    """What the configuration's file says otherwise than what runs, by the keys' paths.

    ``at_reload`` changes with SIGHUP, ``at_restart`` with the next start; ``faults``: why it can't be used.
    """

    file: str
    at_reload: tuple[str, ...] = ()
    at_restart: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Sources(NamedTuple):
    """What a process knows of its node: its metrics, and how its file differs from what runs."""

    collectors: tuple[Collector, ...]
    drift: Callable[[], Drift]
