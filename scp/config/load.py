"""Reads a `Config` from a file or from text."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scp.config.model import Config
from scp.config.reader import ConfigError, Fault, Reader
from scp.config.services import service_faults

if TYPE_CHECKING:
    from collections.abc import Mapping


def load(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    Args:
        path: of the TOML file.
        environ: for ``env:NAME``; the process's environment by default.

    Raises:
        ConfigError: with every fault that was found; the caller names the file.
    """
    return loads(file_text(path), environ)


def loads(text: str, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration; as `load`."""
    table = toml_table(text)
    reader = Reader(os.environ if environ is None else environ)
    config: Any = reader.struct(Config, table, "")
    services = table.get("services")
    if isinstance(services, dict):
        reader.faults.extend(service_faults(services))
    if reader.faults:
        raise ConfigError(reader.faults)
    assert isinstance(config, Config)
    return config


def file_text(path: str | Path) -> str:
    """Return the text of a file; raise `ConfigError` if it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except OSError as error:
        raise ConfigError([Fault("", error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Fault("", f"not UTF-8 at octet {error.start}")]) from error


def toml_table(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; raise `ConfigError` if it is none."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also an integer of more digits than Python converts
        raise ConfigError([Fault("", f"not TOML: {error}")]) from error
    except RecursionError:
        raise ConfigError([Fault("", "not TOML that can be read: it is nested too deep")]) from None
