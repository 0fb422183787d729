"""Reads a service's own table of the configuration into its settings, with errors that begin with the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from scp.services.tables import TableReader

if TYPE_CHECKING:
    from collections.abc import Mapping

Settings = TypeVar("Settings", bound=msgspec.Struct)


def read_settings(table: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Return ``table`` as a ``kind``, a Struct; a key that it does not have is refused.

    Raises:
        ValueError: ``"KEY: what is wrong"``: what was read, what is allowed; the first fault.
    """
    reader = TableReader({})
    settings: Any = reader.struct(kind, dict(table), "")
    if reader.faults:
        raise ValueError(str(reader.faults[0]))
    assert isinstance(settings, kind)
    return settings
