"""``camel-scp demo``: a node and a simulated MSC in one process, over real sockets.

The subscribers are provisioned through the HTTP API, as an operator and a VoIP service do it. Every call has
the answer and the reason that are expected of it, and the API's dry run has to say the same; else it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from random import SystemRandom
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace
from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from scp import client
from scp.app import demo_voip, demo_voip_service
from scp.app.demo_charged import BALANCE, CALLER, SETTINGS, TARIFFS, Till
from scp.app.event_log import EventLog
from scp.app.metrics import metrics_for
from scp.app.node import Node
from scp.config import loads
from scp.domain.call import Trigger
from scp.domain.reason import Reason, explain
from scp.simulator.endpoint import Endpoint
from scp.simulator.expect import Action, Expectation
from scp.simulator.ladder import ladder_of
from scp.simulator.msc import PlannedCall, run_calls
from scp.simulator.network import Network
from scp.simulator.scenario import Attempt, Ending, Scenario
from scp.telemetry.logs import configure
from scp.telemetry.null import NullTelemetry
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
{controlled}
[api]
listen = "127.0.0.1:{api}"
[[api.keys]]
name = "demo"
sha256 = "{sha256}"
scopes = ["authorization", "registration", "forwarding", "read", "charging", "passes", "trace", "calls"]
[telemetry]
metrics = "127.0.0.1:{metrics}"
log_level = "warning"
"""

WIDTH: Final = 120
"""Columns that the ladders and the table take, also where the output is no terminal."""
SERVED: Final = frozenset({100})
HOME_VLR: Final = "46709000001"
FOREIGN_VLR: Final = "491710000001"
ALICE: Final = "11234567"
BOB: Final = "46701234567"
ALICE_ROAMS: Final = (
    client.authorize(ALICE),
    client.register(ALICE, "sip:+11234567@voip.example"),
    client.set_forwarding(ALICE, enabled=True, when="roaming"),
)
BOB_ALWAYS: Final = (
    client.authorize(BOB),
    client.register(BOB, "sip:bob@voip.example"),
    client.set_forwarding(BOB, enabled=True),
)
DIALLED: Final = Scenario(b_number="0011234567", b_nature=NatureOfAddress.UNKNOWN, vlr=FOREIGN_VLR)


class Card(Struct, frozen=True):
    """One call of the demo.

    Attributes:
        title: what it shows.
        provision: what the operator and the VoIP service say before it.
        scenario: the call.
        expected: the answer.
        reason: why.
    """

    title: str
    provision: tuple[client.Call[Any], ...]
    scenario: Scenario
    expected: Expectation
    reason: Reason


def _continue(
    title: str, provision: tuple[client.Call[Any], ...], scenario: Scenario, reason: Reason
) -> Card:
    return Card(title, provision, scenario, Expectation(action=Action.CONTINUE, ended=True), reason)


def _connect(
    title: str, provision: tuple[client.Call[Any], ...], scenario: Scenario, number: str, reason: Reason
) -> Card:
    expected = Expectation(action=Action.CONNECT, number=number, ended=True)
    return Card(title, provision, scenario, expected, reason)


CARDS: Final = (
    _connect(
        "Alice roams: to her VoIP service", ALICE_ROAMS, DIALLED, "990011234567", Reason.FORWARDED_ROAMING
    ),
    _continue("Alice is at home", (), replace(DIALLED, vlr=HOME_VLR), Reason.AT_HOME),
    _continue(
        "Alice switched forwarding off",
        (client.set_forwarding(ALICE, enabled=False, when="roaming"),),
        DIALLED,
        Reason.FORWARDING_DISABLED,
    ),
    _continue("Alice's app is not registered", (client.deregister(ALICE),), DIALLED, Reason.NOT_REGISTERED),
    _continue("The operator withdrew Alice", (client.withdraw(ALICE),), DIALLED, Reason.NOT_AUTHORIZED),
    _continue(
        "Somebody else is called", (), replace(DIALLED, b_number="0011234568"), Reason.UNKNOWN_SUBSCRIBER
    ),
    _connect(
        "CAP v3, O-CSI: Bob is dialled",
        BOB_ALWAYS,
        Scenario(
            version=3, trigger=Trigger.ORIGINATING, b_number="0701234567", b_nature=NatureOfAddress.UNKNOWN
        ),
        "990701234567",
        Reason.FORWARDED_ALWAYS,
    ),
    _connect(
        "CAP v4: forwarded to Bob",
        (),
        Scenario(version=4, trigger=Trigger.FORWARDED, b_number=BOB),
        f"99{BOB}",
        Reason.FORWARDED_ALWAYS,
    ),
    _continue(
        "An emergency call",
        (),
        Scenario(trigger=Trigger.ORIGINATING, b_number="112", b_nature=NatureOfAddress.UNKNOWN),
        Reason.NEVER_STEER,
    ),
    _continue(
        "Marked already: no loop", (), replace(DIALLED, b_number="990011234567"), Reason.ALREADY_MARKED
    ),
    Card(
        "A service key nobody serves",
        (),
        replace(DIALLED, service_key=999),
        Expectation(action=Action.ERROR, code=ErrorCode.MISSING_CUSTOMER_RECORD, ended=True),
        Reason.UNKNOWN_SERVICE_KEY,
    ),
)


CONTROLLED: Final = (
    Card(
        "Rescued: VoIP is busy",
        ALICE_ROAMS,
        replace(DIALLED, attempts=(Attempt(ending=Ending.BUSY), Attempt(ring=0.3, talk=0.5))),
        Expectation(action=Action.CONNECT, number="990011234567", ended=False),
        Reason.FORWARDED_ROAMING,
    ),
    Card(
        "Charged: the money ends it",
        (client.credit(CALLER, "demo", BALANCE),),
        Scenario(
            trigger=Trigger.ORIGINATING,
            a_number=CALLER,
            b_number="46701111111",
            attempts=(Attempt(ring=0.3, talk=60.0),),
        ),
        Expectation(action=Action.CONTINUE, ended=False, charged=True),
        Reason.UNKNOWN_SUBSCRIBER,
    ),
)
"""The calls of a second node, which stays in control of them."""


class _Decisions(EventLog):
    """Keeps the decision of the latest call, and what went wrong in a service."""

    def __init__(self) -> None:
        self.bugs: list[str] = []

    def service_bug(self, service: str, error: Exception) -> None:
        """See `EventLog`."""
        self.bugs.append(f"{service}: {error!r}")


class _Latest:
    """The latest decision; an `scp.engine.observers.AnswerObserver`."""

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
    m3ua, api_port, metrics_port = _free_ports(3)
    token = token_urlsafe()
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    config = loads(CONFIG.format(m3ua=m3ua, api=api_port, metrics=metrics_port, sha256=sha256, controlled=""))
    configure(config.telemetry.log_level)
    metrics = metrics_for(config, sorted(config.services))
    event_log, latest = _Decisions(), _Latest()
    node = Node(config, SystemRandom(), metrics, event_log, entry_points=())
    page = MetricsServer("127.0.0.1", metrics_port, (metrics,))
    await page.start()
    await node.start(latest)
    console.print(
        f"A node of camel-scp (gsmSCF) listens for M3UA on 127.0.0.1:{m3ua}; an MSC connects to it."
    )
    api = client.AsyncClient(f"http://127.0.0.1:{api_port}", token)
    outcomes: list[tuple[Card, CallResult, bool]] = []
    rang = False
    try:
        outcomes.extend([await _play(card, api, latest, m3ua, console) for card in CARDS])
        outcomes.extend(await _in_control(event_log, console))
        _summary(console, outcomes)
        rang = await _on_the_phone(console)
        for bug in event_log.bugs:
            console.print(f"a service failed: {bug}")
        if keep:
            console.print(
                f"\nhttp://127.0.0.1:{metrics_port}/metrics and http://127.0.0.1:{api_port}/docs stay up."
            )
            console.print(f"The API's bearer token is {token}; Ctrl-C ends it all.")
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    finally:
        await api.close()
        await node.stop()
        await page.close()
    return (
        rang
        and len(outcomes) == len(CARDS) + len(CONTROLLED)
        and all(passed for _, _, passed in outcomes)
        and not event_log.bugs
    )


async def _on_the_phone(console: Console) -> bool:
    """Play the call that rings SIP phones, or say what it needs."""
    console.print()
    console.print(Rule("The whole way: Alice roams, her tablet answers over the internet", align="left"))
    lacks = demo_voip_service.missing()
    if lacks:
        console.print(lacks, soft_wrap=True)
        return True
    try:
        return await demo_voip.show(CONFIG, console)
    except (OSError, TimeoutError) as error:
        console.print(f"it did not ring: {str(error) or 'no answer in time'}", markup=False)
        return False


def keep_voip() -> None:
    """Run the VoIP service with two accounts until interrupted; raises OSError if it can't."""
    lacks = demo_voip_service.missing()
    if lacks:
        raise OSError(lacks)
    configure("warning")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(demo_voip.keep(CONFIG, Console(highlight=False)))


async def _in_control(event_log: EventLog, console: Console) -> list[tuple[Card, CallResult, bool]]:
    """Play the calls that stay under control, with the money beside them; the node is one of their own."""
    m3ua, api_port, metrics_port = _free_ports(3)
    token = token_urlsafe()
    sha256 = hashlib.sha256(token.encode()).hexdigest()
    more = SETTINGS + TARIFFS
    config = loads(
        CONFIG.format(m3ua=m3ua, api=api_port, metrics=metrics_port, sha256=sha256, controlled=more)
    )
    node = Node(config, SystemRandom(), NullTelemetry(), event_log, entry_points=())
    assert node.charging.quotas is not None
    till = Till(node.charging.quotas)
    node.charging.quotas = till  # type: ignore[assignment]  # it stands before the other
    latest = _Latest()
    await node.start(latest)
    api = client.AsyncClient(f"http://127.0.0.1:{api_port}", token)
    try:
        return [await _play(card, api, latest, m3ua, console, till) for card in CONTROLLED]
    finally:
        await api.close()
        await node.stop()


async def _play(
    card: Card,
    api: client.AsyncClient,
    latest: _Latest,
    port: int,
    console: Console,
    till: Till | None = None,
) -> tuple[Card, CallResult, bool]:
    """Provision, make one call, show it, and ask the dry run what it would have done."""
    console.print()
    console.print(Rule(card.title, align="left"))
    for call in card.provision:
        await api.send(call)
        console.print(f"{'API':>12}  {call.method} {call.path} {(call.body or b'').decode()}", markup=False)
    latest.forget()
    (result,) = await run_calls(
        [PlannedCall(card.scenario, card.expected)],
        network=Network(),
        endpoint=Endpoint(port=port),
        random=SystemRandom(),
    )
    if till is not None:
        await till.settled.wait()
    decision = latest.decision
    passed = result.passed and decision is not None and decision.reason is card.reason
    notes = [(at - result.began, text) for at, text in till.notes if at >= result.began] if till else []
    console.print(ladder_of(result, notes=notes), markup=False, soft_wrap=True)
    if decision is not None:
        console.print(f"{'why':>12}  {decision.reason}: {explain(decision.reason)}")
        if await _dry_run_differs(card, api):
            console.print(f"{'':>12}  the API's dry run says otherwise")
            passed = False
    return card, result, passed


async def _dry_run_differs(card: Card, api: client.AsyncClient) -> bool:
    """Whether ``POST /v1/decisions`` decides otherwise than the call was answered (of a served key)."""
    scenario = card.scenario
    if scenario.service_key not in SERVED:
        return False
    text = (
        f"+{scenario.b_number}" if scenario.b_nature == NatureOfAddress.INTERNATIONAL else scenario.b_number
    )
    said = await api.send(client.decide(text, trigger=scenario.trigger.value, vlr=scenario.vlr))
    return said.reason != card.reason or (said.number or "") != card.expected.number


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
    """Return free ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
