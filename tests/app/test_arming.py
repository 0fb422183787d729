"""M-CSIs are armed by themselves: whom, when, how often, and what is kept; in virtual time, on real stores."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pycrate_asn1dir.TCAP_MAPv2v3 import MAP_MS_DataTypes

from oracles import virtual_time
from scp.app.arming import ArmingKeeper
from scp.common.tasks import end_tasks
from scp.config.map import Arming
from scp.domain.armed import ArmState
from scp.domain.map_results import Outcome
from scp.domain.subscriber import Subscriber, When
from scp.engine.arming import m_csi_active
from scp.engine.enquiries import Answer
from scp.ports import StoreError
from scp.store.armed_sqlite import SqliteArmed
from scp.store.sqlite import SqliteStore
from ss7.map.errors import ErrorCode
from ss7.map.subscription import AnyTimeModificationRes

ROAMER = Subscriber("46701234567", authorized=True, aor="sip:b@voip", forwarding=True, when=When.ROAMING)
CSI = {
    "mobilityTriggers": [b"\x01"],
    "serviceKey": 100,
    "gsmSCF-Address": b"\x91\x64\x07\x00\x00\x00\xf1",
}


def subscription(**csi: Any) -> bytes:
    """The contents of a CAMEL-SubscriptionInfo with an M-CSI, by pycrate."""
    described = MAP_MS_DataTypes.CAMEL_SubscriptionInfo
    described.set_val({"tif-CSI": 0, "m-CSI": {**CSI, **csi}} if csi else {"tif-CSI": 0})
    return bytes(described.to_ber()[2:])


OFF = subscription(notificationToCSE=0)
ON = subscription(**{"csi-Active": 0})
DONE = Answer(Outcome.RESULT, AnyTimeModificationRes())
EPOCH = 1_700_000_000.0


@pytest.mark.parametrize(
    ("octets", "active"),
    [
        (OFF, False),
        (ON, True),
        (subscription(), None),
        (None, None),
        (b"", None),
        (ON[:-4], None),
        (b"\xac\x80", None),
    ],
)
def test_what_an_hlr_says_of_an_m_csi(octets: bytes | None, active: bool | None) -> None:
    assert m_csi_active(octets) is active


class Hlr:
    """What is asked, when, and what comes of it: `answer`, after ``delay`` seconds."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, bool]] = []
        self.answers: list[Answer] = []
        self.answer = DONE
        self.delay = 0.0
        self.reachable = True
        self.open = self.most_open = 0

    async def ask(self, msisdn: str, on: bool) -> Answer:
        self.asked.append((asyncio.get_running_loop().time(), msisdn, on))
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        await asyncio.sleep(self.delay)
        self.open -= 1
        return self.answers.pop(0) if self.answers else self.answer


class Node:
    def __init__(self, store: SqliteStore, hlr: Hlr, keeper: ArmingKeeper) -> None:
        self.store = store
        self.hlr = hlr
        self.keeper = keeper

    async def write(self, *records: Subscriber) -> None:
        await self.store.put_many(records)
        await self.keeper.noted(records)

    async def state(self, msisdn: str = ROAMER.msisdn) -> ArmState | None:
        known = await self.keeper.of(msisdn)
        return None if known is None else known.state


def story(
    work: Callable[[Node], Awaitable[None]], path: str = ":memory:", *records: Subscriber, **settings: Any
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        store, hlr = SqliteStore(":memory:"), Hlr()
        await store.open()
        await store.put_many(records)
        keeper = ArmingKeeper(
            Arming(**settings),
            store,
            SqliteArmed(path),
            hlr.ask,
            lambda msisdn: hlr.reachable,
            lambda why: None,
            lambda: EPOCH + loop.time(),
            loop.time,
        )
        await keeper.start()
        try:
            await work(Node(store, hlr, keeper))
        finally:
            await keeper.stop()
            await store.close()

    virtual_time.run(asyncio.wait_for(main(), 1_000_000))


def many(count: int) -> list[Subscriber]:
    return [replace(ROAMER, msisdn=f"4670{number:07}") for number in range(count)]


def test_who_roams_and_forwards_is_armed_once_and_nobody_else() -> None:
    always = replace(ROAMER, msisdn="46701", when=When.ALWAYS)
    off = replace(ROAMER, msisdn="46702", forwarding=False)

    async def work(node: Node) -> None:
        await node.write(ROAMER, always, off)
        await asyncio.sleep(5)
        await node.write(ROAMER)  # again, as any write of the record is
        await asyncio.sleep(10_000)  # scans go by
        assert [each[1:] for each in node.hlr.asked] == [(ROAMER.msisdn, True)]
        assert node.keeper.counts == Counter({ArmState.ARMED: 1})
        await node.write(replace(always, when=When.ROAMING))
        await asyncio.sleep(1)
        assert await node.state("46701") is ArmState.ARMED

    story(work)


def test_a_start_finds_who_is_there_and_a_restart_asks_nothing_again(tmp_path: Path) -> None:
    records, path = many(600), str(tmp_path / "armed.db")

    async def first(node: Node) -> None:
        await asyncio.sleep(100)
        assert len(node.hlr.asked) == 600
        gaps = sorted(each[0] for each in node.hlr.asked)
        assert gaps[-1] >= (600 - 20) / 20  # so many a second, and as many at once
        assert node.keeper.counts[ArmState.ARMED] == 600

    async def second(node: Node) -> None:
        await asyncio.sleep(100)
        assert not node.hlr.asked
        assert node.keeper.counts[ArmState.ARMED] == 599  # one is gone meanwhile

    story(first, path, *records, rate=20.0)
    story(second, path, *records[1:], rate=20.0)


@pytest.mark.parametrize(
    ("answer", "pauses"),
    [
        (Answer(Outcome.TIMEOUT), [30, 60, 120, 200, 200]),
        (Answer(Outcome.UNREACHABLE), [30, 30, 30, 30, 30]),
        (Answer(Outcome.ERROR, None, int(ErrorCode.SYSTEM_FAILURE)), [30, 60, 120, 200, 200]),
        (Answer(Outcome.ERROR, None, int(ErrorCode.RESOURCE_LIMITATION)), [30, 60, 120, 200, 200]),
        (Answer(Outcome.LIMITED), [2, 2, 2, 2, 2]),
        (Answer(Outcome.ERROR, None, int(ErrorCode.ATM_NOT_ALLOWED)), [1000, 1000]),
        (Answer(Outcome.ERROR, None, int(ErrorCode.UNKNOWN_SUBSCRIBER)), [1000, 1000]),
        (Answer(Outcome.CONTEXT), [1000, 1000]),
        (Answer(Outcome.REJECT), [1000, 1000]),
    ],
)
def test_it_is_asked_again_by_what_was_wrong(answer: Answer, pauses: list[int]) -> None:
    async def work(node: Node) -> None:
        node.hlr.answer = answer
        await node.write(ROAMER)
        await asyncio.sleep(sum(pauses) + 1)
        times = [each[0] for each in node.hlr.asked]
        found = [round(after - before) for before, after in pairwise(times)]
        assert found == pauses
        refused = pauses[0] == 1000
        assert await node.state() is (ArmState.REFUSED if refused else ArmState.WAITING)
        assert (await node.keeper.of(ROAMER.msisdn)).reason.startswith("HLR: ")  # type: ignore[union-attr]
        assert bool(node.keeper.last_refusal) is refused
        node.hlr.answer = DONE
        await asyncio.sleep(1001)
        assert await node.state() is ArmState.ARMED

    story(work, most_pause_s=200.0, refused_s=1000.0)


def test_no_more_than_the_window_are_open_though_the_hlr_is_slow() -> None:
    async def work(node: Node) -> None:
        node.hlr.delay = 20.0
        await asyncio.sleep(500)
        assert node.hlr.most_open == 4
        assert node.keeper.counts[ArmState.ARMED] == 40

    story(work, ":memory:", *many(40), rate=100.0, window=4)


@pytest.mark.parametrize("disarm", [False, True])
def test_who_does_not_want_it_any_more(disarm: bool) -> None:
    async def work(node: Node) -> None:
        await node.write(ROAMER)
        await asyncio.sleep(1)
        await node.write(replace(ROAMER, forwarding=False))
        await asyncio.sleep(1)
        assert [on for _, _, on in node.hlr.asked] == [True, False][: 1 + disarm]
        assert await node.state() is None
        await node.write(ROAMER)
        await asyncio.sleep(1)
        assert await node.state() is ArmState.ARMED

    story(work, disarm=disarm)


def test_who_was_acknowledged_is_to_be_armed_whatever_happens_to_the_node() -> None:
    """When the API answers, it is in the store: another node finds it there."""

    async def work(node: Node) -> None:
        node.hlr.delay = 1000.0
        await node.write(*many(300))
        assert len(await node.keeper._store.wanted()) == 300  # and no turn of the loop was needed

    story(work)


def test_a_store_that_fails_holds_nobody_up_for_long_and_loses_nothing() -> None:
    async def work(node: Node) -> None:
        change, down = node.keeper._store.change, True

        async def failing(changes: Any) -> Any:
            if down:
                raise StoreError("gone", "unreachable")
            return await change(changes)

        node.keeper._store.change = failing  # type: ignore[method-assign]
        await node.write(ROAMER)
        assert await node.state() is None
        await asyncio.sleep(1)
        assert node.keeper.fault == "gone"
        down = False
        await asyncio.sleep(20)
        assert await node.state() is ArmState.ARMED
        assert node.keeper.fault == ""

    story(work)


def test_a_change_of_mind_while_the_hlr_is_asked() -> None:
    async def work(node: Node) -> None:
        node.hlr.delay = 10.0
        await node.write(ROAMER)
        await asyncio.sleep(1)
        await node.write(replace(ROAMER, when=When.ALWAYS))
        await asyncio.sleep(1)
        await node.write(ROAMER)
        await asyncio.sleep(60)
        assert await node.state() is ArmState.ARMED

    story(work)


def test_an_m_csi_that_the_hlr_switches_off_is_armed_again() -> None:
    async def work(node: Node) -> None:
        await node.write(ROAMER)
        await asyncio.sleep(1)
        node.keeper.told(ROAMER.msisdn, False)  # the echo of what was just asked
        node.keeper.told("46709", False)
        await asyncio.sleep(100)
        node.keeper.told(ROAMER.msisdn, None)
        node.keeper.told(ROAMER.msisdn, True)
        await asyncio.sleep(1)
        assert len(node.hlr.asked) == 1
        node.keeper.told(ROAMER.msisdn, False)
        await asyncio.sleep(1)
        assert len(node.hlr.asked) == 2
        assert await node.state() is ArmState.ARMED

    story(work)


def test_a_result_that_says_the_m_csi_is_off_is_a_refusal() -> None:
    async def work(node: Node) -> None:
        node.hlr.answer = Answer(Outcome.RESULT, AnyTimeModificationRes(camel_subscription_info=OFF))
        await node.write(ROAMER)
        await asyncio.sleep(1)
        assert await node.state() is ArmState.REFUSED
        assert node.keeper.last_refusal == "HLR: the M-CSI is not active"

    story(work)


def test_who_could_not_be_reached_is_asked_as_soon_as_there_is_a_way() -> None:
    async def work(node: Node) -> None:
        node.hlr.reachable, node.hlr.answer = False, Answer(Outcome.UNREACHABLE)
        await node.write(*many(20))
        await asyncio.sleep(3)
        assert node.keeper.counts == Counter({ArmState.WAITING: 20})
        assert len(node.hlr.asked) == 20
        node.hlr.reachable, node.hlr.answer = True, DONE
        await asyncio.sleep(2.5)  # in place of half a minute
        assert len(node.hlr.asked) == 40
        await asyncio.sleep(1)
        assert node.keeper.counts == Counter({ArmState.ARMED: 20})
        await asyncio.sleep(100)
        assert len(node.hlr.asked) == 40

    story(work, rate=20.0)


def test_what_sccp_returns_while_there_is_a_way_waits_its_time() -> None:
    async def work(node: Node) -> None:
        node.hlr.answer = Answer(Outcome.UNDELIVERABLE)
        await node.write(ROAMER)
        await asyncio.sleep(29)
        assert len(node.hlr.asked) == 1

    story(work)


def test_nodes_share_what_is_to_be_armed_and_one_that_dies_leaves_nobody_unarmed() -> None:
    records = many(200)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        subscribers, armed = SqliteStore(":memory:"), SqliteArmed(":memory:")
        await subscribers.open()
        await subscribers.put_many(records)
        hlrs = [Hlr(), Hlr()]

        def keeper(hlr: Hlr) -> ArmingKeeper:
            clocks = (lambda: EPOCH + loop.time(), loop.time)
            return ArmingKeeper(
                Arming(rate=20.0), subscribers, armed, hlr.ask, lambda who: True, lambda why: None, *clocks
            )

        keepers = [keeper(hlr) for hlr in hlrs]
        for hlr in hlrs:
            hlr.delay = 0.3
        for each in keepers:
            await each.start()
        await asyncio.sleep(2)
        hlrs[0].delay = 1000.0  # what it asks from now on is not answered before it dies
        await asyncio.sleep(1)
        lost = [msisdn for _, msisdn, _ in hlrs[0].asked if (await armed.get([msisdn]))[0].state != "armed"]  # type: ignore[union-attr]
        assert 0 < len(lost) <= 16
        died = loop.time()
        await end_tasks(*keepers[0]._tasks, *keepers[0]._questions)  # as the kernel ends a process
        await asyncio.sleep(59 - 1)
        asked = [msisdn for hlr in hlrs for _, msisdn, _ in hlr.asked]
        assert sorted(asked) == [each.msisdn for each in records]  # both together: each once
        await asyncio.sleep(15)
        assert keepers[1].counts == Counter({ArmState.ARMED: 200})
        again = [msisdn for when, msisdn, _ in hlrs[1].asked if when > died + 50]
        assert sorted(again) == sorted(lost)
        await keepers[1].stop()
        await subscribers.close()

    virtual_time.run(main())
