"""Runs the simulated HLR over a real association: it serves, or tells of subscribers and is done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, final

from scp.engine.scheduler import LoopTime
from scp.simulator.endpoint import attach, machine
from scp.simulator.hlr import NAME, Hlr, stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from scp.simulator.endpoint import Attachment, Endpoint
    from scp.simulator.hlr_script import Script, Subscriber
    from scp.simulator.network import Network


class Event(NamedTuple):
    """A noteMM-Event to send.

    Attributes:
        subscriber: whom it is about, and where he is.
        code: MM-Code.
        sender: global title of the VLR; "": the one that it names.
    """

    subscriber: Subscriber
    code: bytes
    sender: str = ""


@final
class RunningHlr:
    """A simulated HLR with its association.

    Args:
        network: its addresses, and the gsmSCF's.
        endpoint: where the association goes to, or comes from.
        script: what it knows and does.
        random: for reconnections and transaction ids.
        on_link: told when the association changes: with a text, and whether that is a failure.

    Attributes:
        hlr: the TC-user.
    """

    def __init__(
        self,
        network: Network,
        endpoint: Endpoint,
        script: Script,
        random: Random,
        on_link: Callable[[str, bool], None] | None = None,
    ) -> None:
        self._network = network
        self._on_link = on_link
        self._said = ""
        self._changed = asyncio.Event()
        signalling = stack(
            LoopTime(asyncio.get_running_loop()),
            random,
            point_code=network.point_code,
            indicator=network.network_indicator,
            on_link=self._report,
        )
        self.hlr = Hlr(signalling, script, network.global_title)
        self._link = signalling.add_link(NAME, machine(endpoint.side, network.routing_context))
        self._attachment: Attachment = attach(endpoint, self._link, random, self._failed)

    def _report(self, _name: str, what: str, trouble: bool) -> None:
        self._said = what
        self._changed.set()
        if self._on_link is not None:
            self._on_link(what, trouble)

    def _failed(self, reason: str) -> None:
        self._report(NAME, reason, trouble=True)

    async def start(self, seconds: float = 10.0) -> None:
        """Bring the association up; `TimeoutError` says why it is not, `OSError` that a port can't be had."""
        await self._attachment.start()
        try:
            async with asyncio.timeout(seconds):
                while not self._link.active:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"association not active after {seconds:g} s: {self._said}") from None

    async def tell(self, events: Sequence[Event]) -> list[str]:
        """Send events at once and return what came of each: "result", "error 1", "reject", "abort"."""
        loop = asyncio.get_running_loop()
        network = self._network
        told: list[asyncio.Future[str]] = []
        for event in events:
            future: asyncio.Future[str] = loop.create_future()
            self.hlr.note(
                event.subscriber,
                event.code,
                to=network.scp_global_title,
                point_code=network.scp_point_code,
                sender=event.sender,
                ssn=network.scp_ssn,
                future=future,
            )
            told.append(future)
        return list(await asyncio.gather(*told))

    async def stop(self) -> None:
        """End the association."""
        self._on_link = None
        await self._attachment.close()
        self.hlr.signalling.stop()
