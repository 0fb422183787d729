"""Services by service key: those of the node, and those that other distributions add as entry points.

Every table ``[services.NAME]`` of the configuration builds one service. NAME is one of `BUILT_IN`, or the
name of an entry point of the group ``camel_scp.services`` that loads a `ServiceFactory`.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol

from scp.services.api import ENTRY_POINT_GROUP
from scp.services.voip_forwarding import Controlled, VoipForwarding, controlled, voip_forwarding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scp.services.api import NodeSettings, Service, ServiceFactory

BUILT_IN: Final[dict[str, ServiceFactory]] = {
    VoipForwarding.name: voip_forwarding,
    Controlled.name: controlled,
}
MAX_SERVICE_KEY: Final = 2**31 - 1  # 29.078 §5.1: ServiceKey is MAP's Integer4


class ServiceConfigError(ValueError):
    """The configuration of a service is wrong.

    Attributes:
        path: the key, from the root of the configuration: ``services.voip-forwarding.prefix``.
        reason: what is wrong with it, in words.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class EntryPoint(Protocol):
    """What of an `importlib.metadata.EntryPoint` is used."""

    @property
    def name(self) -> str:
        """The service's name."""
        ...

    @property
    def value(self) -> str:
        """Where the factory is, ``module:attribute``."""
        ...

    def load(self) -> Any:
        """Import and return the factory."""
        ...


def installed() -> Iterable[EntryPoint]:
    """Return the entry points of the distributions that are installed."""
    return metadata.entry_points(group=ENTRY_POINT_GROUP)


def build_services(
    tables: Mapping[str, Mapping[str, Any]], node: NodeSettings, entry_points: Iterable[EntryPoint]
) -> dict[int, Service]:
    """Build a service from every table and return them by service key.

    Args:
        tables: the configuration's ``services``: settings by service name, each with its ``service_keys``.
        node: what every service sees of the node's own configuration.
        entry_points: where to find services that are not built in, e.g. what `installed` returns.

    Raises:
        ServiceConfigError: a service that is not there or does not load, a setting that it refuses, or a
            service key that is out of range or given twice.
    """
    added = _by_name(entry_points)
    owners: dict[int, str] = {}
    services: dict[int, Service] = {}
    for name, table in tables.items():
        keys = _service_keys(name, table, owners)
        settings = {key: value for key, value in table.items() if key != "service_keys"}
        try:
            service = _factory(name, added)(settings, node)
        except ServiceConfigError:
            raise
        except ValueError as error:
            raise ServiceConfigError(*_located(name, str(error))) from error
        owners.update(dict.fromkeys(keys, name))
        services.update(dict.fromkeys(keys, service))
    return services


def _by_name(entry_points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    added: dict[str, list[EntryPoint]] = {}
    for entry_point in entry_points:
        added.setdefault(entry_point.name, []).append(entry_point)
    return added


def _factory(name: str, added: Mapping[str, list[EntryPoint]]) -> ServiceFactory:
    """Return what builds the service of this name; two that claim the name are refused, not ranked."""
    claims = added.get(name, [])
    built_in = BUILT_IN.get(name)
    if built_in is not None and not claims:
        return built_in
    if not claims:
        known = ", ".join(sorted({*BUILT_IN, *added}))
        raise ServiceConfigError(
            f"services.{name}", f"no service of this name is installed; there are: {known}"
        )
    if built_in is not None or len(claims) > 1:
        where = ", ".join(claim.value for claim in claims)
        raise ServiceConfigError(f"services.{name}", f"more than one service has this name: {where}")
    try:
        factory = claims[0].load()
    except (ImportError, AttributeError) as error:
        raise ServiceConfigError(f"services.{name}", f"{claims[0].value} does not load: {error}") from error
    if not callable(factory):
        raise ServiceConfigError(f"services.{name}", f"{claims[0].value} is not a service factory")
    return factory  # type: ignore[no-any-return]  # what it returns is checked by its first call


def _service_keys(name: str, table: Mapping[str, Any], owners: Mapping[int, str]) -> list[int]:
    path = f"services.{name}.service_keys"
    keys = table.get("service_keys")
    if not isinstance(keys, (list, tuple)) or not keys:
        raise ServiceConfigError(path, "a list of one or more service keys is needed")
    for index, key in enumerate(keys):
        at = f"{path}[{index}]"
        if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key <= MAX_SERVICE_KEY:
            raise ServiceConfigError(
                at, f"a service key is an integer from 0 to {MAX_SERVICE_KEY}, not {key!r}"
            )
        if key in keys[:index]:
            raise ServiceConfigError(at, f"service key {key} is given twice")
        if key in owners:
            raise ServiceConfigError(at, f"service key {key} is already bound to services.{owners[key]}")
    return list(keys)


def _located(name: str, text: str) -> tuple[str, str]:
    """Return path and reason of a factory's error: ``"KEY: reason"``, or a reason without key."""
    key, colon, reason = text.partition(": ")
    if colon and key.replace("_", "").replace(".", "").replace("[", "").replace("]", "").isalnum():
        return f"services.{name}.{key}", reason
    return f"services.{name}", text
