"""The load generator: calls to a gsmSCF at a rate, or with a number of calls outstanding, and their latency.

At a rate, a call's latency counts from when it was due, not from when it was sent: if the generator or the
peer stalls, the calls behind are late too, as they are for a switch's subscribers.

With several associations the generator plays the STP in front of several ASPs of one application server: the
active ASPs share new calls by SLS (loadshare, RFC 4666 §4.3.4.3), and an ASP that leaves gets no more calls.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct
from msgspec.structs import replace

from scp.bench.answers import Case, Checker, backward, returned
from scp.bench.held_script import HeldScript, Then
from scp.bench.histogram import Histogram
from scp.bench.loadshare import Association
from scp.bench.template import Template
from scp.simulator.endpoint import attach
from scp.simulator.expect import Action, Expectation
from scp.simulator.idp import called_party_octets
from ss7.cap.contexts import BY_VERSION
from ss7.digits import isup_octets
from ss7.sccp import return_words
from ss7.tcap import CONTINUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from scp.bench.answers import Backward
    from scp.simulator.endpoint import Endpoint
    from scp.simulator.network import Network
    from scp.simulator.scenario import Scenario

_TICK: Final = 0.001
_SWEEP: Final = 0.05
_DATA_CLASS: Final = 1
_SLS: Final = 15
"""A mask: signalling link selection has four bits (Q.704 §2.2.4)."""
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
_MICRO: Final = 1_000_000
_MOST_REASONS: Final = 20
_OTHER: Final = "for other reasons"
_GOODBYE: Final = Case(b"", Expectation(action=Action.CONTINUE, ended=True), b"", 0, 0)
"""How the gsmSCF has to answer the disconnect of a dialogue that it held open."""
_WAITS: Final = f"{Action.WAIT} instead of "
_SETTLED: Final = Case(b"", Expectation(action=Action.END, ended=True), b"", 0, 0)
"""How it has to end a charged call, whose disconnect is only notified."""
_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)


class LoadCall(Struct, frozen=True, kw_only=True):
    """One kind of call of a load test: the called number and what the answer has to be."""

    b_number: str
    expected: Expectation = Expectation()


class LoadPlan(Struct, frozen=True, kw_only=True):
    """How much.

    Attributes:
        rate: calls a second; 0: as many as the window lets out.
        window: most calls outstanding. At a rate it is a bound, where calls wait if the peer falls behind.
        calls: stop after so many; 0: don't count.
        duration: stop after so many seconds; calls that the window kept back until then are not made up for.
        timeout: seconds after which an answer counts as missing.
        connect_timeout: seconds to wait for the associations to become active.
        then: what happens to dialogues that the gsmSCF holds open.
    """

    rate: float = 0.0
    window: int = 256
    calls: int = 0
    duration: float = 10.0
    timeout: float = 2.0
    connect_timeout: float = 10.0
    then: Then = Then.END


class LoadReport(Struct, frozen=True, kw_only=True):
    """The result of a load test.

    Attributes:
        sent: calls begun.
        answered: answers that came in time, right or wrong.
        wrong: those of them that were not what was expected, by reason (the first 20 reasons, then others).
        missing: calls without an answer.
        returned: those of them that SCCP could not deliver, by return cause.
        stray: backward messages of no call that waits: too late, or twice.
        seconds: from the first call to the last answer.
        calls_per_second: answered, over ``seconds``; with `Then.REPORT`, `Then.CHARGE` ended by the gsmSCF.
        ended: dialogues that the gsmSCF ended after the reports; 0 without any.
        quotas: further quotas that it gave to charged calls.
        latency_us: percentiles ("50", … "max", "mean") in microseconds, at a rate from when a call was due.
        since_sent_us: the same from when it was sent.
        unsent: calls that were due, and that the window kept back until the time was up.
        late_us: how long after it was due a call was sent: the generator's own lateness (it sends once a
            millisecond) and time that calls waited for the window; without a rate 0.
        most_outstanding: calls without an answer, at their most.
        generator_cpu: CPU seconds of this process from the first call to the last answer.
        trouble: failures of the associations, in words; empty: none.
        shares: calls begun, by association.
    """

    sent: int
    answered: int
    wrong: dict[str, int]
    missing: int
    stray: int
    seconds: float
    calls_per_second: float
    ended: int
    latency_us: dict[str, float]
    since_sent_us: dict[str, float]
    most_outstanding: int
    generator_cpu: float
    trouble: tuple[str, ...] = ()
    shares: dict[str, int] = {}
    late_us: dict[str, float] = {}
    unsent: int = 0
    returned: dict[str, int] = {}
    quotas: int = 0

    @property
    def passed(self) -> bool:
        """Whether every call was answered as expected."""
        return self.sent > 0 and not (self.wrong or self.missing)


async def run_load(
    scenario: Scenario,
    calls: Sequence[LoadCall],
    plan: LoadPlan,
    *,
    network: Network,
    endpoint: Endpoint,
    random: Random,
    others: Sequence[Endpoint] = (),
    stoppable: bool = False,
) -> LoadReport:
    """Run a load test and report.

    Args:
        scenario: what all calls have in common; its called number is replaced.
        calls: what they differ in, used in turn; at least one.
        plan: how much.
        network: addresses.
        endpoint: where to.
        random: for reconnections and the first transaction id.
        others: further ASPs, which share the calls with the one at ``endpoint``.
        stoppable: SIGINT and SIGTERM end the calls, and the report is of those that were made.

    Raises:
        EncodeError: a number has no encoding.
        TimeoutError: an association did not become active; the text has the last failure.
        OSError: a listening port can't be had.
    """
    endpoints = (endpoint, *others)
    load = Load(scenario, calls, plan, network, endpoints, first_tid=random.getrandbits(32))
    loop = asyncio.get_running_loop()
    for number in _STOPS if stoppable else ():
        loop.add_signal_handler(number, load.stop)
    connections = [
        attach(where, association, random, association.failed)
        for where, association in zip(endpoints, load.associations, strict=True)
    ]
    try:
        for connection in connections:
            await connection.start()
        return await load.run()
    finally:
        for connection in connections:
            await connection.close()


@final
class Load:
    """The generator.

    Attributes:
        associations: the users of its transports, one for each endpoint.
        trouble: their failures, in words.
    """

    def __init__(
        self,
        scenario: Scenario,
        calls: Sequence[LoadCall],
        plan: LoadPlan,
        network: Network,
        endpoints: Sequence[Endpoint],
        *,
        first_tid: int = 0,
    ) -> None:
        self.trouble: list[str] = []
        self.from_due = Histogram()
        self.from_sent = Histogram() if plan.rate else self.from_due
        self.late = Histogram()
        self._plan = plan
        self._network = network
        # Not the loop's time: uvloop's is whole milliseconds, from when the loop last woke up.
        self.clock = time.perf_counter
        self.associations = [Association(self, each, network.routing_context) for each in endpoints]
        self._sharing: list[Association] = []  # those that are active
        self._templates, self._cases = _prepare(scenario, calls, network)
        version = BY_VERSION[scenario.version]
        self._checker = Checker(version, dialogue_portion=scenario.dialogue_portion)
        self._goodbye_checker = Checker(version, dialogue_portion=False)
        self._held_script = HeldScript(plan.then, scenario, network)
        self._charging = plan.then is Then.CHARGE
        self._reporting = plan.then is Then.REPORT or self._charging
        self._goodbye = _SETTLED if self._charging else _GOODBYE
        self._tid = first_tid & 0xFFFFFFFF
        self._outstanding: dict[bytes, tuple[float, float, Case]] = {}
        self._held: dict[bytes, tuple[float, float, Case]] = {}
        self._active = asyncio.Event()
        self._finished = asyncio.Event()
        self._started = inf
        self._ended = inf
        self._limit = plan.calls or 1 << 62
        self._sent = 0
        self._unsent = 0
        self._answered = 0
        self._missing = 0
        self._goodbyes = 0
        self._quotas = 0
        self._waited: set[bytes] = set()  # calls whose answer is announced by a ResetTimer
        self._stray = 0
        self._most = 0
        self._wrong: Counter[str] = Counter()
        self._returned: Counter[str] = Counter()
        self._next_case = self._cycle()

    async def run(self) -> LoadReport:
        """Wait for the associations, make the calls, wait for their answers."""
        try:
            async with asyncio.timeout(self._plan.connect_timeout):
                await self._active.wait()
        except TimeoutError:
            why = f": {self.trouble[-1]}" if self.trouble else ""
            raise TimeoutError(
                f"association not active after {self._plan.connect_timeout:g} s{why}"
            ) from None
        cpu = time.process_time()
        self._started = self.clock()
        self._ended = self._started + self._plan.duration
        pacing = asyncio.create_task(self._pace())
        try:
            await self._finished.wait()
        finally:
            pacing.cancel()
        seconds = self.clock() - self._started
        return self._report(seconds, time.process_time() - cpu)

    def stop(self) -> None:
        """Begin no more calls; those that wait for an answer still get one."""
        self._ended = min(self._ended, self.clock())

    # What the associations bring

    def changed(self) -> None:
        """An association became active, or is active no more."""
        self._sharing = [each for each in self.associations if each.active]
        if len(self._sharing) == len(self.associations):
            self._active.set()

    def received(self, association: Association, messages: Sequence[tuple[int, bytes]]) -> None:
        """Take a batch: answers to the calls, and what the association's M3UA deals with."""
        now = self.clock()
        before = self._busy()
        queue: list[tuple[int, bytes]] = []
        for stream, message in messages:
            if message[2] == _DATA_CLASS:
                answer = backward(message)
                if answer is not None:
                    self._answer(answer, association, queue, now)
                else:
                    self._came_back(message)
            else:
                association.manage(stream, message, now)
        association.send(queue)
        if not self._plan.rate and now < self._ended and self._started <= now:
            self._send(before - self._busy(), now)
        if not self._busy():
            self._finish_if_done(now)

    # Calls

    def _busy(self) -> int:
        return len(self._outstanding) + len(self._held)

    def _send(self, count: int, now: float, due: Iterator[float] | None = None) -> None:
        """Begin so many calls in one write; ``due`` has the times that they count from, if not ``now``."""
        count = min(count, self._limit - self._sent)
        sharing = self._sharing
        if count <= 0 or not sharing or not self._active.is_set():
            return
        outstanding, templates = self._outstanding, self._templates
        tid, ways = self._tid, len(sharing)
        batches: list[list[tuple[int, bytes]]] = [[] for _ in sharing]
        for case in islice(self._next_case, count):
            tid = (tid + 1) & 0xFFFFFFFF
            octets = tid.to_bytes(4, "big")
            outstanding[octets] = (now if due is None else next(due), now, case)
            sls = tid & _SLS  # as the template has it
            way = sls % ways
            message = templates[case.template].message(octets, case.number)
            batches[way].append((sharing[way].stream(sls), message))
        self._tid = tid
        self._sent += count
        self._most = max(self._most, self._busy())
        for association, batch in zip(sharing, batches, strict=True):
            association.begun += len(batch)
            association.send(batch)

    def _answer(
        self, answer: Backward, association: Association, queue: list[tuple[int, bytes]], now: float
    ) -> None:
        waiting = self._outstanding.pop(answer.dtid, None)
        if waiting is None:
            if self._charging and answer.kind == CONTINUE and answer.dtid in self._held:
                self._quotas += 1
                stream = association.stream(answer.dtid[3] & _SLS)
                messages = self._held_script.messages(answer.dtid, answer.otid, further=True)
                queue += [(stream, octets) for octets in messages]
            else:
                self._late(answer)
            return
        due, sent, case = waiting
        if answer.dtid in self._waited:
            self._waited.discard(answer.dtid)
            fault = self._goodbye_checker.fault(answer, case)  # the context was echoed in the message before
        else:
            fault = self._checker.fault(answer, case)
            if self._charging and answer.kind == CONTINUE and fault.startswith(_WAITS):
                self._waited.add(answer.dtid)  # ResetTimer: charging takes longer, the answer proper follows
                self._outstanding[answer.dtid] = waiting
                return
        self._answered += 1
        self.from_due.record(int((now - due) * _MICRO))
        if self.from_sent is not self.from_due:
            self.from_sent.record(int((now - sent) * _MICRO))
            self.late.record(int((sent - due) * _MICRO))
        self._note(fault)
        if answer.kind == CONTINUE:
            stream = association.stream(answer.dtid[3] & _SLS)
            queue += [(stream, octets) for octets in self._held_script.messages(answer.dtid, answer.otid)]
            if self._reporting:
                self._held[answer.dtid] = waiting

    def _late(self, answer: Backward) -> None:
        """Take the end of a dialogue that was held open, or count a stray message."""
        if self._held.pop(answer.dtid, None) is None:
            self._stray += 1
            return
        self._goodbyes += 1
        self._note(self._goodbye_checker.fault(answer, self._goodbye))

    def _came_back(self, message: bytes) -> None:
        """Take a message that is no answer: a call that SCCP returned undelivered counts as missing."""
        back = returned(message)
        if back is None:
            return
        waiting = self._outstanding.pop(back.tid, None) or self._held.pop(back.tid, None)
        if waiting is not None:
            self._missing += 1
            self._returned[return_words(back.cause)] += 1

    def _note(self, fault: str) -> None:
        if fault:
            self._wrong[fault if fault in self._wrong or len(self._wrong) < _MOST_REASONS else _OTHER] += 1

    async def _pace(self) -> None:
        """Begin calls when they are due, look for missing answers, find the end."""
        plan = self._plan
        swept = self._started
        while True:
            now = self.clock()
            if plan.rate:
                due = min(int((min(now, self._ended) - self._started) * plan.rate) + 1, self._limit)
                count = min(due - self._sent, plan.window - self._busy())
                first = self._sent
                self._send(
                    count, now, (self._started + (first + n) / plan.rate for n in range(max(0, count)))
                )
                if now >= self._ended:
                    self._unsent += max(0, due - self._sent)
                    self._limit = self._sent
            elif now < self._ended:
                # Half of what is missing: were all calls one bunch, the peer would idle while we read.
                self._send((plan.window - self._busy() + 1) // 2, now)
            if now - swept >= _SWEEP:
                swept = now
                self._sweep(now)
            self._finish_if_done(now)
            await asyncio.sleep(_TICK)

    def _sweep(self, now: float) -> None:
        """Count out the calls whose time is up, since they were sent: they are the first in the dictionary.

        Not since they were due: beyond what the window lets out, every call would be given up unread.
        """
        before = now - self._plan.timeout
        for waiting in (self._outstanding, self._held):
            while waiting:
                tid = next(iter(waiting))
                if waiting[tid][1] > before:
                    break
                del waiting[tid]
                self._missing += 1

    def _finish_if_done(self, now: float) -> None:
        if not self._busy() and (now >= self._ended or self._sent >= self._limit):
            self._finished.set()

    def _cycle(self) -> Iterator[Case]:
        while True:
            yield from self._cases

    def _report(self, seconds: float, cpu: float) -> LoadReport:
        return LoadReport(
            sent=self._sent,
            answered=self._answered,
            wrong=dict(self._wrong),
            missing=self._missing,
            stray=self._stray,
            seconds=seconds,
            calls_per_second=(self._goodbyes if self._reporting else self._answered) / seconds,
            ended=self._goodbyes,
            latency_us=_summary(self.from_due),
            since_sent_us=_summary(self.from_sent),
            late_us=_summary(self.late),
            most_outstanding=self._most,
            generator_cpu=cpu,
            trouble=tuple(self.trouble),
            shares={each.name: each.begun for each in self.associations},
            unsent=self._unsent,
            returned=dict(self._returned),
            quotas=self._quotas,
        )


def _summary(histogram: Histogram) -> dict[str, float]:
    summary: dict[str, float] = {f"{percent:g}": histogram.percentile(percent) for percent in _PERCENTILES}
    return summary | {"max": histogram.largest, "mean": round(histogram.mean, 1)}


def _prepare(
    scenario: Scenario, calls: Sequence[LoadCall], network: Network
) -> tuple[list[Template], list[Case]]:
    """Encode what can be encoded once: a template for each length of number, a case for each call."""
    if not calls:
        raise ValueError("no calls to make")
    templates: dict[int, int] = {}
    made: list[Template] = []
    families: dict[Expectation, int] = {}
    cases = []
    for call in calls:
        concrete = replace(scenario, b_number=call.b_number)
        size = len(call.b_number)
        if size not in templates:
            templates[size] = len(made)
            made.append(Template(concrete, network))
        expected = call.expected
        family = families.setdefault(replace(expected, number=""), len(families))
        digits = b""
        if expected.action is Action.CONNECT and expected.number:
            digits = isup_octets(expected.number)
        cases.append(Case(called_party_octets(concrete), expected, digits, family, templates[size]))
    return made, cases
