"""Reads a configuration's tables: what `scp.services.tables` knows, and values of types of its own."""

from __future__ import annotations

import typing
from typing import final

from scp.config.values import HostPort, PointCode, Secret
from scp.services.tables import ConfigError, Fault, TableReader

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConfigError", "Fault", "Reader"]


@final
class Reader(TableReader):
    """A reader; ``environ`` is for secrets (``env:NAME``)."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(
            {
                PointCode: PointCode.parse,
                HostPort: HostPort.parse,
                Secret: lambda value: Secret.parse(value, environ),
            }
        )
