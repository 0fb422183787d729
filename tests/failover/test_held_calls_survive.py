"""Held calls outlive the process that serves them: killed, started anew, drained, on SQLite and on Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

import pytest

from oracles.waiting import until, wait_until

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from held_switch import CONNECTED, HeldCall, HeldSwitch, number_in
from real_node import RealNode, free_ports
from room import DIALLED, MSISDN, STEERED

from oracles import redis_lab
from scp.store.beside import open_cdrs, open_ledger
from scp.store.open import open_held_calls
from ss7 import tcap
from ss7.cap.operations import Opcode


def event(node: RealNode, name: str) -> float:
    return node.scrape()[f'scp_held_calls_total{{event="{name}"}}']


def linked(node: RealNode, other: str) -> bool:
    """Whether a node has a link to another one, by which it brings it messages."""
    health = node.get("/health")[1].decode()
    return other in health and f"{other} (no link)" not in health


RESCUE = "rescue = true\nno_answer_s = 600"  # longer than any machine takes from a Connect to the answer
PATIENT = """
import sys
from scp.store import redis_client
redis_client.ANSWER_SECONDS = 60.0
from scp.cli import main
sys.exit(main())
"""
"""A node whose ledger and journal may be slow, as they are on a busy machine: it grants no period of grace."""
PERIOD = 600
"""Seconds of a quota: a node asks for a call that reports nothing for longer, by the clock on the wall."""
CHARGED = f"""
[services.voip-forwarding.charging]
first_s = {PERIOD}
next_s = {PERIOD}
withheld_s = 0
deadline_s = 60
"""
TARIFF = """
[[charging.tariffs]]
prefix = "46"
price = 6
"""
CALLER = "46700000009"
PAGE = (Path(__file__).parents[2] / "deploy" / "held-calls.md").read_text(encoding="utf-8")
JOURNAL = PAGE.partition("```toml\n")[2].partition("```")[0]
"""What the page says to switch it on by."""


def records(folder: Path, name: str) -> list[dict]:
    """The CDRs in a node's file."""

    async def read() -> list[dict]:
        store = open_cdrs(f"sqlite:{folder / name}", "", "", read_only=True)
        await store.open()
        found: list[dict] = []
        seq = 0
        while page := await store.page(seq, 999):
            found += [json.loads(each.json) for each in page]
            seq = page[-1].seq
        await store.close()
        return found

    return asyncio.run(read())


def charges(folder: Path) -> list[dict]:
    """The records of charged calls in the files of both nodes."""
    found = records(folder / "1", "calls.cdr") + records(folder / "2", "calls.cdr")
    return [each for each in found if each["kind"] == "attempt" and "reservation" in each]


async def accounts(url: str, amount: int = 0) -> tuple[int, int]:
    """Put money on the caller's account; return its balance, and what is held of it."""
    ledger = open_ledger(None, url, "a test")
    await ledger.open()
    if amount:
        await ledger.credit(CALLER, "first", amount, 1)
    account = await ledger.account(CALLER)
    await ledger.close()
    assert account is not None
    return account.balance, account.held


async def still_held(url: str) -> int:
    """How many calls have a record."""
    held = open_held_calls(url)
    await held.open()
    entries = [await held.get(tid) for instance in (1, 2) for tid in await held.ids(instance)]
    await held.close()
    return sum(each is not None for each in entries)


STEPS = 4


def cost(tenths: int) -> int:
    """What a call costs at 6 a minute, by the begun second."""
    seconds = -(-tenths // 10)
    return -(-seconds * 6 // 60)


def step(call: HeldCall, port: int, number: int) -> None:
    """Have the switch say what it says next in a charged call."""
    if number == 0:
        call.answered(port)
    elif number < STEPS - 1:
        call.used(port, 10 * PERIOD * number)
    else:
        call.used(port, call.tenths, active=False)
        call.cleared(port)


async def followed(call: HeldCall, number: int) -> None:
    """Wait for the node's message after a step: none after the answer, another quota, the end."""
    if number in range(1, STEPS - 1):
        answer = await call.answer(number + 1)
        assert answer.opcodes == [Opcode.APPLY_CHARGING], f"{number}: {answer.message}"
    elif number == STEPS - 1:
        await call.ended(STEPS)


def test_a_node_that_is_killed_and_started_again_goes_on_with_its_calls(tmp_path: Path) -> None:
    """SQLite: calls in each phase when the node dies; the next process serves what follows.

    Of two charged calls one ends while the node is away, and its switch knows nothing of it any more: the node's
    clock says how long it was.
    """
    node = RealNode(tmp_path, service=RESCUE + CHARGED)
    node.extra = JOURNAL + TARIFF
    url = str(node.settings["store"])
    port = int(node.settings["m3ua"])
    of = HeldSwitch()
    charged: list[HeldCall] = []
    times: list[float] = []

    async def first() -> list[HeldCall]:
        await of.connect(port)
        for _ in range(2):
            charged.append(of.charged(port, CALLER))
            charged[-1].tenths = 20 * PERIOD + 34
            assert Opcode.APPLY_CHARGING in (await charged[-1].answer(1)).opcodes
            times.append(time.time())  # by the second one's the node has read the first one's answer
            charged[-1].answered(port)
        calls = [await of.held(port) for _ in range(4)]
        for call in calls[:2]:
            call.busy(port)
            assert number_in(await call.answer(2)) == DIALLED
        written = 'scp_journal_writes_total{result="written"}'
        await until(lambda: node.scrape()[written] == 10)  # messages wait for their records, but not for long
        await of.close()
        return calls

    async def second(calls: list[HeldCall]) -> None:
        of.lost.add(charged[0].otid)
        await of.connect(port)
        await until(lambda: node.scrape()["scp_journal_calls"] == 5)
        times.append(time.time())
        for number in range(1, STEPS):
            step(charged[1], port, number)
            await followed(charged[1], number)
        calls[0].busy(port)
        await calls[0].ended(3, Opcode.CONTINUE)
        calls[2].busy(port)
        answer = await calls[2].answer(2)
        assert (answer.opcodes, number_in(answer)) == (CONNECTED, DIALLED)
        assert (answer.message.kind, answer.message.otid) == (tcap.CONTINUE, calls[2].dtid)
        for call in calls[1:]:
            call.answered(port)
            call.cleared(port)
            await call.ended(2 if call is calls[3] else 3)
        await of.close()

    assert asyncio.run(accounts(url, 1000)) == (1000, 0)
    with node.running():
        node.provision(MSISDN)
        calls = asyncio.run(first())
        node.signal(signal.SIGKILL)
        of.killed = True
        node.ended()
        times.append(time.time())
    with node.running():
        asyncio.run(second(calls))
        assert event(node, "adopted") == 6
        node.signal(signal.SIGTERM)
        node.ended()
    assert {number_in(call.answers[0]) for call in calls} == {STEERED}
    everything = records(tmp_path, "store.db.cdr")
    found = [each for each in everything if each["kind"] == "attempt" and "reservation" not in each]
    assert sorted(each.get("failed_attempts", "").count(":17") for each in found) == [0, 1, 1, 2]
    assert sorted("answered_ms" in each for each in found) == [False, True, True, True]
    assert {(each["number"], each["action"]) for each in found} == {(STEERED, "connect")}
    assert all(each["received_ms"] < each.get("disconnected_ms", inf) for each in found)
    paid = {each.get("charged_by"): each for each in everything if "charged_ms" in each}
    before, after, killed, asked = times
    assert (killed - after) * 1000 - 200 <= paid["clock"]["charged_ms"] <= (asked - before) * 1000 + 200
    tenths = charged[1].tenths
    assert (paid[None]["charged_ms"], paid[None]["charge"]) == (tenths * 100, cost(tenths))
    assert asyncio.run(accounts(url)) == (1000 - cost(tenths) - paid["clock"]["charge"], 0)


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[tuple[RealNode, RealNode]]:
    """Two nodes on one Redis, as a rolling upgrade has them; both run."""
    with redis_lab.single(tmp_path) as redis, contextlib.ExitStack() as stack:
        nodes = []
        for number in (1, 2):
            (listen,) = free_ports(1)
            folder = tmp_path / str(number)
            folder.mkdir()
            node = RealNode(
                folder, name=f"scp-{number}", instance=number, store=redis.url, service=RESCUE + CHARGED
            )
            node.program = [sys.executable, "-c", PATIENT]
            node.extra = (
                JOURNAL.replace('# listen = "10.0.0.11:2906"', f'listen = "127.0.0.1:{listen}"')
                + f'[charging]\nrecords = "sqlite:{folder / "calls.cdr"}"\n{TARIFF}'
            )
            node.write()
            nodes.append(node)
        with ThreadPoolExecutor() as both:
            list(both.map(stack.enter_context, [node.running() for node in nodes]))
        nodes[0].provision(MSISDN)
        yield nodes[0], nodes[1]


def test_calls_go_on_through_the_other_node(two_nodes: tuple[RealNode, RealNode], tmp_path: Path) -> None:
    """Relayed while their node runs, adopted when it is killed, handed over when it is drained."""
    one, two = two_nodes
    first, second = int(one.settings["m3ua"]), int(two.settings["m3ua"])
    url = str(one.settings["store"])
    of = HeldSwitch()

    async def relayed() -> list[HeldCall]:
        await of.connect(first)
        await of.connect(second)
        calls = [await of.held(first) for _ in range(40)]
        await until(
            lambda: linked(one, "scp-2") and linked(two, "scp-1")
        )  # else they adopt each other's calls
        for call in calls[:10]:
            call.busy(second)
            assert number_in(await call.answer(2)) == DIALLED
            call.answered(first)
        for call in calls[10:20]:
            call.busy(first)
            await call.answer(2)
            call.answered(second)
            call.cleared(second)
            await call.ended(3)
        assert event(two, "relayed") == event(one, "brought") == 30
        assert event(two, "adopted") == 0
        await until(lambda: still_held(url), lambda held: held == 30)  # else those that are over are adopted
        return calls

    async def killed(calls: list[HeldCall]) -> None:
        for call in calls[20:30]:
            call.busy(first)
        one.signal(signal.SIGKILL)
        of.killed = True
        began = time.monotonic()
        for call in calls[20:30]:  # read by the dead node or not: answered by the other
            assert number_in(await call.answer(2)) == DIALLED
        print(f"\nanswered within {time.monotonic() - began:.2f} s of the kill")
        for call in calls[20:30]:
            call.answered(second)
        for call in calls[:10]:
            call.cleared(second)
            await call.ended(3)
        for call in calls[30:]:
            call.busy(second)
            assert number_in(await call.answer(2)) == DIALLED
        await until(lambda: event(two, "adopted") == 30)
        await until(lambda: still_held(url), lambda held: held == 20)
        await of.disconnect(first)

    async def drained(calls: list[HeldCall]) -> None:
        await of.connect(first)
        began = time.monotonic()
        two.signal(signal.SIGTERM)
        assert await asyncio.to_thread(two.ended) == 0
        print(f"\ndrained within {time.monotonic() - began:.2f} s")
        for call in calls[20:]:
            call.answered(first)
            call.cleared(first)
            await call.ended(3)
        assert event(one, "adopted") == 20
        assert one.scrape()["scp_journal_calls"] == 0

    async def story() -> None:
        calls = await relayed()
        await killed(calls)
        await asyncio.to_thread(one.ended)
        running = one.running()
        await asyncio.to_thread(running.__enter__)
        await drained(calls)
        await of.close()
        one.signal(signal.SIGTERM)
        await asyncio.to_thread(one.ended)
        await asyncio.to_thread(running.__exit__, None, None, None)

    asyncio.run(story())
    found = records(tmp_path / "1", "calls.cdr") + records(tmp_path / "2", "calls.cdr")
    found = [each for each in found if each["kind"] == "attempt"]
    assert len(found) == 40
    assert all("answered_ms" in each and "disconnected_ms" in each for each in found)
    assert [each["failed_attempts"] for each in found] == ["oCalledPartyBusy:17"] * 40


def test_calls_of_a_node_that_stood_still_go_on_whichever_node_hears_of_them(
    two_nodes: tuple[RealNode, RealNode], tmp_path: Path
) -> None:
    """The other node takes it for dead and claims the calls that it hears of; then the first one goes on.

    What switches tell the first one of a call that the other has claimed, and of one that it has not, is not lost.
    """
    one, two = two_nodes
    url = str(one.settings["store"])
    of = HeldSwitch()
    first, second = int(one.settings["m3ua"]), int(two.settings["m3ua"])

    async def story() -> list[HeldCall]:
        assert await accounts(url, 12 * PERIOD) == (12 * PERIOD, 0)
        await of.connect(first)
        await of.connect(second)
        await until(lambda: linked(one, "scp-2") and linked(two, "scp-1"))
        calls = [of.charged(first, CALLER) for _ in range(6)]
        for call in calls:
            call.tenths = 20 * PERIOD + 34
            assert Opcode.APPLY_CHARGING in (await call.answer(1)).opcodes
            step(call, first, 0)
        written = 'scp_journal_writes_total{result="written"}'
        await until(lambda: one.scrape()[written] >= 12)
        one.signal(signal.SIGSTOP)
        await until(lambda: not linked(two, "scp-1"))
        for call in calls[:3]:
            step(call, second, 1)
            await followed(call, 1)
        for call in calls:  # these wait in the socket of the one that stands
            step(call, first, 2 if call in calls[:3] else 1)
        one.signal(signal.SIGCONT)
        for call in calls[:3]:
            await followed(call, 2)
        for call in calls[3:]:
            await followed(call, 1)
            step(call, second, 2)
            await followed(call, 2)
        for call in calls:
            step(call, first, 3)
            await followed(call, 3)
        await of.close()
        return calls

    calls = asyncio.run(story())
    for node in (one, two):
        wait_until(lambda node=node: node.scrape()["scp_journal_calls"] == 0)
        node.signal(signal.SIGTERM)
        node.ended()
    found = [each for each in charges(tmp_path) if "charged_ms" in each]
    total = [(call.tenths * 100, cost(call.tenths)) for call in calls]
    assert [(each["charged_ms"], each["charge"]) for each in found] == total
    assert asyncio.run(accounts(url)) == (12 * PERIOD - sum(each for _, each in total), 0)


CALLS = int(os.environ.get("CAMEL_SCP_KILLED_CALLS", "200"))
"""How many calls are open when the node dies; `make held-kills` has 10,000."""
DYING = 1000
"""Of how many at most the switch speaks as the node dies; those beyond go on behind that: what is in a switch's own
buffers when an association ends is lost, whoever is at its other end."""
UPGRADED = int(os.environ.get("CAMEL_SCP_UPGRADED_CALLS", "80"))
"""How many calls are open when a node is drained; `make held-kills` has 5,000."""
MANY = 1000
AT_ONCE = 100
TSSF = 20.0
"""Seconds that a switch waits for instructions: its timer has 1 to 20 (29.078 §10.2.1)."""


class Many:
    """Calls of one account through two nodes, and as many again that are suspended when the first node dies.

    Attributes:
        charged: calls that are paid for: each is at another step.
        suspended: calls whose switch waits for what to do next.
        waited: seconds until each of these was answered.
        died: when the node did, on the monotonic clock.
    """

    def __init__(self, of: HeldSwitch, first: int, second: int) -> None:
        self.of = of
        self.ports = first, second
        self.charged: list[HeldCall] = []
        self.suspended: list[HeldCall] = []
        self.waited: list[float] = []
        self.died = 0.0

    async def each(self, work: Callable[[int], Coroutine[None, None, None]], calls: int) -> None:
        """Work on so many calls, some at a time."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(position: int) -> None:
            async with gate:
                await work(position)

        await asyncio.gather(*(one(position) for position in range(calls)))

    def port(self, position: int, number: int) -> int:
        """A third of the calls change their way with each step, and come back."""
        return self.ports[number % 2 if position % 3 == 1 else 0]

    async def begin(self, position: int) -> None:
        """Begin a call, and bring it to the step before that at which its node dies."""
        call = self.of.charged(self.ports[0], CALLER)
        while (await call.answer(1)).opcodes == [Opcode.CONTINUE]:  # overload: a busy machine takes fewer
            call = self.of.charged(self.ports[0], CALLER)
        assert Opcode.APPLY_CHARGING in (await call.answer(1)).opcodes
        self.charged.append(call)
        call.position, call.tenths = position, 20 * PERIOD + 34 + position % 400
        for number in range(position % STEPS):
            step(call, self.port(position, number), number)
            await followed(call, number)

    async def hold(self, _: int) -> None:
        call = self.of.begin(self.ports[0])
        while (await call.answer(1)).opcodes == [Opcode.CONTINUE]:
            call = self.of.begin(self.ports[0])
        assert (await call.answer(1)).opcodes == CONNECTED
        self.suspended.append(call)

    def last_words(self) -> None:
        """What the switches say as the node dies."""
        for call in self.charged[:DYING]:
            step(call, self.ports[0], call.position % STEPS)
        for call in self.suspended[:DYING]:
            call.busy(self.ports[0])
        self.died = time.monotonic()

    async def finish(self, position: int) -> None:
        """Bring a call to its end, through the node that lives."""
        call = self.charged[position]
        if position >= DYING:
            step(call, self.ports[1], call.position % STEPS)
        await followed(call, call.position % STEPS)
        for number in range(call.position % STEPS + 1, STEPS):
            step(call, self.ports[1], number)
            await followed(call, number)

    async def rescued(self, position: int) -> None:
        call = self.suspended[position]
        began = self.died
        if position >= DYING:
            call.busy(self.ports[1])
            began = time.monotonic()
        assert number_in(await call.answer(2)) == DIALLED
        self.waited.append(time.monotonic() - began)
        call.answered(self.ports[1])
        call.cleared(self.ports[1])
        await call.ended(3)


def test_10_the_sums_are_right_when_a_node_is_killed_at_every_step_of_many_calls(
    two_nodes: tuple[RealNode, RealNode], tmp_path: Path, slowdown: float
) -> None:
    """Charges, balance and the switches' own seconds agree to the unit, and no suspended call waits for long."""
    one, two = two_nodes
    url = str(one.settings["store"])
    money = CALLS * PERIOD
    of = HeldSwitch()
    many = Many(of, int(one.settings["m3ua"]), int(two.settings["m3ua"]))

    async def story() -> None:
        assert await accounts(url, money) == (money, 0)
        for port in many.ports:
            await of.connect(port)
        await until(
            lambda: linked(one, "scp-2") and linked(two, "scp-1")
        )  # else they adopt each other's calls
        await many.each(many.begin, CALLS)
        await many.each(many.hold, CALLS // 4)
        many.last_words()
        one.signal(signal.SIGKILL)
        of.killed = True
        await asyncio.gather(many.each(many.rescued, CALLS // 4), many.each(many.finish, CALLS))
        await of.close()

    asyncio.run(story())
    one.ended()
    wait_until(lambda: two.scrape()["scp_journal_calls"] == 0)
    print(f"\nanswered at most {max(many.waited):.2f} s after the kill; relayed {event(two, 'relayed'):.0f}")
    assert event(two, "relayed") >= CALLS // 6
    two.signal(signal.SIGTERM)
    two.ended()
    total = sum(cost(call.tenths) for call in many.charged)
    found = charges(tmp_path)
    charged = {each["reservation"]: (each["charged_ms"], each["charge"]) for each in found}
    guessed = [each for each in found if "charged_by" in each]
    assert not guessed, f"{len(guessed)} without their last report: {guessed[:3]}"
    # One whose end was said, and whose CDR was not on the disk yet, has its record still: it is found by its time.
    missing = CALLS - len(charged)
    assert 0 <= missing <= asyncio.run(still_held(url))
    wanted = Counter((call.tenths * 100, cost(call.tenths)) for call in many.charged)
    assert Counter(charged.values()) <= wanted
    assert asyncio.run(accounts(url)) == (money - total, 0)
    assert max(many.waited) < TSSF * slowdown


def test_11_a_drained_node_hands_its_calls_over_and_each_is_charged_once(
    two_nodes: tuple[RealNode, RealNode], tmp_path: Path, slowdown: float
) -> None:
    """A rolling upgrade: no call is lost, and the first node is gone within two seconds."""
    one, two = two_nodes
    url = str(one.settings["store"])
    money = UPGRADED * PERIOD
    of = HeldSwitch()
    many = Many(of, int(one.settings["m3ua"]), int(two.settings["m3ua"]))
    drained: list[float] = []

    async def go_on(position: int) -> None:
        call = many.charged[position]
        for number in range(call.position % STEPS, STEPS):
            step(call, many.ports[1], number)
            await followed(call, number)

    async def story() -> None:
        assert await accounts(url, money) == (money, 0)
        for port in many.ports:
            await of.connect(port)
        await until(lambda: linked(one, "scp-2") and linked(two, "scp-1"))
        await many.each(many.begin, UPGRADED)
        began = time.monotonic()
        one.signal(signal.SIGTERM)
        assert await asyncio.to_thread(one.ended) == 0
        drained.append(time.monotonic() - began)
        await many.each(go_on, UPGRADED)
        await of.close()

    asyncio.run(story())
    wait_until(lambda: two.scrape()["scp_journal_calls"] == 0)
    print(f"\ndrained within {drained[0]:.2f} s")
    two.signal(signal.SIGTERM)
    two.ended()
    found = charges(tmp_path)
    assert not [each for each in found if "charged_by" in each]
    assert Counter((each["charged_ms"], each["charge"]) for each in found) == Counter(
        (call.tenths * 100, cost(call.tenths)) for call in many.charged
    )
    assert asyncio.run(accounts(url)) == (money - sum(cost(call.tenths) for call in many.charged), 0)
    if UPGRADED > MANY:  # of few, the time says how busy the machine is
        assert drained[0] < 2.0 * slowdown
