"""What ``replay`` and ``explain`` take: a configuration's services, subscribers, a token.

What is wrong with an input ends the command with one line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scp.command import fail

if TYPE_CHECKING:
    from scp.config import Config
    from scp.ports import SubscriberLookup
    from scp.services.api import Service

# ruff: noqa: PLC0415 - each command imports what it needs when it runs

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="the node's configuration, TOML")]
Store = Annotated[
    str,
    typer.Option(help="a store's URL, a file of `subscribers export`, or a running node's API; as store.url"),
]
Token = Annotated[
    str,
    typer.Option(
        help="for the API, scope read: env:NAME, file:PATH or the token itself", envvar="CAMEL_SCP_TOKEN"
    ),
]


def services_of(settings: Config) -> dict[int, Service]:
    """Return the services of a configuration, by service key."""
    from scp.config.switches import switches
    from scp.services.api import NodeSettings
    from scp.services.registry import ServiceConfigError, build_services, installed

    node = NodeSettings(
        settings.numbering,
        settings.store.on_failure,
        settings.announcements,
        switches(settings.switches),
        settings.map is not None,
    )
    try:
        return build_services(settings.services, node, installed())
    except ServiceConfigError as error:
        raise fail(str(error)) from None


def records_of(where: str, token: str) -> SubscriberLookup:
    """Return the subscribers of a store, an export, or a running node."""
    from scp.replay.records import RecordsError, is_api, stored_records

    try:
        return _node_records(where, token) if is_api(where) else stored_records(where)
    except RecordsError as error:
        raise fail(str(error)) from None


def _node_records(where: str, token: str) -> SubscriberLookup:
    from scp.replay.records_api import ApiRecords

    records = ApiRecords(where, token_of(token))
    records.check()
    return records


def token_of(text: str) -> str:
    """Return a token that is given as ``env:NAME``, ``file:PATH`` or itself."""
    from scp.config.values import Secret

    try:
        return Secret.parse(text, os.environ).reveal()
    except ValueError as error:
        raise fail(f"--token: {error}") from None
