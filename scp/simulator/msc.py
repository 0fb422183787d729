"""The simulated MSC: makes calls through real signalling and returns their results."""

from __future__ import annotations

import asyncio
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Final, final

from scp.engine.network import Ss7Network
from scp.engine.return_path import ReturnPath
from scp.engine.scheduler import LoopTime
from scp.engine.signalling import Signalling
from scp.engine.status import StatusBoard
from scp.simulator.assisting import AssistingResource
from scp.simulator.dialogue import CallDialogue
from scp.simulator.endpoint import attach, machine
from scp.simulator.expect import Expectation
from scp.simulator.idp import initial_dp, time_and_timezone
from scp.simulator.message import CONTEXTS, MessageDialogue, initial_dp_sms
from scp.stack.sccp import Sccp, SccpSettings
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from scp.telemetry.null import NullTelemetry
from ss7.cap.contexts import BY_VERSION
from ss7.sccp import GlobalTitle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from scp.engine.link import Link
    from scp.ports import Telemetry
    from scp.simulator.endpoint import Endpoint
    from scp.simulator.message import Message
    from scp.simulator.network import Network
    from scp.simulator.result import CallResult
    from scp.simulator.scenario import Scenario
    from scp.stack.tcap import Dialogue, Indication

NAME: Final = "msc"
_TOP_OF_TIDS: Final = 0xFFFFFF
_SLS_VALUES: Final = 16
_UP: Final = "association up"
"""`StatusBoard`'s text for an association on which the other side has not sent anything."""


class PlannedCall:
    """A call to make: its scenario and what its answer has to be; with ``message`` it is a short message."""

    __slots__ = ("expected", "message", "scenario")

    def __init__(
        self, scenario: Scenario, expected: Expectation | None = None, message: Message | None = None
    ) -> None:
        self.scenario = scenario
        self.expected = expected or Expectation()
        self.message = message


async def run_calls(
    calls: Iterable[PlannedCall],
    *,
    network: Network,
    endpoint: Endpoint,
    random: Random,
    at_once: int = 1,
    give_up: float = 60.0,
    connect_timeout: float = 10.0,
    on_result: Callable[[CallResult], None] | None = None,
    on_link: Callable[[str, bool], None] | None = None,
) -> list[CallResult]:
    """Make calls and return their results, in the order of the calls.

    Args:
        calls: the calls.
        network: addresses.
        endpoint: where to.
        random: for reconnections and transaction ids.
        at_once: how many are in progress at a time.
        give_up: seconds after which a call whose dialogue nothing ends is given up.
        connect_timeout: seconds to wait for the association to become active.
        on_result: shown each result as it comes.
        on_link: called when the association changes: with a text, and whether that is a failure.

    Raises:
        EncodeError: a scenario has no encoding.
        TimeoutError: the association did not become active; the text has the last failure.
        OSError: the listening port can't be had.
    """
    msc = Msc(network, endpoint, random, NullTelemetry(), on_link, give_up)
    connection = attach(endpoint, msc.link, random, msc.trouble)
    await connection.start()
    try:
        await msc.active(connect_timeout)
        return await msc.run(calls, at_once, on_result)
    finally:
        msc.leave()
        await connection.close()
        msc.signalling.stop()


@final
class Msc:
    """The TC-user: its calls and the signalling that they go through.

    Attributes:
        signalling: the stack.
        link: the user of the one association.
    """

    def __init__(
        self,
        network: Network,
        endpoint: Endpoint,
        random: Random,
        telemetry: Telemetry,
        on_link: Callable[[str, bool], None] | None = None,
        give_up: float = 60.0,
    ) -> None:
        self._network = network
        self._give_up = give_up
        self._on_link = on_link
        self._last_said = ""
        self._calls: dict[CallDialogue | MessageDialogue, asyncio.Future[CallResult]] = {}
        self._made = 0
        self._changed = asyncio.Event()
        title = GlobalTitle(network.global_title) if network.global_title else None
        settings = SccpSettings(
            point_codes=(network.point_code,),
            ssns=(network.ssn,),
            global_title=title,
            return_on_error="always",  # so that a wrong address shows
        )
        self.signalling = Signalling(
            LoopTime(asyncio.get_running_loop()),
            [Ss7Network(Sccp(settings), network.network_indicator)],
            Tcap(TcapSettings(first_id=random.randint(0, _TOP_OF_TIDS))),
            telemetry,
            StatusBoard(lambda: 0.0, self._report),
        )
        self.signalling.user = self
        self._board.expect(NAME)
        self.link: Link = self.signalling.add_link(NAME, machine(endpoint.side, network.routing_context))

    @property
    def _board(self) -> StatusBoard:
        board = self.signalling.observer
        assert isinstance(board, StatusBoard)
        return board

    def trouble(self, reason: str) -> None:
        """Note why a connection failed or was refused."""
        self._board.failed(NAME, reason)

    def leave(self) -> None:
        """Report no more changes of the association: it is about to be closed."""
        self._on_link = None

    async def active(self, seconds: float) -> None:
        """Wait until calls can be made; `TimeoutError` says why they can't."""
        try:
            async with asyncio.timeout(seconds):
                while not self.link.active:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            why = f": {self._last_said}" if self._last_said else ""
            if self._last_said == _UP:
                why += ", and silence: does M3UA listen there, and is --side not what the other is?"
            raise TimeoutError(f"association not active after {seconds:g} s{why}") from None

    async def run(
        self, calls: Iterable[PlannedCall], at_once: int, on_result: Callable[[CallResult], None] | None
    ) -> list[CallResult]:
        """Make calls, so many at once; results in the order of the calls."""
        gate = asyncio.Semaphore(at_once)
        running: list[asyncio.Future[CallResult]] = []
        for call in calls:
            await gate.acquire()
            future = self.call(call.scenario, call.expected, call.message)
            future.add_done_callback(lambda _: gate.release())
            if on_result is not None:
                future.add_done_callback(lambda done: on_result(done.result()))
            running.append(future)
        return list(await asyncio.gather(*running))

    def call(
        self, scenario: Scenario, expected: Expectation, message: Message | None = None
    ) -> asyncio.Future[CallResult]:
        """Make one call, or ask about one message; its result comes when its dialogue is over.

        Raises:
            EncodeError: the scenario has no encoding.
        """
        network, now = self._network, self.signalling.clock()
        self._made += 1
        reference = self._made.to_bytes(4, "big")
        sls = self._made % _SLS_VALUES
        path = ReturnPath(
            self.link, network.point_code, network.scp_point_code, sls, network.called(), network.calling()
        )
        if message is not None:
            asked = initial_dp_sms(scenario, message, reference)
            dialogue = self.signalling.tcap.open(path, CONTEXTS[scenario.version], now)
            sms = MessageDialogue(
                self.signalling, dialogue, scenario, message, expected, now, give_up=self._give_up
            )
            future = self._made_one(sms, dialogue)
            sms.begin(asked, now)
            self._done(sms)
            self.signalling.flush()
            return future
        argument = initial_dp(scenario, reference, datetime.now().astimezone())
        context = BY_VERSION[scenario.version].octets if scenario.dialogue_portion else b""
        dialogue = self.signalling.tcap.open(path, context, now)
        call = CallDialogue(
            self.signalling,
            dialogue,
            scenario,
            expected,
            now,
            give_up=self._give_up,
            stop_time=lambda: time_and_timezone(datetime.now().astimezone())[:7],
        )
        future = self._made_one(call, dialogue)
        call.begin(argument, now)
        self.signalling.flush()
        return future

    def _made_one(
        self, call: CallDialogue | MessageDialogue, dialogue: Dialogue
    ) -> asyncio.Future[CallResult]:
        """Return what takes the result of a call in a dialogue."""
        dialogue.user = call
        future: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        self._calls[call] = future
        return future

    # The TC-user

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication."""
        call = indication.dialogue.user
        if isinstance(call, CallDialogue | MessageDialogue):
            call.indication(indication, now)
            self._done(call)
        elif isinstance(call, AssistingResource):
            call.indication(indication, now)
        elif not indication.dialogue.closed:
            # This MSC serves no dialogues that the other side opens.
            self.signalling.send(indication.dialogue.path, self.signalling.tcap.abort(indication.dialogue))

    def next_deadline(self) -> float:
        """Return when the first of the calls is due."""
        return min((call.next_deadline() for call in self._calls), default=inf)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for call in [call for call in self._calls if call.next_deadline() <= now]:
            call.tick(now)
            self._done(call)

    def _done(self, call: CallDialogue | MessageDialogue) -> None:
        if call.over and (future := self._calls.pop(call, None)) is not None and not future.done():
            future.set_result(call.finish())

    def _report(self, link: str, what: str, trouble: bool) -> None:  # noqa: ARG002 - there is one link
        self._changed.set()
        self._last_said = what
        if self._on_link is not None:
            self._on_link(what, trouble)
