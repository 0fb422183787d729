"""Wires a node's text messages: from ``[messages]`` to a `MessageQueue`. Part of `scp.app`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.store.messages_open import open_messages

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
    config: Config, random: Random, told: Callable[[str, bool], None], telemetry: MessageTelemetry | None
) -> TextMessaging | None:
    """Return a node's text messages, not yet started; None if it has none.

    Args:
        config: the node's.
        random: pauses jitter.
        told: takes in words what begins to fail (True), or works again.
        telemetry: counts; None: nobody does.

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
        carrier = esme = _esme(messages.smpp, random, told)
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


def _esme(smpp: Smpp, random: Random, told: Callable[[str, bool], None]) -> Esme:
    return Esme(_settings(smpp), random, lambda words, trouble: told(f"SMSC: {words}", trouble))


def _by_map(config: Config, messages: Messages) -> MapMessages:
    from scp.app.map_messages import MapMessages  # noqa: PLC0415 - only a node that speaks MAP needs it

    assert config.map is not None
    title = messages.map.service_centre or config.sccp.global_title or ""
    return MapMessages(title, config.map.hlr or "", messages.map.window)


def _settings(smpp: Smpp) -> EsmeSettings:
    return EsmeSettings(
        addresses=[(address.host, address.port) for address in smpp.addresses],
        system_id=smpp.system_id,
        password=smpp.password.reveal(),
        system_type=smpp.system_type,
        separate=smpp.bind == "separate",
        window=smpp.window,
        rate=smpp.rate,
        enquire_link=smpp.enquire_link_s,
        response=smpp.response_s,
        long=smpp.long,
        latin1=smpp.default_alphabet == "latin1",
        source_ton=-1 if smpp.source_ton is None else smpp.source_ton,
        source_npi=-1 if smpp.source_npi is None else smpp.source_npi,
        tls=smpp_tls(smpp),
        server_name=None if smpp.tls is None else smpp.tls.server_name,
        receipt_ids=smpp.receipt_ids,
    )


def smpp_tls(smpp: Smpp) -> ssl.SSLContext | None:
    """Return what secures the connection to the SMSC, None if nothing does; raises `OSError`."""
    if smpp.tls is None:
        return None
    context = ssl.create_default_context(cafile=smpp.tls.ca)
    if smpp.tls.certificate is not None:
        context.load_cert_chain(smpp.tls.certificate, smpp.tls.key)
    return context
