"""Two Kamailios, two brains, one Redis: whichever is killed, calls go on, new ones get through, books are right.

CAMEL_SCP_KILLS sets how often each of the five is killed; `make voip-kills` has it run for a minute.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pair_lab import Pair
from test_text_messages import body, sends
from voip_lab import PATIENCE, Lab, free_tcp_port, unavailable

from oracles import redis_lab
from oracles.waiting import wait_until
from scp import client
from scp.voip.directory import Device, Identity
from scp.voip.store import Store

MISSING = unavailable() or ("" if shutil.which("redis-server") else "redis-server not installed")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

ALICE, CAROL = "11234567", "46701234568"
ROUNDS = int(os.environ.get("CAMEL_SCP_KILLS", "1"))
RATE = int(os.environ.get("CAMEL_SCP_KILLS_RATE", "10"))
"""Calls a second to each Kamailio."""
BETWEEN = RATE // 2 if ROUNDS == 1 else 5 * RATE
"""Calls that are answered between two deaths."""
CALLS = 5 * ROUNDS * BETWEEN
MANY = 300
ENOUGH = 250
"""Calls under way of which one datagram can't tell."""
PRICE = 60
CREDIT = 1_000_000
LEDGER = """
[charging]
[[charging.tariffs]]
prefix = ""
price = 60
per_seconds = 60
increment_seconds = 1
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("several")
    with redis_lab.single(folder) as redis:
        made = Pair(folder, {ALICE: ["alice-phone"]}, redis, grace=5, decision=1000)
        node = made.labs[0].node
        node.write(LEDGER)
        many = "rate = 100000\nburst = 100000\n[[api.keys]]"  # requests a second: a call takes three
        node.file.write_text(node.file.read_text().replace("[[api.keys]]", many, 1))
        for lab in made.labs:
            lab.extra = "[charging]\nminutes = 1\n"
            lab.write()
        with made.running():
            made.labs[0].api.send(client.authorize(ALICE))
            made.labs[0].api.send(client.credit(ALICE, "payment", CREDIT))
            yield made
        assert [one for lab in made.labs for one in lab.malformed()] == []


def bound_at_both(pair: Pair, device: str, msisdn: str) -> int:
    """Have a device register at the first Kamailio, and wait until the second one knows."""
    port = pair.labs[0].bound(device, msisdn)
    for lab in pair.labs:
        lab.wait_said("bindings", number=msisdn, count=1)
    return port


@pytest.fixture
def phone(pair: Pair) -> Iterator[int]:
    """The port where Alice's phone is called."""
    port = bound_at_both(pair, "alice-phone", ALICE)
    yield port
    pair.labs[0].unbind("alice-phone", ALICE, port)


def test_what_one_brain_writes_the_other_goes_by(pair: Pair) -> None:
    store = Store(pair.redis.url)
    device = Device("carol-phone", "0" * 32, (CAROL,))
    store.put([Identity(CAROL), device])
    wait_until(lambda: all(lab.metric("scp_voip_identities ") == 2 for lab in pair.labs))
    pair.redis.servers[0].kill()
    wait_until(lambda: all(lab.metric("scp_voip_store_up") == 0 for lab in pair.labs))
    pair.redis.servers[0].start()  # it has forgotten all
    wait_until(lambda: all(lab.metric("scp_voip_identities ") == 1 for lab in pair.labs))
    store.close()
    wait_until(lambda: all(lab.metric("scp_voip_store_up") == 1 for lab in pair.labs))  # all has been read


def deaths(pair: Pair) -> Iterator[Callable[[], None]]:
    """Kill each, and have it started again as a supervisor does."""

    def kamailio(lab: Lab) -> Callable[[], None]:
        def die() -> None:
            lab.kill_kamailio()
            lab.start_kamailio()

        return die

    def brain(lab: Lab) -> Callable[[], None]:
        def die() -> None:
            lab.stop_brain(signal.SIGKILL)
            lab.start_brain()

        return die

    def redis() -> None:
        pair.redis.servers[0].kill()
        pair.redis.servers[0].start()

    for _ in range(ROUNDS):
        for lab in pair.labs:
            yield kamailio(lab)
            yield brain(lab)
        yield redis


@pytest.mark.skipif("CAMEL_SCP_KILLS" not in os.environ, reason="made by make voip-kills")
def test_whoever_is_killed_no_call_is_cut_none_refused_and_books_are_right(pair: Pair, phone: int) -> None:
    """Under load a death may meet a message in flight that nobody repeats: a command, not a part of each run."""
    first = pair.labs[0]
    patience = 30 + 2 * CALLS // RATE
    loose = {"patience": patience, "rtcheck": "loose"}  # what comes over another Kamailio has other Vias
    answers = first.device("answers_and_stays", phone, calls=2 * CALLS, pause=50, **loose)
    callers = [
        lab.gateway_calls("990011234567", calls=CALLS, r=str(RATE), pause=1000, **loose) for lab in pair.labs
    ]
    for number, death in enumerate(deaths(pair), 1):
        wait_until(lambda number=number: answers.count("ACK") >= 2 * BETWEEN * (number - 0.8), patience)
        death()
    for each in callers:
        each.ended()  # each call was answered, and ended by its caller: none refused, none cut
    assert "unexpected" not in answers.trouble().lower()
    answers.stop()

    waited = 30 + 60 * (ROUNDS > 1)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(legs(first)) >= 2 * CALLS, waited)
    assert len(legs(first)) == 2 * CALLS, "one record a call, whichever Kamailio and brain had it"
    talked = {one.reservation: one for one in legs(first).values() if one.reservation}
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(charges(first)) >= len(talked), waited)
    paid = {one.reservation: one.charged for one in charges(first)}
    assert len(paid) == len(charges(first)), "charged once"
    assert all(0 < charge <= 10 * PRICE // 60 for charge in paid.values())
    assert paid.keys() == talked.keys(), "each call that had minutes is charged"
    account = first.api.send(client.account(ALICE))
    assert account.balance == CREDIT - sum(paid.values())
    assert pair.troubles() == []


def test_a_kamailio_that_dies_between_a_request_and_its_response_takes_no_call_along(
    pair: Pair, phone: int
) -> None:
    """It dies once the caller has its 100, and once more when the phone has BYE and has not answered it."""
    first = pair.labs[0]
    before, charged = len(legs(first)), len(charges(first))
    answers = first.device("answers_and_stays", phone, pause=50, rtcheck="loose")
    answers.process.send_signal(signal.SIGSTOP)
    calls = first.gateway_calls("990011234567", pause=1000, rtcheck="loose")
    wait_until(lambda: calls.count("SIP/2.0 100"))
    first.kill_kamailio()
    first.start_kamailio()
    answers.process.send_signal(signal.SIGCONT)
    wait_until(lambda: answers.count("ACK"))
    answers.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: udp_waiting(phone))
    first.kill_kamailio()
    answers.process.send_signal(signal.SIGCONT)
    wait_until(lambda: answers.received("BYE") and "\n\nSIP/2.0 200" in answers.messages()[-1])
    first.start_kamailio()
    calls.ended()
    assert "unexpected" not in answers.trouble().lower()
    answers.stop()
    wait_until(lambda: len(legs(first)) > before)
    assert len(legs(first)) == before + 1
    wait_until(lambda: len(charges(first)) > charged)
    (charge,) = charges(first)[charged:]
    assert 0 < charge.charged <= 10 * PRICE // 60
    assert pair.troubles() == []


def test_a_text_message_is_sent_once_by_whichever_brain_and_no_more_after_a_restart(pair: Pair) -> None:
    """Both hear that a device registers; both die before it has answered."""
    first = pair.labs[0]
    port = free_tcp_port()
    sends(first, "one", f"+{ALICE}", own=ALICE).ended()
    takes = first.device("takes_message", port)
    takes.process.send_signal(signal.SIGSTOP)
    first.register("alice-phone", ALICE, port).ended()
    wait_until(lambda: udp_waiting(port))
    for lab in pair.labs:
        lab.stop_brain(signal.SIGKILL)
    takes.process.send_signal(signal.SIGCONT)
    takes.ended()
    for lab in pair.labs:
        lab.start_brain()
    wait_until(lambda: sum(len(lab.said("message answered", code=200)) for lab in pair.labs) == 1)
    takes = first.device("takes_message", port)
    first.register("alice-phone", ALICE, port).ended()
    sends(first, "two", f"+{ALICE}", own=ALICE).ended()
    takes.ended()
    assert body(takes.received("MESSAGE")[0]) == "two"
    wait_until(lambda: sum(len(lab.said("message answered")) for lab in pair.labs) == 2)
    first.unbind("alice-phone", ALICE, port)
    assert pair.troubles() == []


def test_a_kamailio_that_is_started_again_hears_of_all_calls(pair: Pair, phone: int) -> None:
    """Of more than one datagram holds: it has to know a call when its BYE comes this way. No brain has decided these."""
    first, second = pair.labs
    for lab in pair.labs:
        lab.stop_brain()
    patience = 3 * PATIENCE
    loose = {"calls": MANY, "rtcheck": "loose", "patience": patience}
    answers = first.device("answers_and_stays", phone, pause=1, **loose)
    callers = first.gateway_calls("990011234567", r="100", pause=1_000_000, **loose)
    # On a full machine sipp gives one or the other call up: that many are more than one datagram holds, too.
    wait_until(lambda: answers.count("ACK") >= ENOUGH and answers.calls("ACK") >= ENOUGH, patience)
    second.kill_kamailio()
    second.start_kamailio()
    wait_until(lambda: len(calls_known(second)) >= ENOUGH and calls_known(second) == calls_known(first))
    callers.stop()
    answers.stop()
    for lab in pair.labs:
        lab.start_brain()
    assert pair.troubles() == []


def calls_known(lab: Lab) -> set[str]:
    """The Call-IDs of calls under way that a Kamailio knows of, its own and others'."""
    return {one["name"] for part in lab.rpc("htable.dump", "calls") for one in part["slot"]}


def udp_waiting(port: int) -> bool:
    """Whether octets are waiting that the device at this port has not read (proc(5), rx_queue)."""
    lines = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    return any(line[1].endswith(f":{port:04X}") and line[4][9:] != "00000000" for line in lines)


def legs(lab: Lab) -> dict[str, client.VoipRecord]:
    """The records of calls, by the calls' identifiers."""
    return {one.call_id: one for one in all_cdrs(lab) if isinstance(one, client.VoipRecord)}


def charges(lab: Lab) -> list[client.Charge]:
    """What was charged; a record follows its call's."""
    return [one for one in all_cdrs(lab) if isinstance(one, client.Charge) and one.charged]


def all_cdrs(lab: Lab) -> list[client.Cdr]:
    """Every record of the node."""
    found: list[client.Cdr] = []
    after = 0
    while True:
        page = list(lab.api.send(client.cdrs(after, limit=1000)).cdrs)
        if not page:
            return found
        found += page
        after = max(one.seq for one in page)
