"""Two nodes on one Redis through what happens to them: nobody's call is unanswered, and every alert has its cause.

Two processes of ``camel-scp serve``, a Redis with a replica and three sentinels, a Prometheus with our rules
(sixty times faster), and the simulated MSC that shares its calls over both nodes as an STP does.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from real_node import TOKEN, RealNode, eventually, sha256
from real_prometheus import Firing, Panel, Prometheus, panels, watching

from oracles import redis_lab
from scp.simulator.scenario import Scenario

RATE: Final = 80
"""Calls a second."""
SOME: Final = 20
"""Calls that show that a node has its share."""
PATIENCE: Final = 240.0
"""Seconds that anything may take on a busy machine."""
STEERED: Final = "0011234567"
UNREACHED: Final = {"ScpNotReady", "ScpNoActiveAsp", "ScpAspNotActive", "ScpAssociationDown"}
STORE_GONE: Final = {"ScpStoreUnusable", "ScpStoreWritesFail", "ScpNotReady"}
NO_REPLICA: Final = {"ScpLedgerUnusable"}
"""Nothing is charged that no replica has (``acks``): calls go on with one server of two, charging does not."""
OF_THE_MACHINE: Final = {"ScpAnswersLate", "ScpEventLoopLag", "ScpOverloaded", "ScpDown"}
"""What a machine that does much else may bring at any time; a scrape has half a second here."""
BY_POLICY: Final = {"draining", "store-unavailable", "store-timeout", "overload"}
"""Why a call of a steered subscriber may be continued."""
MORE_THAN_ZERO: Final = {
    "Versions",
    "CPU",
    "Memory",
    "Event loop lag, 99 %",
    "Store usable",
    "Store operations",
    "Time of a write, 99 %",
    "File descriptors",
    "Guardian",
    "Ledger usable",
    "Last reload taken",
    "Reloads",
    "Since the last reload",
    "Ready",
    "Calls a second",
    "What was answered",
    "And why",
    "Time to the answer, median",
    "Time to the answer, 99 %",
    "Answers that a store's failure decided",
    "Reservations",
    "Call detail records",
    "ASP active",
    "Association up",
    "AS as the peer says",
    "DATA a second",
    "Other M3UA messages",
    "Dialogues, by how they ended",
    "CAP operations",
}
"""Panels that a node with calls has something for; the others may show that nothing is wrong."""


@dataclass
class Cause:
    """Something that was done to the nodes.

    Attributes:
        what: in words.
        nodes: whose alerts it explains.
        fires: alerts that it has to bring, for each of the nodes.
        may_fire: alerts that it may bring, by how long it happens to take.
    """

    what: str
    nodes: set[str]
    fires: set[str]
    may_fire: set[str]
    began: float = field(default_factory=time.time)
    ended: float = math.inf

    def explains(self, firing: Firing) -> bool:
        return (
            firing.alert in self.fires | self.may_fire
            and firing.instance in self.nodes
            and self.began <= firing.began <= self.ended
        )


class Story:
    """What was done, and what Prometheus made of it."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus
        self.causes: list[Cause] = []
        self._began = time.time()

    @contextlib.contextmanager
    def because(
        self, what: str, *nodes: RealNode, fires: set[str] = frozenset(), may_fire: set[str] = frozenset()
    ) -> Iterator[None]:
        """Do something in the block; it is over when no alert is left, nor one on its way."""
        names = {str(node.settings["name"]) for node in nodes}
        cause = Cause(what, names, set(fires), set(may_fire))
        self.causes.append(cause)
        yield
        wait_for(lambda: not self.on_their_way(), what)
        cause.ended = time.time()

    def on_their_way(self) -> set[tuple[str, str]]:
        found = self.prometheus.alerts("pending", "firing")
        return {(alert, instance) for alert, instance in found if alert not in OF_THE_MACHINE}

    def firing(self, alerts: set[str], *nodes: RealNode) -> bool:
        """Whether these alerts fire now, for each of the nodes."""
        wanted = {(alert, node.settings["name"]) for alert in alerts for node in nodes}
        return wanted <= self.prometheus.alerts("firing")

    def explained(self) -> list[tuple[Firing, str]]:
        """Every alert that fired, and why; "" where nobody knows."""
        return [
            (
                firing,
                "a machine with much else to do"
                if firing.alert in OF_THE_MACHINE
                else next((cause.what for cause in self.causes if cause.explains(firing)), ""),
            )
            for firing in self.prometheus.fired(self._began, time.time())
        ]

    def owed(self) -> list[tuple[str, str, str]]:
        """What a cause should have brought and did not: cause, alert, node."""
        fired = self.prometheus.fired(self._began, time.time())
        return [
            (cause.what, alert, node)
            for cause in self.causes
            for alert in cause.fires
            for node in cause.nodes
            if not any(cause.explains(each) and (alert, node) == each[:2] for each in fired)
        ]


def wait_for(condition: Any, what: str) -> None:
    try:
        eventually(condition, PATIENCE)
    except AssertionError:
        raise AssertionError(f"did not happen: {what}") from None


class Calls:
    """``camel-scp msc --load`` towards all nodes, until it is told to stop."""

    def __init__(self, nodes: list[RealNode]) -> None:
        others = [option for node in nodes[1:] for option in ("--to", f"127.0.0.1:{node.settings['m3ua']}")]
        self._process = subprocess.Popen(
            nodes[0].msc(
                *others,
                *("--load", "--json", "--rate", str(RATE), "--duration", "600"),
                *("--b", STEERED, "--expect", "connect"),
            ),
            stdout=subprocess.PIPE,
        )

    def report(self) -> dict[str, Any]:
        """End the calls and return what came of them."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=PATIENCE)
        report: dict[str, Any] = json.loads(output)
        return report

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def calling() -> Iterator[list[Calls]]:
    """Loads that are running; none is left behind."""
    running: list[Calls] = []
    yield running
    for each in running:
        each.kill()


def all_answered(report: dict[str, Any]) -> None:
    assert report["sent"] > 0
    assert (report["missing"], report["stray"], report["answered"]) == (0, 0, report["sent"]), report


def calls_of(node: RealNode, reason: str = "") -> float:
    """Calls that a node has answered since it started, for a reason."""
    return sum(
        count
        for name, count in node.scrape().items()
        if name.startswith("scp_calls_total{") and f'reason="{reason}' in name
    )


def reload(node: RealNode) -> None:
    node.signal(signal.SIGHUP)


def upgrade(node: RealNode, other: RealNode, stack: contextlib.ExitStack) -> None:
    """Drain a node, start it anew, and see its calls go to the other meanwhile, and come back."""
    before = calls_of(other)
    node.signal(signal.SIGTERM)
    assert node.ended(PATIENCE) == 0
    assert node.said("stopped")[-1]["drained"] is True
    wait_for(lambda: calls_of(other) > before + SOME, "the calls move to the other node")
    stack.enter_context(node.running())
    wait_for(lambda: node.get("/readyz")[0] == 200, "the node is ready again")
    wait_for(lambda: calls_of(node, "forwarded") > SOME, "it has its share of the calls again")


def panels_show_data(prometheus: Prometheus) -> None:
    assert {panel.title for panel in panels()} >= MORE_THAN_ZERO
    for panel in panels():
        positive = panel.title in MORE_THAN_ZERO
        if panel.expression.endswith("> 0") and not positive:
            prometheus.shown(panel)  # it shows only what is wrong
            continue
        # waited for: after a scrape that came too late a gauge shows nothing for a moment
        wait_for(
            lambda panel=panel, positive=positive: shows(prometheus, panel, positive=positive), panel.title
        )


def shows(prometheus: Prometheus, panel: Panel, *, positive: bool) -> bool:
    """Whether a panel has a value, one more than zero if it has to."""
    values = [value for value in prometheus.shown(panel) if math.isfinite(value)]
    return any(values) if positive else bool(values)


def test_nobodys_call_is_unanswered_and_every_alert_has_its_cause(
    tmp_path: Path, calling: list[Calls]
) -> None:
    for program in ("prometheus", "redis-server"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(redis_lab.sentinel(tmp_path))
        nodes = [made(tmp_path, number, redis.url) for number in (1, 2)]
        began = time.monotonic()
        for node in nodes:
            stack.enter_context(node.running())
        start = (time.monotonic() - began) / len(nodes)
        ports = {str(node.settings["name"]): int(node.settings["metrics"]) for node in nodes}
        story = Story(stack.enter_context(watching(tmp_path, ports, start)))
        one, two = nodes

        with story.because("they start, no MSC is connected yet", one, two, may_fire=UNREACHED):
            wait_for(lambda: story.prometheus.values("count(scp_ready)") == [2.0], "both are scraped")
            one.provision(STEERED.removeprefix("00"))
            denied = one.ask("POST", "/v1/charging/reservations", RESERVATION, TOKEN)
            assert denied[0] == 200, denied
            calling.append(Calls(nodes))
            wait_for(lambda: min(calls_of(node, "forwarded") for node in nodes) > SOME, "calls to both")
        with story.because("the MSC is gone, and the AS with it", one, two, fires=UNREACHED):
            first = calling[0].report()
            wait_for(lambda: story.firing(UNREACHED, one, two), "alerts of an AS that is down")
            calling.append(Calls(nodes))
        with story.because("a bad configuration", one, fires={"ScpReloadRefused"}):
            one.write(extra="[nonsense]\n")
            reload(one)
            wait_for(lambda: story.firing({"ScpReloadRefused"}, one), "the alert of a bad configuration")
            one.write(deadline=140)
            reload(one)
        assert one.wait_said("reloaded")["changed"] == ["store.deadline_ms"]
        for node, other in ((one, two), (two, one)):
            with story.because("an upgrade", node, may_fire={"ScpDown", *UNREACHED}):
                upgrade(node, other, stack)
        with story.because(
            "its Redis master was killed",
            one,
            two,
            fires={"ScpStoreFailing", *NO_REPLICA},
            may_fire=STORE_GONE,
        ):
            lost = {node: calls_of(node, "store-") for node in nodes}
            master = redis.master()
            redis.give_up_soon()
            master.kill()
            wait_for(lambda: all(calls_of(node, "store-") > lost[node] for node in nodes), "calls by policy")
            steered = {node: calls_of(node, "forwarded") for node in nodes}
            wait_for(
                lambda: all(calls_of(node, "forwarded") > steered[node] + SOME for node in nodes),
                "calls are steered again",
            )
            wait_for(lambda: story.firing(NO_REPLICA, one, two), "the alert of a ledger without a replica")
            master.start()  # the sentinels make it the other's replica
        panels_show_data(story.prometheus)
        second = calling[1].report()
        reasons = story.prometheus.ask(
            "query", query='group by (reason) (max_over_time(scp_calls_total{action="continue"}[5m]) > 0)'
        )["result"]
        explained, owed = story.explained(), story.owed()

    for cause in story.causes:
        print(f"{cause.ended - cause.began:5.1f} s: {cause.what}, {', '.join(sorted(cause.nodes))}")
    for firing, why in explained:
        print(f"{firing.alert:22} {firing.instance:6} {firing.ended - firing.began:5.1f} s: {why or '?'}")
    print(f"{first['sent']} + {second['sent']} calls, {second['shares']}, {second['wrong']}")
    assert not [firing for firing, why in explained if not why]
    assert not owed
    all_answered(first)
    assert first["wrong"] == {}
    all_answered(second)
    assert set(second["wrong"]) <= {"continue instead of connect"}
    assert {each["metric"]["reason"] for each in reasons} <= BY_POLICY
    for node in nodes:
        assert node.said("call"), "calls are lines of the log"
        log = node.log.read_text()
        for secret in (TOKEN, sha256(TOKEN), STEERED, STEERED.removeprefix("00"), Scenario().a_number):
            assert secret not in log


def test_a_death_and_a_guardian_that_is_gone_are_alerts(tmp_path: Path) -> None:
    """The process that died can't say so: the one after it does, and Prometheus sees the count grow over the gap."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    node = RealNode(tmp_path)
    ports = {"scp-1": int(node.settings["metrics"])}
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        began = time.monotonic()
        first.enter_context(node.running())
        prometheus = stack.enter_context(watching(tmp_path, ports, time.monotonic() - began))
        story = Story(prometheus)
        wait_for(lambda: prometheus.values("scp_guardian_kills_total") == [0.0], "it is scraped")
        node.signal(signal.SIGKILL)
        node.ended()
        node.wait_said("guardian")
        stack.enter_context(node.running())
        wait_for(lambda: story.firing({"ScpNodeKilled"}, node), "the alert of a death")
        assert not story.firing({"ScpGuardianLost"}, node)
        assert node.process is not None
        children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        wait_for(lambda: story.firing({"ScpGuardianLost"}, node), "the alert of a guardian that is gone")


RESERVATION: Final = json.dumps(
    {"call_id": "c-1", "a_number": "46700000009", "b_number": "46701234567", "minutes": 1}
).encode()


def made(folder: Path, number: int, store: str) -> RealNode:
    """A node that is configured, not started."""
    own = folder / f"scp-{number}"
    own.mkdir()
    node = RealNode(own, name=f"scp-{number}", instance=number, store=store)
    node.extra = f'[charging]\nrecords = "sqlite:{own / "calls.cdr"}"\n'
    node.write()
    return node
