"""``camel-scp demo``: a node and a simulated MSC in one process, over real sockets.

Every call has the answer and the reason that are expected of it; one that comes out otherwise fails it.
"""

from __future__ import annotations

import asyncio
import socket
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace
from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from scp.app import Node, Reporter, metrics_for
from scp.config import loads
from scp.domain.call import Trigger
from scp.domain.reason import Reason, explain
from scp.domain.subscriber import Subscriber, When
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.ladder import ladder
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.telemetry.server import MetricsServer
from ss7.cap.errors import ErrorCode
from ss7.isup import NatureOfAddress

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from scp.simulator.result import CallResult
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg

CONFIG: Final = """
[node]
name = "demo"
point_code = 185
[sccp]
global_title = "46700000001"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "sqlite::memory:"
[numbering]
country_code = "46"
never_steer = ["112", "911"]
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
[telemetry]
metrics = "127.0.0.1:{metrics}"
"""

WIDTH: Final = 120
"""Columns that the ladders and the table take, also where the output is no terminal."""
HOME_VLR: Final = "46709000001"
FOREIGN_VLR: Final = "491710000001"
ALICE: Final = Subscriber(
    "11234567", authorized=True, aor="sip:+11234567@voip.example", forwarding=True, when=When.ROAMING
)
BOB: Final = Subscriber("46701234567", authorized=True, aor="sip:bob@voip.example", forwarding=True)
DIALLED: Final = Scenario(b_number="0011234567", b_nature=NatureOfAddress.UNKNOWN, vlr=FOREIGN_VLR)


class Card(Struct, frozen=True):
    """One call of the demo.

    Attributes:
        title: what it shows.
        record: what the store has to say before it.
        scenario: the call.
        expected: the answer.
        reason: why.
    """

    title: str
    record: Subscriber
    scenario: Scenario
    expected: Expectation
    reason: Reason


def _continue(title: str, record: Subscriber, scenario: Scenario, reason: Reason) -> Card:
    return Card(title, record, scenario, Expectation(action=Action.CONTINUE, ended=True), reason)


def _connect(title: str, record: Subscriber, scenario: Scenario, number: str, reason: Reason) -> Card:
    expected = Expectation(action=Action.CONNECT, number=number, ended=True)
    return Card(title, record, scenario, expected, reason)


CARDS: Final = (
    _connect(
        "Alice roams: to her VoIP service",
        ALICE,
        DIALLED,
        "990011234567",
        Reason.FORWARDED_ROAMING,
    ),
    _continue("Alice is at home", ALICE, replace(DIALLED, vlr=HOME_VLR), Reason.AT_HOME),
    _continue(
        "Alice switched forwarding off", replace(ALICE, forwarding=False), DIALLED, Reason.FORWARDING_DISABLED
    ),
    _continue("Alice's app is not registered", replace(ALICE, aor=None), DIALLED, Reason.NOT_REGISTERED),
    _continue(
        "The operator withdrew Alice",
        replace(ALICE, authorized=False),
        DIALLED,
        Reason.NOT_AUTHORIZED,
    ),
    _continue(
        "Somebody else is called", ALICE, replace(DIALLED, b_number="0011234568"), Reason.UNKNOWN_SUBSCRIBER
    ),
    _connect(
        "CAP v3, O-CSI: Bob is dialled",
        BOB,
        Scenario(
            version=3,
            trigger=Trigger.ORIGINATING,
            b_number="0701234567",
            b_nature=NatureOfAddress.UNKNOWN,
        ),
        "990701234567",
        Reason.FORWARDED_ALWAYS,
    ),
    _connect(
        "CAP v4: forwarded to Bob",
        BOB,
        Scenario(version=4, trigger=Trigger.FORWARDED, b_number=BOB.msisdn),
        f"99{BOB.msisdn}",
        Reason.FORWARDED_ALWAYS,
    ),
    _continue(
        "An emergency call",
        ALICE,
        Scenario(trigger=Trigger.ORIGINATING, b_number="112", b_nature=NatureOfAddress.UNKNOWN),
        Reason.NEVER_STEER,
    ),
    _continue(
        "Marked already: no loop",
        ALICE,
        replace(DIALLED, b_number="990011234567"),
        Reason.ALREADY_MARKED,
    ),
    Card(
        "A service key nobody serves",
        ALICE,
        replace(DIALLED, service_key=999),
        Expectation(action=Action.ERROR, code=ErrorCode.MISSING_CUSTOMER_RECORD, ended=True),
        Reason.UNKNOWN_SERVICE_KEY,
    ),
)


class _Decisions(Reporter):
    """Keeps the decision of the latest call, and what went wrong in a service."""

    def __init__(self) -> None:
        self.bugs: list[str] = []

    def service_bug(self, service: str, error: Exception) -> None:
        """See `Reporter`."""
        self.bugs.append(f"{service}: {error!r}")


class _Latest:
    """The latest decision; an `scp.engine.engine.AnswerObserver`."""

    def __init__(self) -> None:
        self.decision: Decision | None = None

    def forget(self) -> None:
        """Be ready for the next call."""
        self.decision = None

    def answered(
        self, dialogue: Dialogue, service: str, idp: InitialDPArg | None, decision: Decision, seconds: float
    ) -> None:
        """Keep it."""
        del dialogue, service, idp, seconds
        self.decision = decision


def run(*, keep: bool, console: Console | None = None) -> bool:
    """Run the demo; True if every answer was the expected one. With ``keep`` it stays until interrupted."""
    console = console or Console(highlight=False)
    console.width = max(console.width, WIDTH)
    return asyncio.run(_run(console, keep=keep))


async def _run(console: Console, *, keep: bool) -> bool:
    m3ua, metrics_port = _free_ports(2)
    config = loads(CONFIG.format(m3ua=m3ua, metrics=metrics_port))
    metrics = metrics_for(config, sorted(config.services))
    reporter, latest = _Decisions(), _Latest()
    node = Node(config, SystemRandom(), metrics, reporter, entry_points=())
    page = MetricsServer("127.0.0.1", metrics_port, (metrics,))
    await page.start()
    await node.start(latest)
    console.print(f"A node of camel-scp listens for M3UA on 127.0.0.1:{m3ua} and an MSC connects to it.")
    outcomes: list[tuple[Card, CallResult, bool]] = []
    try:
        outcomes.extend([await _play(card, node, latest, m3ua, console) for card in CARDS])
        _summary(console, outcomes)
        for bug in reporter.bugs:
            console.print(f"a service failed: {bug}")
        if keep:
            console.print(f"\nhttp://127.0.0.1:{metrics_port}/metrics stays up; Ctrl-C ends it.")
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    finally:
        await node.stop()
        await page.close()
    return len(outcomes) == len(CARDS) and all(passed for _, _, passed in outcomes) and not reporter.bugs


async def _play(
    card: Card, node: Node, latest: _Latest, port: int, console: Console
) -> tuple[Card, CallResult, bool]:
    """Make one call and show it."""
    await _provision(node, card.record)
    latest.forget()
    (result,) = await run_calls(
        [PlannedCall(card.scenario, card.expected)],
        network=Network(),
        endpoint=Endpoint(port=port),
        random=SystemRandom(),
    )
    decision = latest.decision
    passed = result.passed and decision is not None and decision.reason is card.reason
    console.print()
    console.print(Rule(card.title, align="left"))
    console.print(ladder(result), markup=False)
    if decision is not None:
        console.print(f"{'why':>12}  {decision.reason}: {explain(decision.reason)}")
    return card, result, passed


async def _provision(node: Node, record: Subscriber) -> None:
    """Have the store say what the card wants."""
    current = await node.store.get(record.msisdn)
    await node.store.put(replace(record, version=0 if current is None else current.version))


def _summary(console: Console, outcomes: list[tuple[Card, CallResult, bool]]) -> None:
    table = Table(title="\nCalls", title_justify="left", box=box.SIMPLE, pad_edge=False)
    for column in ("call", "B-number", "CAP", "answer", "number", "reason", "ms", ""):
        table.add_column(column, justify="right" if column == "ms" else "left", no_wrap=True)
    for card, result, passed in outcomes:
        answer = result.answer
        table.add_row(
            card.title,
            card.scenario.b_number,
            f"v{card.scenario.version}",
            str(answer.action),
            answer.number,
            str(card.reason),
            f"{answer.seconds * 1000:.1f}",
            "ok" if passed else "WRONG",
        )
    console.print(table)


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
