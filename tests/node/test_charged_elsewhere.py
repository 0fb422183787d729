"""Charged calls whose money is elsewhere: at a charging function over HTTP/2, at an online charging system over Diameter.

The node and the switch are those of `charged_lab`, in virtual time; the servers are real ones, over TCP, in threads of
their own: time stands still while one of them is asked. The numbers in the names are those of the scenarios.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from charged_lab import NOON, Lab, originating, run, sent

from oracles import tshark
from oracles.diameter_pcap import Octets, problems
from scp.charging import ro_peer
from scp.simulator.scenario import Attempt

sys.path.append(str(Path(__file__).parents[1] / "charging"))  # ocs.py

from ocs import CLIENT, REALM, Books, Ocs, awaited

RO = """
[charging.ro]
servers = [{servers}]
origin_host = "{host}"
origin_realm = "{realm}"
rating_group = 7
{more}
"""
LINK = ro_peer._Link
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
        if each._node is not None:
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
