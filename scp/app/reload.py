"""Compares a new configuration with the running one: what is taken over, what needs a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.config import Config

LIVE: Final = (
    "services",
    "numbering",
    "announcements",
    "switches",
    "store.deadline_ms",
    "store.on_failure",
    "engine.answer_deadline_ms",
    "overload",
    "limits",
    "api.keys",
    "api.rate",
    "api.burst",
    "telemetry.log_level",
    "telemetry.mask_numbers",
    "telemetry.calls_per_second",
    "telemetry.unmask_traced",
    "recording",
)
"""What a running node takes over; everything else stands on sockets, files or tables made at the start."""


class Plan(NamedTuple):
    """What a reload comes to.

    Attributes:
        config: what the node runs with afterwards.
        live: paths of the keys that change at once.
        restart: paths of the keys that change at the next restart.
    """

    config: Config
    live: tuple[str, ...]
    restart: tuple[str, ...]


def plan(running: Config, wanted: Config) -> Plan:
    """Compare what runs with what the file says now."""
    changed = tuple(_changes(running, wanted, ""))
    live = tuple(path for path in changed if path in LIVE)
    config: Any = running
    for path in live:
        config = _with(config, wanted, path)
    return Plan(config, live, tuple(path for path in changed if path not in LIVE))


def _changes(running: Any, wanted: Any, path: str) -> Iterator[str]:
    """Yield the paths of what differs, as deep as tables go; peers, services and keys count as one each."""
    if running == wanted:
        return
    if path in LIVE or not isinstance(running, Struct) or type(running) is not type(wanted):
        yield path
        return
    for name in running.__struct_fields__:
        yield from _changes(getattr(running, name), getattr(wanted, name), f"{path}.{name}" if path else name)


def _with(running: Any, wanted: Any, path: str) -> Any:
    """Return ``running`` with the value at ``path`` from ``wanted``."""
    name, _, rest = path.partition(".")
    theirs = getattr(wanted, name)
    return replace(running, **{name: _with(getattr(running, name), theirs, rest) if rest else theirs})
