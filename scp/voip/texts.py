"""Text messages of the VoIP service: the queue that loses none, by SMPP to the operator's SMSC."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING, final

from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme
from scp.messages.smpp.settings import esme_settings
from scp.store.messages_sqlite import SqliteMessages

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from scp.domain.message import Message
    from scp.voip.config import VoipConfig
    from scp.voip.config_api import Messages
    from scp.voip.metrics import VoipMetrics


class TooLongError(Exception):
    """The text takes more parts than are allowed; says how many."""


@final
class Texts:
    """What goes out and comes in by SMPP.

    Args:
        config: ``[messages]``.
        path: of the SQLite file of messages on their way.
        name: of this brain.
        metrics: count messages.
        log: where the bind's troubles are said.

    Attributes:
        arrived: set when a message came in, or came to another state.

    Raises:
        OSError: a certificate's file can't be read.
    """

    def __init__(
        self, config: Messages, path: str, name: str, metrics: VoipMetrics, log: FilteringBoundLogger
    ) -> None:
        self._config = config
        self._log = log
        self._metrics = metrics
        self.arrived = asyncio.Event()
        self.esme = Esme(esme_settings(config.smpp), random.Random(), self._told)  # noqa: S311 - jitter
        self.queue = MessageQueue(
            SqliteMessages(path),
            self.esme,
            node=name,
            retention_ms=config.kept_days * 86_400_000,
            repeat=config.in_doubt == "repeat",
            failed=lambda fault: self._told(fault or "the store of messages works again", bool(fault)),
            telemetry=self,
        )

    # --- scp.message_ports.MessageTelemetry ---

    def message(self, result: str) -> None:
        """A message came to this state, or came in."""
        self._metrics.message(result)
        self.arrived.set()

    def submission(self, result: str) -> None:
        """A part was handed over."""
        self._metrics.submission(result)

    def unmatched_receipt(self) -> None:
        """A receipt came for a message that nobody knows."""
        self._metrics.unmatched_receipt()

    # --- life ---

    async def start(self) -> None:
        """Open the store, begin to connect; raises `scp.ports.StoreError`."""
        await self.queue.start()

    async def stop(self) -> None:
        """Take on nothing more, let what is being sent be answered."""
        await self.queue.stop()

    async def send(
        self,
        message_id: str,
        sender: str,
        recipient: str,
        text: str,
        validity_s: int = 0,
        *,
        receipt: bool = True,
    ) -> Message:
        """Accept a message: it is on the disk when this returns, and is sent once.

        Args:
            message_id: unique; the same one again is not sent again.
            sender: E.164 digits; "": the service's own.
            recipient: E.164 digits.
            text: what it says.
            validity_s: how long it is tried; 0: as configured.
            receipt: whether the SMSC shall say what became of it.

        Raises:
            TooLongError: it takes too many parts.
            scp.ports.StoreError: it can't be kept.
        """
        validity = validity_s or self._config.validity_s
        fingerprint = hashlib.blake2b(f"{sender}\0{recipient}\0{text}".encode(), digest_size=12).hexdigest()
        wanted = self.queue.new(
            message_id,
            sender or self._config.sender,
            recipient,
            text,
            validity * 1000,
            receipt=receipt,
            fingerprint=fingerprint,
        )
        if len(wanted.parts) > self._config.most_parts:
            raise TooLongError(f"it takes {len(wanted.parts)} parts, {self._config.most_parts} at the most")
        kept, _ = await self.queue.accept(wanted)
        return kept

    def _told(self, words: str, trouble: bool) -> None:
        (self._log.warning if trouble else self._log.info)("text messages", what=words)


def path_of(config: VoipConfig) -> str:
    """Return where messages on their way are kept."""
    given = None if config.messages is None else config.messages.store
    if given is not None:
        return given
    path = config.store.url.removeprefix("sqlite:")
    return path if path == ":memory:" else f"{path}.messages"
