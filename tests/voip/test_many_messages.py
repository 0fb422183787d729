"""Many messages between Kamailio and its brains at once, and brains that die or hang meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import Iterator

import pytest
import uvloop
from test_evapi_lies import User
from voip_lab import DOMAIN, PASSWORD, Lab, free_tcp_port, unavailable

import scp.voip.kamailio
from oracles.waiting import PATIENCE, until, wait_until
from scp.voip.evapi import Evapi
from scp.voip.messages import Kept
from scp.voip.netstrings import NetstringReader, netstring

needs_kamailio = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
ALICE = "11234567"
QUESTIONS = 2000
CALLS = 150
HA1 = hashlib.md5(f"alice-phone:{DOMAIN}:{PASSWORD}".encode()).hexdigest()


class Spoken:
    """A brain that says what a test has it say."""

    def __init__(self, lab: Lab) -> None:
        self._socket = socket.create_connection(("127.0.0.1", lab.evapi))
        self._reader = NetstringReader()
        self.heard: list[dict[str, object]] = []
        self.say(m="hello", name="spoken")

    def say(self, **message: object) -> None:
        self._socket.settimeout(PATIENCE)
        self._socket.sendall(netstring(json.dumps(message).encode()))

    def say_many(self, messages: list[dict[str, object]]) -> None:
        self._socket.sendall(b"".join(netstring(json.dumps(one).encode()) for one in messages))

    def of(self, kind: str) -> list[dict[str, object]]:
        return [one for one in self.heard if one["m"] == kind]

    def hears(self, kind: str, count: int) -> list[dict[str, object]]:
        """Read until so many messages of a kind have come."""
        self._socket.settimeout(PATIENCE)
        while len(self.of(kind)) < count:
            data = self._socket.recv(65536)
            assert data, "Kamailio has hung up"
            self.heard += [json.loads(one) for one in self._reader.feed(data)]
        return self.of(kind)

    def reads(self) -> None:
        """Read what has come."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while data := self._socket.recv(65536):
                self.heard += [json.loads(one) for one in self._reader.feed(data)]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A Kamailio without a brain of its own."""
    made = Lab(tmp_path_factory.mktemp("many"), {ALICE: ["alice-phone"]}, decision=100)
    with contextlib.ExitStack() as stack:
        stack.callback(made.stop_kamailio)
        stack.callback(lambda: [one.stop() for one in made.sipps])
        made.start_kamailio()
        yield made


@needs_kamailio
def test_a_brain_that_asks_for_many_bindings_at_once_is_answered(lab: Lab) -> None:
    """As one does that was started, and has so many subscribers."""
    brain = Spoken(lab)
    brain.say_many([{"m": "count", "aor": f"sip:+{number}@{DOMAIN}"} for number in range(QUESTIONS)])
    told = brain.hears("bindings", QUESTIONS)
    assert [one["aor"] for one in told] == [f"sip:+{number}%40{DOMAIN}" for number in range(QUESTIONS)]
    brain.close()


@needs_kamailio
def test_all_calls_are_told_again_when_the_brain_that_knew_them_is_gone(lab: Lab) -> None:
    """Those that go on, and those that have ended and that it has not kept."""
    first = Spoken(lab)
    phone = registered(lab, first)
    first.close()
    answers = lab.device("answers_and_stays", phone, calls=2 * CALLS, pause=1, patience=2 * PATIENCE)
    go_on = lab.gateway_calls("990011234567", calls=CALLS, r="100", pause=1_000_000, patience=2 * PATIENCE)
    wait_until(lambda: answers.count("ACK") >= CALLS and answers.calls("ACK") == CALLS)
    heard_by_one_then_the_other(lab, "answered")
    lab.gateway_calls("990011234567", calls=CALLS, r="100", pause=1).ended()
    heard_by_one_then_the_other(lab, "ended")
    go_on.stop()
    answers.stop()


def heard_by_one_then_the_other(lab: Lab, kind: str) -> None:
    """The first brain hears of every call when it comes, the second one when the first has gone."""
    first, second = Spoken(lab), Spoken(lab)
    second.hears("welcome", 1)
    told = {one["call"] for one in first.hears(kind, CALLS)}
    assert len(told) == CALLS
    assert second.of(kind) == []
    first.close()
    assert {one["call"] for one in second.hears(kind, CALLS)} == told
    second.close()


@needs_kamailio
def test_a_brain_that_hangs_is_asked_and_told_nothing_until_it_says_something(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kamailio's end of the connection blocks: what fills it would stop every call."""
    lab.stop_kamailio()
    monkeypatch.setattr(scp.voip.kamailio, "SILENT_SECONDS", 1)
    lab.start_kamailio()
    brain = Spoken(lab)
    phone = registered(lab, brain)
    answers = lab.device("answers_and_stays", phone, calls=50, pause=1)

    def asked_no_more() -> bool:
        before = len(brain.of("invite"))
        lab.gateway_calls("990011234567", pause=1).ended()
        brain.reads()
        return len(brain.of("invite")) == before

    wait_until(asked_no_more)
    brain.heard.clear()
    assert asked_no_more()
    assert brain.heard == []
    brain.say(m="counters")
    assert brain.hears("counted", 1)[0]["away"] == 2
    brain.hears("welcome", 1)
    assert not asked_no_more()
    brain.close()
    answers.stop()


def registered(lab: Lab, brain: Spoken) -> int:
    """Have Alice's phone registered, admitted by a brain; return the port where it is called."""
    brain.hears("welcome", 1)
    register = lab.register("alice-phone", ALICE, port := free_tcp_port())
    asked = brain.hears("device", 1)[-1]
    brain.say(m="ha1", ti=asked["ti"], tl=asked["tl"], ha1=HA1)
    register.ended()
    return port


def test_what_is_said_on_a_connection_that_is_closing_is_not_sent(lab: Lab) -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        link = Evapi("127.0.0.1", server.sockets[0].getsockname()[1], "closing", User())
        running = asyncio.ensure_future(link.run())
        await until(lambda: link.up)
        connection = link._connection
        assert connection is not None
        assert connection.transport is not None
        assert link.say(Kept(("x",)))
        connection.transport.abort()  # as after a reset, before the link hears of it
        assert not link.say(Kept(("x",)))
        running.cancel()
        server.close()

    uvloop.run(main())
