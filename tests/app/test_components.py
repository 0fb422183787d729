"""What a node says of CDRs, ledger, charging function and recordings: in /health and metrics, not in /readyz."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from oracles.waiting import until

sys.path.append(str(Path(__file__).parents[1] / "charging"))  # chf.py

from chf import Chf
from ocs import CLIENT, REALM, Books, Ocs

from oracles.servers import free_tcp_port
from scp.api.health import observe_node
from scp.app.charging import charging_service
from scp.app.event_log import EventLog
from scp.app.metrics import NodeMetrics
from scp.app.node import Node
from scp.app.process import StructuredEventLog
from scp.charging import bundles as bundles_module
from scp.charging import sink as sink_module
from scp.charging.fault_state import FaultState
from scp.config import loads
from scp.domain.cdr import Bundle
from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.domain.reservation import reservation_id
from scp.engine.status import ComponentStatus
from scp.ports import ChargingRequest, StoreError
from scp.telemetry.metrics import Metrics
from scp.telemetry.number_traces import MOST, TooManyTracesError

CONFIG = """
[node]
name = "scp-1"
point_code = "0-23-1"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
{more}
"""
CHF = """
[charging.chf]
url = "{url}"
rating_group = 7
consumer = "scp.example"
deadline_ms = 200
attempt_ms = 100
breaker_rest_s = 0.01
"""
RO = """
[charging.ro]
servers = ["127.0.0.1:{port}", "127.0.0.1:{other}"]
origin_host = "{host}"
origin_realm = "{realm}"
reconnect_s = 0.05
deadline_ms = 60000
"""
CALLER = "46701234567"


class Log(EventLog):
    """What a node says of charging."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bool]] = []

    def charging(self, what: str, trouble: bool, *, wanted: bool = True) -> None:
        self.said.append((what, trouble))


class Watched:
    """A node in this process, and what is seen of it."""

    def __init__(self, more: str) -> None:
        config = loads(CONFIG.format(port=free_tcp_port(), more=more), {})
        self.metrics = Metrics(["voip-forwarding"], ["msc"])
        self.log = Log()
        self.node = Node(config, Random(1), self.metrics, self.log, entry_points=())

    def part(self, group: str) -> ComponentStatus:
        (found,) = [each for each in self.node.components() if each.group == group]
        return found

    def groups(self) -> set[str]:
        return {each.group for each in self.node.components()}

    def metric(self, name: str, **labels: str) -> float:
        families = [*NodeMetrics(self.node).collect(), *self.metrics.collect()]
        samples = [sample for family in families for sample in family.samples]
        (value,) = [each.value for each in samples if each.name == name and each.labels == labels]
        return value

    def ready_but_for_the_switch(self) -> bool:
        return self.node.why_not_ready() == ["no ASP is active"]


def run(body: Callable[[Watched], Awaitable[None]], more: str = "") -> None:
    async def main() -> None:
        watched = Watched(more)
        await watched.node.start()
        try:
            await body(watched)
        finally:
            await watched.node.stop()

    asyncio.run(main())


def request() -> ChargingRequest:
    identity = reservation_id(CALLER, b"12345678")
    return ChargingRequest(identity, CALLER, "call-1", CALLER, "46850000002", 5, "print")


@pytest.mark.parametrize(
    ("charging", "level"),
    [
        ("", "warning"),
        ('[[charging.tariffs]]\nprefix = "46"\nprice = 5\n', "error"),
        (CHF.format(url="http://127.0.0.1:1"), "error"),
    ],
)
def test_a_ledger_that_fails_is_an_error_where_something_can_be_charged(charging: str, level: str) -> None:
    """Redis is gone, which the store says for itself: who charges nothing need not get up for the ledger too."""
    config = loads(CONFIG.format(port=2905, more=charging), {})
    log = StructuredEventLog(config)
    with capture_logs() as lines:
        log.log = structlog.get_logger()
        room = charging_service(config, Random(1), log.charging)
        room.fault.report("unreachable")
        room.fault.report("")
        room.requests.report("somebody asks for minutes, and gets none")
    assert [each["log_level"] for each in lines] == [level, "info", "error"]
    assert lines[0]["what"] == "expiry, and CDRs of what was charged: unreachable"


# --- call detail records ---


class Disk:
    """A store of CDRs that is full until it is not."""

    def __init__(self) -> None:
        self.full = True

    async def add_bundles(self, bundles: Sequence[Bundle]) -> int:
        if self.full:
            raise StoreError("scp-1.cdr: the disk is full", "disk-full")
        return 1


class Dialogue:
    """As much of one as a CDR needs: it is over."""

    state = sink_module.CLOSED


def test_records_that_wait_for_a_full_disk_are_a_warning_and_no_readiness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink_module, "MOST_WAITING", 3)
    monkeypatch.setattr(sink_module, "RETRY_SECONDS", 0.02)

    async def body(watched: Watched) -> None:
        sink = watched.node.charging.sink
        disk: Any = Disk()
        dialogue: Any = Dialogue()
        assert sink is not None
        assert watched.part("charging:records").state == "none waits"
        assert watched.metric("scp_cdrs_waiting_seconds") == 0
        sink._store = disk
        for _ in range(5):
            sink.answered(dialogue, "none", None, Decision(Action.CONTINUE, Reason.AT_HOME), 0.001)
        await until(lambda: sink.fault.now and sink.dropped_at)
        part = watched.part("charging:records")
        assert part.check.startswith("the disk that charging.records is on")
        assert part.last_error == "scp-1.cdr: the disk is full"
        assert part.state.startswith("3 wait, the oldest for ")
        assert part.state.endswith("; 2 were dropped")
        assert 0 < watched.metric("scp_cdrs_waiting_seconds") < 60
        assert watched.log.said == [("call detail records: scp-1.cdr: the disk is full", True)]
        assert watched.ready_but_for_the_switch()
        disk.full = False
        await until(lambda: not sink.waiting)
        await until(lambda: not sink.fault.now)
        part = watched.part("charging:records")
        assert (part.state, part.last_error) == ("none waits; 2 were dropped", "scp-1.cdr: the disk is full")
        assert part.check, "they were dropped a moment ago"
        sink.dropped_at -= 601
        assert not watched.part("charging:records").check
        assert watched.log.said[1:] == [("call detail records: works again", False)]

    run(body)


def test_the_oldest_record_is_as_old_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two, a clock that a test moves: what waits since 100 is not younger for what came later."""
    monkeypatch.setattr(bundles_module, "TOGETHER", 2)
    monkeypatch.setattr(bundles_module, "AT_ONCE", 1)
    now = [100.0]
    seen: list[float] = []

    class Slow:
        async def add_bundles(self, bundles: Sequence[Bundle]) -> int:
            seen.append(sink.oldest_seconds)
            now[0] += 10
            return 2

    store: Any = Slow()
    dialogue: Any = Dialogue()
    sink = sink_module.CdrSink(store, "scp-1", loads_numbering(), lambda _: None, lambda: now[0])

    def show(count: int) -> None:
        for _ in range(count):
            sink.answered(dialogue, "none", None, Decision(Action.CONTINUE, Reason.AT_HOME), 0.001)

    async def body() -> None:
        show(4)
        assert sink.oldest_seconds == 0
        now[0] = 105.0
        assert sink.oldest_seconds == 5
        await sink.flush()
        assert sink.oldest_seconds == 0
        show(2)
        now[0] += 3
        assert sink.oldest_seconds >= 3

    asyncio.run(body())
    assert seen == [5, 15]


def loads_numbering() -> Any:
    return loads(CONFIG.format(port=1, more=""), {}).numbering


def test_a_node_that_makes_no_records_says_so() -> None:
    async def body(watched: Watched) -> None:
        assert watched.part("charging:records").state == "not made of call attempts"
        assert not watched.part("charging:records").check

    run(body, "[charging]\ncall_records = false\n")


# --- the ledger ---


def test_a_ledger_that_fails_is_counted_and_shown_until_a_request_goes_well() -> None:
    async def body(watched: Watched) -> None:
        charging = watched.node.charging
        assert (watched.part("charging:ledger").state, watched.metric("scp_ledger_usable")) == ("usable", 1)
        await charging.ledger.close()
        with pytest.raises(StoreError):
            await charging.system.create(request())
        part = watched.part("charging:ledger")
        assert (part.state, part.last_error) == ("fails", ":memory:: not open")
        assert part.check.startswith("charging.ledger: its disk")
        assert watched.metric("scp_ledger_usable") == 0
        assert watched.metric("scp_reservations_total", result="ledger-failed") == 1
        assert ("requests to the ledger: :memory:: not open", True) in watched.log.said
        assert watched.ready_but_for_the_switch()
        await charging.ledger.open()
        assert watched.metric("scp_ledger_usable") == 0, "nobody has asked it since"
        await charging.system.create(request())
        await until(lambda: not charging.fault.now)
        part = watched.part("charging:ledger")
        assert (part.state, part.check) == ("usable", "")
        assert part.last_error == ":memory:: not open", "the last error stays"
        assert watched.metric("scp_ledger_usable") == 1

    run(body)


# --- the charging function ---


def test_a_charging_function_that_does_not_answer() -> None:
    async def main() -> None:
        chf = Chf()
        url = await chf.start()
        chf.faults.extend(["drop"] * 50)
        watched = Watched(CHF.format(url=url))
        await watched.node.start()
        try:
            system = watched.node.charging.system
            assert watched.part("charging:function").state == "not asked yet"
            for _ in range(2):
                assert (await system.create(request())).denied == "charging-unavailable"
            part = watched.part("charging:function")
            assert (part.state, bool(part.check)) == ("does not answer", True)
            assert "not asked" not in part.last_error, "why it is not asked says more"
            assert watched.metric("scp_chf_requests_total", result="unavailable") == 2
            assert [trouble for what, trouble in watched.log.said if "charging function" in what] == [True]
            assert watched.metric("scp_ledger_usable") == 1, "the ledger is well"
            assert watched.ready_but_for_the_switch()
            chf.faults.clear()
            await asyncio.sleep(0.02)
            assert (await system.create(request())).denied is None
            part = watched.part("charging:function")
            assert (part.state, part.check) == ("answers", "")
            assert part.last_error, "it stays"
            assert watched.metric("scp_chf_requests_total", result="answered") == 1
            assert ("charging function: works again", False) in watched.log.said
            chf.faults.append(403)
            assert (await system.update(request().id, 10)).denied is not None
            assert watched.metric("scp_chf_requests_total", result="refused") == 1
            chf.faults.extend(["drop"] * 50)
            with pytest.raises(StoreError):
                await system.release(request().id, 60)
            assert watched.metric("scp_reservations_total", result="charging-unavailable") == 3
            assert watched.metric("scp_reservations_total", result="ledger-failed") == 0
        finally:
            await watched.node.stop()
            await chf.stop()

    asyncio.run(main())


def test_an_online_charging_system_of_which_one_server_is_away() -> None:
    async def main() -> None:
        ocs = Ocs(Books(1000, 60)).up()
        watched = Watched(RO.format(host=CLIENT, realm=REALM, port=ocs.port, other=free_tcp_port()))
        await watched.node.start()
        try:
            client = watched.node.charging.servers
            await until(lambda: client.missing == 1 and "Connect call failed" in client.peers[1].fault)
            part = watched.part("charging:function")
            assert (part.state, bool(part.check)) == ("1 of 2 servers connected", True)
            assert f"127.0.0.1:{client.peers[1].address[1]}: " in part.last_error
            assert watched.metric("scp_ro_servers_missing") == 1
            system = watched.node.charging.system
            assert (await system.create(request())).denied is None
            assert watched.metric("scp_ro_requests_total", result="answered") == 1
            assert watched.ready_but_for_the_switch()
            await asyncio.to_thread(ocs.down)
            await until(lambda: client.missing == 2)
            with pytest.raises(StoreError):
                await system.release(request().id, 60)
            assert watched.metric("scp_ro_requests_total", result="unavailable") == 1
            assert watched.metric("scp_ro_servers_missing") == 2
            said = [what for what, trouble in watched.log.said if trouble]
            assert any(f"system's 127.0.0.1:{ocs.port}: " in what for what in said)
            await asyncio.to_thread(ocs.up)
            await until(lambda: client.missing == 1)
            assert (await system.release(request().id, 60)).denied is None
            assert ("online charging system: works again", False) in watched.log.said
            assert (ocs.books.used, ocs.books.balance) == ([60], 940)
            assert watched.metric("scp_ro_requests_repeated_total") == 0
        finally:
            await watched.node.stop()
            await asyncio.to_thread(ocs.down)

    asyncio.run(main())


# --- recordings and traces ---


def test_what_nobody_asked_for_is_not_shown() -> None:
    async def body(watched: Watched) -> None:
        assert watched.groups() == {"charging:records", "charging:ledger"}
        states = {state: watched.metric("scp_recording_state", state=state) for state in ("off", "failed")}
        assert states == {"off": 1, "failed": 0}
        assert watched.metric("scp_guardian_state", state="off") == 1

    run(body)


def test_traces_are_counted_and_those_refused() -> None:
    async def body(watched: Watched) -> None:
        traces = watched.node.traces
        for number in range(MOST):
            traces.start(f"4670000{number:04d}", 60, 10, "operator")
        with pytest.raises(TooManyTracesError):
            traces.start(CALLER, 60, 10, "operator")
        assert traces.take("46700000000") is not None
        assert watched.metric("scp_traces_running") == MOST
        assert watched.metric("scp_traces_refused_total") == 1
        assert watched.metric("scp_trace_messages_total", result="written") == 1
        assert watched.part("node:traces").state == f"{MOST} numbers are traced"
        for trace in traces.all():
            traces.stop(trace.msisdn)
        assert watched.metric("scp_traces_running") == 0
        assert watched.metric("scp_trace_messages_total", result="written") == 1, "counts go on"

    run(body)


def test_trouble_is_told_when_it_begins_and_ends_and_remembered() -> None:
    told: list[str] = []
    now = [1.0]
    trouble = FaultState(told.append, lambda: now[0])
    assert (trouble.now, trouble.since, trouble.last, trouble.last_at) == ("", 1.0, "", 0.0)
    for at, what in ((2.0, "a"), (3.0, "b"), (4.0, ""), (5.0, "")):
        now[0] = at
        trouble.report(what)
    assert told == ["a", ""]
    assert (trouble.now, trouble.since, trouble.last, trouble.last_at) == ("", 4.0, "b", 3.0)


def test_since_when_store_and_ledger_fail_and_are_back_is_kept() -> None:
    """A look later, and looks in between, leave it as it is."""

    async def body(watched: Watched) -> None:
        node = watched.node
        said = ""
        node.store.usable = lambda: said  # type: ignore[method-assign]
        node.charging.ledger.usable = lambda: said  # type: ignore[method-assign]
        before = {each.group: each.since for each in node.components()}
        for said, status, error in (("gone", "fail", "gone"), ("", "pass", "gone")):
            node.look()
            began = time.time()
            for _ in range(2):
                checks = observe_node(node).checks
                (store,), (ledger,) = checks["store:records"], checks["charging:ledger"]
                assert (store.status, store.last_error, ledger.last_error) == (status, error, error)
                assert [ledger.status == "pass", bool(store.check)] == [not said, bool(said)]
                for each in (store, ledger):
                    since = datetime.fromisoformat(each.time).timestamp()
                    assert before["charging:ledger"] < since <= began
                    assert 0 < datetime.fromisoformat(each.last_error_time).timestamp() <= time.time()
                await asyncio.sleep(0.01)
            before = {each.group: each.since for each in node.components()}
            assert before == {each.group: each.since for each in node.components()}

    run(body)
