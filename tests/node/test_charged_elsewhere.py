"""Charged calls whose money is elsewhere: at a charging function over HTTP/2, at an online charging system over Diameter.

The node and the switch are those of `charged_lab`, in virtual time; the servers are real ones, over TCP, in threads of
their own: time stands still while one of them is asked. The numbers in the names are those of the scenarios.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from charged_lab import NOON, Lab, originating, run, sent
from diameter.message import Avp, constants
from hypothesis import Phase, given
from hypothesis import strategies as st

from oracles import tshark
from oracles.diameter_pcap import Octets, problems
from oracles.examples import examples
from oracles.servers import free_tcp_port
from scp.charging import ro_peer
from scp.simulator.expect import Expectation
from scp.simulator.scenario import Attempt

sys.path.append(str(Path(__file__).parents[1] / "charging"))  # chf.py, ocs.py

from chf import Chf
from ocs import CLIENT, REALM, Books, Ocs, awaited
from test_nchf_http2 import Server

RO = """
[charging.ro]
servers = [{servers}]
origin_host = "{host}"
origin_realm = "{realm}"
rating_group = 7
{more}
"""
LINK = ro_peer._Link
ANY = Expectation()
PERIODS = ["applyCharging 60.0 s", "applyCharging 60.0 s", "applyCharging 20.0 s"]


@pytest.fixture(scope="module")
def written() -> Iterator[list[Octets]]:
    """All that goes over connections to servers; tshark judges it at the end."""
    writes: list[Octets] = []
    links: list[Any] = []  # kept, so that no two have one identity
    send, received = LINK.send, LINK.data_received

    def note(link: Any, octets: bytes, sent: bool) -> None:
        if link not in links:
            links.append(link)
        writes.append(Octets(octets, sent, links.index(link)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LINK, "send", lambda link, octets: (note(link, octets, True), send(link, octets))[1])
        patched.setattr(
            LINK, "data_received", lambda link, data: (note(link, data, False), received(link, data))[1]
        )
        yield writes
    if not tshark.available() and writes:
        count, found = problems(writes)
        assert count >= len(writes)
        assert not found, f"tshark, on {count} Diameter messages:\n" + "\n".join(found)


@pytest.fixture
def servers() -> Iterator[Callable[..., tuple[Ocs, ...]]]:
    started: list[Ocs] = []

    def start(*servers: Ocs) -> tuple[Ocs, ...]:
        started.extend(each.up() for each in servers)
        return servers

    yield start
    for each in started:
        each.down()


def by_ro(body: Any, *servers: Ocs, more: str = "", **settings: Any) -> None:
    """Run ``body(lab)`` on a node whose money is at these servers."""
    addresses = ", ".join(f'"127.0.0.1:{each.port}"' for each in servers)
    charging = RO.format(servers=addresses, host=CLIENT, realm=REALM, more=more)

    async def connected(lab: Lab) -> None:
        client = lab.node.charging.servers
        loop = asyncio.get_running_loop()
        loop.outside(lambda: awaited(client, *servers))
        while client.missing:  # noqa: ASYNC110 - it is not told
            await asyncio.sleep(0.001)
        await body(lab)

    run(connected, charging=charging, balance=0, **settings)


CHF = """
[charging.chf]
url = "http://127.0.0.1:{port}"
rating_group = 7
http2 = true
"""


@pytest.fixture
def function() -> Iterator[Server]:
    """A charging function behind hypercorn, which speaks HTTP/2 alone here, in a thread of its own."""
    server = Server(Chf(200), free_tcp_port(), None)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
        yield server
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
        assert set(server.versions) == {"2"}
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def by_chf(body: Any, server: Server, **settings: Any) -> None:
    """Run ``body(lab)`` on a node whose money is at this function; of ``CHF`` 200 s."""
    port = server._config.bind[0].rpartition(":")[2]

    async def asking(lab: Lab) -> None:
        client = lab.node.charging.function
        post, asked = client.post, []

        async def count(*args: Any, **more: Any) -> Any:
            asked.append(1)
            try:
                return await post(*args, **more)
            finally:
                asked.pop()

        client.post = count
        asyncio.get_running_loop().outside(lambda: bool(asked))
        await body(lab)

    run(asking, charging=CHF.format(port=port), balance=0, **settings)


def test_3_the_money_at_a_function_ends_the_call(everything_sent, function):
    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=3))
        assert not result.faults
        first, *more = sent(result)
        assert first[1:] == ["applyCharging 30.0 s", "continue"]
        assert more == [[words] for words in PERIODS] + [["applyCharging 30.0 s, then release, with a tone"]]
        (record,) = await lab.records()
        assert record["charged_ms"] == 200_000
        (charge,) = await lab.records("charge")
        assert (charge["reservation"], charge["used_seconds"]) == (record["reservation"], 200)
        assert (function.chf.balance, list(function.chf.used.values())) == (0, [200])

    by_chf(body, function, recorder=everything_sent)


@pytest.mark.parametrize("how", ["event_first", "separate", "prearranged_end", "repeats_reports", ""])
def test_4_a_hang_up_is_charged_at_a_function_once(everything_sent, function, how):
    async def body(lab: Lab) -> None:
        fields = {how: True} if how else {}
        result = await lab.call(originating(Attempt(ring=3.0, talk=72.3), **fields))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["release_cause"]) == (72_300, 16)
        assert len(await lab.records("charge")) == 1
        assert (function.chf.balance, list(function.chf.used.values())) == (127, [73])

    by_chf(body, function, recorder=everything_sent)


def test_5_a_functions_tariff_change_divides_the_call(everything_sent, function):
    """40 s at the price, 80 s at twice that: 200 s of the first."""
    function.chf.later = 2
    function.chf.change = dt.datetime.fromtimestamp(NOON / 1000, dt.UTC).isoformat()

    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=119.98)))
        assert not result.faults
        assert sent(result)[0][1] == "applyCharging 60.0 s, tariff switch in 43 s"
        (record,) = await lab.records()
        assert record["charged_ms"] == 120_000
        assert (function.chf.balance, list(function.chf.used.values())) == (0, [120])

    by_chf(body, function, policy="withheld_s = 0", wall=NOON - 43_000, recorder=everything_sent)


def test_3_the_money_ends_the_call(everything_sent, written, servers):
    (ocs,) = servers(Ocs(Books(balance=20, price=6)))

    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=3))
        assert not result.faults
        first, *more = sent(result)
        assert first[1:] == ["applyCharging 30.0 s", "continue"]
        assert more == [[words] for words in PERIODS] + [["applyCharging 30.0 s, then release, with a tone"]]
        (record,) = await lab.records()
        assert record["charged_ms"] == 200_000
        (charge,) = await lab.records("charge")
        assert charge["reservation"] == record["reservation"]
        assert charge["used_seconds"] == 200
        books = ocs.books
        assert (books.balance, books.used, list(books.charged.values())) == (0, [200], [20])
        numbers = [(each.cc_request_type, each.cc_request_number) for each in books.requests]
        assert numbers == [(1, 0), (2, 1), (2, 2), (2, 3), (3, 4)]

    by_ro(body, ocs, recorder=everything_sent)


@pytest.mark.parametrize("how", ["event_first", "separate", "prearranged_end", "repeats_reports", ""])
def test_4_a_hang_up_is_charged_to_the_begun_second_once(everything_sent, written, servers, how):
    (ocs,) = servers(Ocs(Books(balance=20, price=6)))

    async def body(lab: Lab) -> None:
        fields = {how: True} if how else {}
        result = await lab.call(originating(Attempt(ring=3.0, talk=72.3), **fields))
        assert not result.faults
        (record,) = await lab.records()
        assert (record["charged_ms"], record["release_cause"]) == (72_300, 16)
        assert len(await lab.records("charge")) == 1
        assert (ocs.books.balance, ocs.books.used) == (12, [73])

    by_ro(body, ocs, recorder=everything_sent)


def test_5_a_tariff_switch_divides_the_call(everything_sent, written, servers):
    (ocs,) = servers(Ocs(Books(balance=20, price=6, later=12, change=NOON // 1000)))

    async def body(lab: Lab) -> None:
        result = await lab.call(originating(Attempt(ring=3.0, talk=119.98)))
        assert not result.faults
        assert sent(result)[0][1] == "applyCharging 60.0 s, tariff switch in 43 s"
        (record,) = await lab.records()
        assert record["charged_ms"] == 120_000
        (session,) = ocs.books.sessions.values()
        assert (session.before, session.after, ocs.books.balance) == (40, 80, 0)

    by_ro(body, ocs, policy="withheld_s = 0", wall=NOON - 43_000, recorder=everything_sent)


def operations(result: Any) -> list[list[str]]:
    """The names of the operations that the node sent, message by message."""
    return [[words.split()[0] for words in message] for message in sent(result)]


FAILOVER = Avp.new(constants.AVP_CC_SESSION_FAILOVER, value=1)


@pytest.mark.parametrize("fault", ["drop", "lose", "silent", "mute"])
@pytest.mark.parametrize("at", range(5))
def test_6_a_server_that_fails_at_any_step_costs_nobody_anything(
    everything_sent, written, servers, fault, at
):
    """Two servers of one system: the call is the same as with none that fails, and so are the books."""
    books = Books(balance=20, price=6)
    pair = servers(Ocs(books, "ocs1"), Ocs(books, "ocs2"))
    for each in pair:
        each.more.append(FAILOVER)
    pair[0].faults.extend([None] * at + [fault])

    async def body(lab: Lab) -> None:
        # One that does not answer at once has the switch told to wait (ResetTimer).
        result = await lab.call(originating(Attempt(ring=3.0, talk=900.0), version=3), ANY)
        assert not result.faults
        (record,) = await lab.records()
        assert record["charged_ms"] == 200_000
        assert (books.balance, books.used) == (0, [200])
        assert books.repeats == (fault in ("lose", "mute"))

    by_ro(body, *pair, recorder=everything_sent)


def test_6_a_silent_server_is_waited_for_and_the_gap_is_in_the_next_report(everything_sent, written, servers):
    """It does not answer at all; there is no other server: the call has grace, and all of it is told of later."""
    (ocs,) = servers(Ocs(Books(balance=20, price=6)))

    async def body(lab: Lab) -> None:
        ocs.faults.extend([None, "mute"])
        result = await lab.call(originating(Attempt(ring=3.0, talk=100.0)))
        assert not result.faults
        asked = next(s for s in result.steps if s.outward and "applyChargingReport" in " ".join(s.components))
        given = [s for s in result.steps if s.components and not s.outward][1]
        assert 2.0 <= given.seconds - asked.seconds <= 2.1
        (record,) = await lab.records()
        assert record["charged_ms"] == 100_000
        assert (ocs.books.used, ocs.books.balance, ocs.books.repeats) == ([100], 10, 1)

    by_ro(body, ocs, recorder=everything_sent)


@pytest.mark.parametrize("down", ["grace:40", "release", "free"])
def test_6_a_system_that_dies_in_a_call_is_told_of_all_of_it_when_it_is_back(
    everything_sent, written, servers, down
):
    (ocs,) = servers(Ocs(Books(balance=100, price=6)))

    async def body(lab: Lab) -> None:
        call = asyncio.create_task(lab.call(originating(Attempt(ring=3.0, talk=100.0), version=3)))
        await asyncio.sleep(20.0)
        ocs.down()
        result = await call
        assert not result.faults
        await asyncio.sleep(30.0)
        assert not ocs.books.charged
        ocs.up()
        await asyncio.sleep(10.0)
        (record,) = await lab.records()
        seconds = -(-record["charged_ms"] // 1000)
        assert seconds == {"release": 60, "grace:40": 70, "free": 100}[down]
        assert (ocs.books.used, ocs.books.balance) == ([seconds], 100 - seconds // 10)
        assert len(await lab.records("charge")) == 1

    by_ro(body, ocs, policy=f'down = "{down}"', recorder=everything_sent)


@pytest.mark.parametrize(("down", "ends"), [("release", True), ("grace:30", False)])
def test_6_a_call_that_begins_while_the_system_is_away(everything_sent, written, servers, down, ends):
    (ocs,) = servers(Ocs())

    async def body(lab: Lab) -> None:
        ocs.down()
        await asyncio.sleep(0.5)
        result = await lab.call(originating(Attempt(ring=3.0, talk=20.0)), ANY)
        assert (operations(result)[0] == ["releaseCall"]) == ends
        (record,) = await lab.records()
        assert record["reason"] == ("charging-down" if ends else "unknown-subscriber")
        assert not ocs.books.requests

    by_ro(body, ocs, policy=f'down = "{down}"', recorder=everything_sent)


@pytest.mark.hypothesis
def test_whatever_dies_the_books_have_what_the_switch_has_counted():
    """Random calls one after the other; servers that lose requests, or are killed and come back: to the begun second."""
    faults = st.lists(st.sampled_from([None, None, None, "drop", "lose", "silent", "mute"]), max_size=8)
    calls = st.lists(
        st.tuples(
            st.integers(1, 2500).map(lambda tenths: tenths / 10 + 0.04),
            st.sampled_from(["", "event_first", "separate", "repeats_reports"]),
            st.none() | st.tuples(st.integers(1, 200), st.integers(1, 90)),
        ),
        min_size=1,
        max_size=3,
    )

    @given(calls, faults, st.sampled_from(["grace:40", "release", "free"]), st.booleans())
    @examples(8, phases=[Phase.generate])
    def check(planned, lost, down, two):
        books = Books(balance=100_000, price=60)
        servers = [Ocs(books, name) for name in ("ocs1", "ocs2")[: 1 + two]]
        for each in servers:
            each.more.append(FAILOVER)
            each.up()
        servers[0].faults.extend(lost)

        async def killed(after: int, away: int) -> None:
            await asyncio.sleep(after)
            servers[0].down()
            await asyncio.sleep(away)
            servers[0].up()

        async def body(lab: Lab) -> None:
            expected = []
            for talk, how, kill in planned:
                killing = None if kill is None else asyncio.create_task(killed(*kill))
                fields = {how: True} if how else {}
                result = await lab.call(originating(Attempt(ring=3.0, talk=talk), version=3, **fields), ANY)
                expected += [-(-round(10 * sum(each)) // 10) for each in result.talked]
                if killing is not None:
                    await killing
            await lab.quiet()
            while lab.node.charging.quotas.owed:
                await asyncio.sleep(1.0)
                await lab.quiet()
            told = [each.before for each in books.sessions.values()]
            assert sum(told) == sum(expected)
            assert books.balance == 100_000 - sum(expected)
            charged = [each["used_seconds"] for each in await lab.records("charge")]
            assert sum(charged) == sum(expected)

        try:
            by_ro(body, *servers, policy=f'down = "{down}"')
        finally:
            for each in servers:
                each.down()

    check()
