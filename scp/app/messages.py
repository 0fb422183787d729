"""Wires a node's text messages: from ``[messages]`` to a `MessageQueue`. Part of `scp.app`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme
from scp.messages.smpp.settings import esme_settings
from scp.store.beside import open_messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from scp.app.map_messages import MapMessages
    from scp.config import Config, Messages, Smpp
    from scp.message_ports import MessageTelemetry


class _Uncounted:
    """`scp.message_ports.MessageTelemetry` where nobody counts."""

    def message(self, result: str) -> None:
        """Do nothing."""

    def submission(self, result: str) -> None:
        """Do nothing."""

    def unmatched_receipt(self) -> None:
        """Do nothing."""


class TextMessaging(NamedTuple):
    """A node's text messages: the queue, the one of two that sends them, what was configured."""

    queue: MessageQueue
    esme: Esme | None
    by_map: MapMessages | None
    config: Messages


def text_messaging(
    config: Config,
    random: Random,
    told: Callable[[str, bool], None],
    telemetry: MessageTelemetry | None,
    discard: Callable[[str, str], None],
) -> TextMessaging | None:
    """Return a node's text messages, not yet started; None if it has none.

    Args:
        config: the node's.
        random: pauses jitter.
        told: takes in words what begins to fail (True), or works again.
        telemetry: counts; None: nobody does.
        discard: counts what was thrown away, by layer and reason.

    Raises:
        StoreError: kind "config".
        OSError: a certificate's file can't be read.
    """
    messages = config.messages
    if messages is None:
        return None
    store = open_messages(messages.store and messages.store.reveal(), config.store.url.reveal())
    carrier: Esme | MapMessages
    esme, by_map = None, None
    if messages.by == "smpp":
        assert messages.smpp is not None
        carrier = esme = _esme(messages.smpp, random, told, discard)
    else:
        carrier = by_map = _by_map(config, messages)
    queue = MessageQueue(
        store,
        carrier,
        node=config.node.name,
        retention_ms=messages.retention_days * 86_400_000,
        repeat=messages.in_doubt == "repeat",
        failed=lambda fault: told(f"text messages' store: {fault or 'works again'}", bool(fault)),
        telemetry=telemetry or _Uncounted(),
    )
    return TextMessaging(queue, esme, by_map, messages)


def _esme(
    smpp: Smpp, random: Random, told: Callable[[str, bool], None], discard: Callable[[str, str], None]
) -> Esme:
    return Esme(
        esme_settings(smpp),
        random,
        lambda words, trouble: told(f"SMSC: {words}", trouble),
        discard=discard,
    )


def _by_map(config: Config, messages: Messages) -> MapMessages:
    from scp.app.map_messages import MapMessages  # noqa: PLC0415 - only a node that speaks MAP needs it

    assert config.map is not None
    title = messages.map.service_centre or config.sccp.global_title or ""
    return MapMessages(title, config.map.hlr or "", messages.map.window)
