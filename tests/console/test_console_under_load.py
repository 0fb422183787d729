"""Each page while switches call: what it shows is what the API said, and what tshark reads on the wire."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import pytest
from console_node import TOKENS, Served, provision, running_node
from console_tab import NEEDS_BROWSER, Tab, serious
from wire import Wire

from oracles import redis_lab, tshark
from oracles.servers import free_tcp_port
from oracles.sigtran_pcap import Frame, pcap
from oracles.waiting import PATIENCE, wait_until

pytestmark = [NEEDS_BROWSER, pytest.mark.skipif(bool(tshark.available()), reason=tshark.available())]

SUBSCRIBER, STRANGER, LOST = "0011234567", "0046709999999", "0046701111111"
"""Called numbers: one that is steered, one that is not known, one whose calls no service takes."""
SECOND_PEER = """
[[m3ua.peers]]
name = "msc-b"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {port}
"""
DATA = b"\x01\x01"
"""Message class and type of M3UA's DATA (RFC 4666 §3.3.1)."""
BAD_CLASS = bytes.fromhex("0100090900000008")
"""An M3UA message of no class that there is (RFC 4666 §3.1.3)."""
DROPPED = """octets => { const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(octets)], "wire.pcap")); return dropped; }"""
"""Makes what a file manager drops on a page."""
ANSWERS = {"20": "connect", "31": "continue"}
"""Local codes of operations that answer (TS 29.078 §5.1), by tshark's ``camel.local``."""


class Load(NamedTuple):
    """The wires of two switches that call: the first's calls are served, the second's have a key that no service has."""

    served: Wire
    lost: Wire

    @contextlib.contextmanager
    def held(self, node: Served) -> Iterator[None]:
        """Have nobody call for a while, and everything answered that was asked."""
        with self.served.held(), self.lost.held():
            begun = sum(each.asked is not None for each in read(self.frames()))
            wait_until(lambda: total(node) == begun)
            wait_until(lambda: sum(bool(each.answer) for each in read(self.frames())) == begun)
            yield

    def frames(self) -> list[Frame]:
        """Everything that went over both, the first's before the second's."""
        return [each for wire in self for each in wire.frames if each.octets[2:4] == DATA]


class Read(NamedTuple):
    """What tshark reads in a message: whether it asks (calling, called number), what it answers, with which number."""

    asked: tuple[str, str] | None
    answer: str
    number: str
    operations: tuple[str, ...]


_READ: dict[bytes, Read] = {}


def read(frames: Sequence[Frame]) -> list[Read]:
    """Have tshark read messages of CAP; each once."""
    new = [each for each in frames if each.octets not in _READ]
    for each in tshark.dissect(new) if new else ():
        operations = tuple(each.all("camel.local"))
        answers = [ANSWERS[code] for code in operations if code in ANSWERS]
        answer = (
            "error" if each.all("camel.error_code_local") else "".join(answers) if each.frame.sent else ""
        )
        called = each.first("isup.called")
        asked = (each.first("e164.calling_party_number.digits"), called) if "0" in operations else None
        _READ[each.frame.octets] = Read(asked, answer, called if answer == "connect" else "", operations)
    return [_READ[each.octets] for each in frames]


@pytest.fixture(scope="module", name="running")
def node_that_two_switches_call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Load]]:
    """A node with the calls of two switches, until the tests are over."""
    folder, second = tmp_path_factory.mktemp("loaded"), free_tcp_port()
    more = SECOND_PEER.format(port=second)
    with redis_lab.single(folder) as redis, running_node(folder, redis.url, more=more) as served:
        provision(served)
        load = Load(Wire(served.m3ua), Wire(second))
        endless = ("--load", "--duration", "36000", "--vlr", "491710000001", "--timeout", "60")
        one = served._replace(m3ua=load.served.port).call(
            "--b", STRANGER, "--rate", "24", *endless, background=True
        )
        other = served._replace(m3ua=load.lost.port).call(
            *("--b", LOST, "--a", "46700000008", "--service-key", "999", "--rate", "4"),
            *("--point-code", "0-23-4", "--gt", "46709000003", *endless),
            background=True,
        )
        try:
            wait_until(
                lambda: {"connect", "continue", "error"} <= {each.answer for each in read(load.frames())}
            )
            yield served, load
        finally:
            for msc in (one, other):
                msc.kill()
                msc.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def node(running: tuple[Served, Load]) -> Served:
    """The node."""
    return running[0]


@pytest.fixture(scope="module")
def load(running: tuple[Served, Load]) -> Load:
    """What is said on the wires."""
    return running[1]


def total(node: Served) -> int:
    """How many calls the node has answered, by its API."""
    return sum(counted(node).values())


def counted(node: Served) -> dict[tuple[str, str], int]:
    """Calls by answer and reason, by the API."""
    return {
        (each["action"], each["reason"]): each["count"] for each in node.ask("GET", "/v1/overview")["calls"]
    }


def shown_counts(page: Any) -> dict[tuple[str, str], int]:
    """Calls by answer and reason, by the overview."""
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    rows = page.eval_on_selector_all("[aria-label='Calls by answer and reason'] tbody tr", script)
    return {(row[0].split()[0], row[1]): int(row[4].replace(",", "")) for row in rows}


def test_the_overview_counts_what_the_api_and_the_wire_do(phone: Tab, node: Served, load: Load) -> None:
    page = phone.page
    page.wait_for_selector(".network .box:has-text('takes calls')")
    for name in ("msc", "msc-b"):
        page.wait_for_selector(f".peers .box.pass:has(b:text-is('{name}')):has-text('ASP active')")
    before = counted(node)
    wait_until(lambda: all(shown_counts(page).get(key, 0) >= count for key, count in before.items()))
    shown = shown_counts(page)
    assert all(count <= counted(node)[key] for key, count in shown.items())
    page.wait_for_selector(".wrong li:has-text('calls a second fail'):has-text('unknown-service-key')")
    assert serious(page) == []
    phone.picture("overview")
    with load.held(node):
        now = counted(node)
        wait_until(lambda: shown_counts(page) == now)
        answers = Counter(each.answer for each in read(load.frames()) if each.answer)
    by_answer: Counter[str] = Counter()
    for (action, _), count in now.items():
        by_answer[action] += count
    assert by_answer == answers
    page.click(".wrong li:has-text('unknown-service-key') a")
    page.wait_for_selector(".calls tbody tr.failed")
    wait_until(lambda: {row[3] for row in rows_of(page)} == {LOST, SUBSCRIBER})


def rows_of(page: Any) -> list[list[str]]:
    """The calls that a table shows: id, time, from, to, answer, reason, milliseconds."""
    return page.eval_on_selector_all(
        ".calls tbody tr",
        "rows => rows.map(row => [row.querySelector('a').hash.split('/').pop(), ...[...row.cells].map(cell => cell.innerText.trim())])",
    )


def same_as_api_and_wire(row: Sequence[str], node: Served, wire: Wire) -> dict[str, Any]:
    """Compare a call's row with the API and with what tshark reads of its messages; return the API's detail."""
    call_id, _, calling, called, answer, reason, ms = row
    wait_until(lambda: node.ask("GET", f"/v1/attempts/{call_id}")["call"]["over"])
    detail = node.ask("GET", f"/v1/attempts/{call_id}")
    call, attempt = detail["call"], detail["call"]["attempt"]
    assert (calling, called) == (attempt["a_number"], attempt["b_number"])
    assert answer == f"{attempt['action']} {attempt.get('number') or ''}".strip()
    assert reason.split()[0] == attempt["reason"]
    assert (reason.split()[1:] == ["failed"]) == call["failed"]
    assert abs(float(ms.removesuffix(" ms")) - call["answer_ms"]) < 0.051
    otid = bytes.fromhex(detail["messages"][0]["tcap"]["otid"])
    wait_until(lambda: len(wire.dialogue(otid)) >= len(detail["messages"]))
    frames = wire.dialogue(otid)
    assert [(each["sent"], each["octets"]) for each in detail["messages"]] == [
        (each.sent, each.octets.hex()) for each in frames
    ]
    first, *rest = read(frames)
    answers = next(each for each in rest if each.answer)
    assert first.asked == (calling, called)
    assert f"{answers.answer} {answers.number}".strip() == answer
    return detail


def test_calls_are_shown_as_api_and_wire_have_them(phone: Tab, node: Served, load: Load) -> None:
    page = phone.page
    page.click("nav >> text=Calls")
    for reason, wire in (
        ("forwarded-roaming", load.served),
        ("unknown-subscriber", load.served),
        ("unknown-service-key", load.lost),
    ):
        page.wait_for_selector(f"option[value={reason}]", state="attached")
        page.select_option("label:has-text('Reason') select", reason)
        page.wait_for_function(
            "reason => { const rows = [...document.querySelectorAll('.calls tbody tr')];"
            " return rows.length > 3 && rows.every(row => row.cells[4].innerText.startsWith(reason)); }",
            arg=reason,
        )
        page.click("text=Pause")
        for row in rows_of(page)[:3]:
            same_as_api_and_wire(row, node, wire)
        page.click("text=Resume")
    page.select_option("label:has-text('Reason') select", "")
    phone.picture("calls")
    assert serious(page) == []


def octets_of(page: Any, rung: int) -> str:
    """Open a message of a ladder; return its octets as they are shown."""
    page.click(f".arrow > summary >> nth={rung}")
    shown = page.inner_text(f".arrow >> nth={rung} >> [aria-label=Octets]")
    page.click(f".arrow > summary >> nth={rung}")
    return "".join(line.partition(" ")[2].replace(" ", "") for line in shown.splitlines())


def test_a_failed_call_is_found_opened_and_explained_in_three_clicks_from_its_number(
    tab: Tab, node: Served, load: Load
) -> None:
    page = tab.page
    page.click("nav >> text=Calls")  # one
    page.click("input[type=search]")  # two
    page.keyboard.type(LOST.removeprefix("00"))
    page.wait_for_function(
        "number => { const rows = [...document.querySelectorAll('.calls tbody tr')];"
        " return rows.length && rows.every(row => row.cells[2].innerText === number); }",
        arg=LOST,
    )
    row = rows_of(page)[0]
    page.click(f".calls a[href='#/calls/{row[0]}']")  # three
    page.wait_for_selector("h1:has-text('error, unknown-service-key')")
    page.wait_for_selector("p:has(.pill:text-is('failed'))")
    detail = same_as_api_and_wire(row, node, load.lost)
    assert detail["call"]["explanation"] in page.inner_text("main")
    page.wait_for_selector(
        ".arrow >> nth=1 >> text=missingCustomerRecord"
    )  # tshark: camel.error_code_local 6
    page.wait_for_selector("p:has-text('the service of key 999')")
    told = page.inner_text(".arrow >> nth=0")
    assert LOST in told
    assert detail["call"]["attempt"]["a_number"] in told
    for at, message in enumerate(detail["messages"]):
        assert octets_of(page, at) == message["octets"]
    assert serious(page) == []


def test_a_steered_call_is_a_ladder_of_what_the_wire_carried(phone: Tab, node: Served, load: Load) -> None:
    page = phone.page
    page.click("nav >> text=Calls")
    page.fill("input[type=search]", "990011234567")
    page.wait_for_selector(".calls tbody tr")
    page.click("text=Pause")  # else the row may leave the table before it is clicked
    row = rows_of(page)[0]
    page.click(f".calls a[href='#/calls/{row[0]}']")
    detail = same_as_api_and_wire(row, node, load.served)
    page.wait_for_function(
        "count => document.querySelectorAll('.arrow').length === count", arg=len(detail["messages"])
    )
    for at, message in enumerate(detail["messages"]):
        assert octets_of(page, at) == message["octets"]
    now = {"b_number": SUBSCRIBER, "trigger": "terminating", "vlr": "491710000001", "service_key": 100}
    page.wait_for_selector("text=The same as when the call came")
    assert steps_of(page) == path_of(node.ask("POST", "/v1/decisions", now))


def steps_of(page: Any) -> list[str]:
    """The conditions of a decision as they are drawn: value and outcome, and where it ends."""
    script = "found => found.map(each => each.className === 'end' ? each.innerText : [...each.querySelectorAll('span')].map(span => span.innerText).join(' '))"
    return page.eval_on_selector_all(".steps li", script)


def path_of(run: dict[str, Any]) -> list[str]:
    """The same, by the API."""
    end = f"{run['action']} {run['number'] or ''}".strip() + f", {run['reason']}: {run['explanation']}"
    return [f"{each['value']} {each['outcome']} {each['condition']}" for each in run["path"]] + [end]


def test_a_subscriber_is_shown_and_changed_while_calls_come(phone: Tab, node: Served, load: Load) -> None:
    page = phone.page
    page.goto(f"{node.url}/console#/subscriber?number=11234567")
    record = node.ask("GET", "/v1/subscribers/11234567")
    page.wait_for_selector(f"dd:has-text('{record['aor']}')")
    page.wait_for_selector("dd:has-text('on, roaming')")
    page.fill("label:has-text('VLR') input", "491710000001")
    asked = {"b_number": "+11234567", "trigger": "terminating", "vlr": "491710000001"}
    for button, answer in (("off", "continue"), ("on", "connect")):
        page.click(f"text=Switch forwarding {button}")
        page.wait_for_selector(f"text=Switch forwarding {'on' if button == 'off' else 'off'}")
        assert node.ask("GET", "/v1/forwarding/11234567")["enabled"] is (button == "on")
        page.click("text=Decide it")
        run = node.ask("POST", "/v1/decisions", asked)
        page.wait_for_selector(f".steps .end:has-text('{run['reason']}')")
        assert steps_of(page) == path_of(run)
        assert run["action"] == answer
        page.wait_for_selector(f".calls tbody tr:first-child td:has-text('{run['reason']}')")
        row = next(each for each in rows_of(page) if each[5] == run["reason"])
        same_as_api_and_wire(row, node, load.served)
        assert row[3] == SUBSCRIBER
    page.wait_for_selector("[aria-label='Recent changes'] tbody tr:first-child td:has-text('forwarding set')")
    phone.picture("subscriber")
    assert serious(page) == []


def test_a_capture_of_the_wire_is_decoded_and_replayed_while_calls_come(
    phone: Tab, node: Served, load: Load
) -> None:
    page = phone.page
    with load.held(node):
        frames = load.frames()[-60:]
    capture, _ = pcap(frames)
    page.click("nav >> text=Captures")
    page.dispatch_event(".drop", "drop", {"dataTransfer": page.evaluate_handle(DROPPED, list(capture))})
    page.click("button:text-is('Decode')")
    page.wait_for_selector(f"p:has-text('{len(frames)} of {len(frames)}')")
    sent = Request(
        f"{node.url}/v1/captures/decoded",
        data=capture,
        headers={
            "Authorization": f"Bearer {TOKENS['operator']}",
            "Content-Type": "application/octet-stream",
        },
    )
    with urlopen(sent, timeout=PATIENCE) as response:
        text = response.read().decode()
    assert list(re.findall(r'"octets":"([0-9a-f]+)"', text)) == [each.octets.hex() for each in frames]
    summaries = page.eval_on_selector_all(
        "main details > summary", "found => found.map(each => each.innerText)"
    )
    for message, summary in zip(read(frames), summaries, strict=True):
        assert ("initialDP" in summary) == (message.asked is not None)
        assert message.answer == "error" or message.answer in summary
    page.click("summary:has-text('begin: initialDP') >> nth=0")
    page.click(".fields button:has-text('calledPartyNumber') >> nth=0")
    phone.picture("captures")
    assert serious(page) == []
    page.click("summary:has-text('begin: initialDP') >> nth=0")
    page.wait_for_selector("[aria-label=Octets]", state="detached")
    for at in (0, len(frames) - 1):
        page.click(f"main details > summary >> nth={at}")
        page.wait_for_selector("[aria-label=Octets]")
        shown = page.inner_text("[aria-label=Octets]")
        page.click(f"main details > summary >> nth={at}")
        page.wait_for_selector("[aria-label=Octets]", state="detached")
        assert (
            "".join(line.partition(" ")[2].replace(" ", "") for line in shown.splitlines())
            == frames[at].octets.hex()
        )
    page.click("text=Replay against this node")
    page.wait_for_selector("details.call")
    replayed = page.eval_on_selector_all(
        "details.call > summary", "found => found.map(each => each.innerText)"
    )
    begun = [each.asked for each in read(frames) if each.asked is not None]
    assert len(replayed) == len(begun)
    assert all("same answer" in each for each in replayed), replayed
    assert Counter(re.search(r"(\d+) → (\d+)", each)[0] for each in replayed) == Counter(
        f"{calling} → {called}" for calling, called in begun
    )


def checks_of(page: Any) -> list[list[str]]:
    """What the page of health says of each check: its name and its state, in order."""
    return sorted(
        page.eval_on_selector_all(
            "[aria-label=Checks] tbody tr",
            "rows => rows.map(row => [0, 1].map(at => row.cells[at].firstChild.textContent.trim()))",
        )
    )


def checks_told(node: Served) -> list[list[str]]:
    """The same, by the API."""
    states = {"pass": "in order", "warn": "warning", "fail": "does not work"}
    groups = node.ask("GET", "/v1/overview")["checks"].values()
    return sorted([each["componentId"], states[each["status"]]] for group in groups for each in group)


def test_health_shows_what_was_discarded_while_calls_come(phone: Tab, node: Served, load: Load) -> None:
    page = phone.page
    for _ in range(3):
        load.served.inject(BAD_CLASS)
    wait_until(
        lambda: [each for each in node.ask("GET", "/v1/discards")["discards"] if each["layer"] == "m3ua"]
    )
    page.click("nav >> text=Health")
    page.wait_for_selector("h2:has-text('Discarded messages')")
    said = node.ask("GET", "/v1/discards")["discards"]
    for each in said:
        page.wait_for_selector(f"summary:has-text('{each['layer']}: {each['reason']}')")
    (bad,) = [each for each in said if each["layer"] == "m3ua"]
    page.click(f"summary:has-text('{bad['reason']}')")
    page.click("details[open] .sample summary >> nth=0")
    shown = page.inner_text(".sample [aria-label=Octets]")
    assert shown.split()[1:9] == re.findall("..", BAD_CLASS.hex())
    wait_until(lambda: checks_of(page) == checks_told(node))
    alerts = {each["name"] for each in node.ask("GET", "/v1/alerts")["alerts"]}
    for name in alerts:
        page.wait_for_selector(f"summary b:text-is('{name}')")
    assert node.ask("GET", "/v1/configuration")["at_reload"] == []
    page.wait_for_selector("p:has-text('What runs is what')")
    phone.picture("health")
    assert serious(page) == []
