"""What comes over the link to Kamailio and is no message: each is told, and the link works on or is made anew."""

from __future__ import annotations

import asyncio
import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.waiting import until
from scp.voip.calls import leg_of, note_of, opened
from scp.voip.decision import Step
from scp.voip.evapi import Evapi
from scp.voip.messages import Bindings, Ended, Heard, PlanAnswer, said
from scp.voip.netstrings import MAX_OCTETS, netstring

GOOD = netstring(b'{"m":"bindings","aor":"sip:1@x","count":1}')
DEEP = b'{"m":"bindings","aor":"","count":1,"more":' + b'{"a":' * 5000
MESSAGES = (
    DEEP,
    b"[" * MAX_OCTETS,
    b'{"a":' * 10_000,
    b"",
    b"\xff\x00",
    b"{}",
    b"1",
    b'{"m":"nobody"}',
    b'{"m":"bindings","aor":1,"count":"x"}',
    b'{"m":"bindings","aor":"\\ud800","count":1}',
    b'{"m":"bindings","aor":"x","count":' + b"9" * 5000 + b"}",
)
STREAMS = (b"GET / HTTP/1.1\r\n\r\n", b"65537:", b"-1:x,", b"3:abcd", b"00000000:", b"\xb2:xx,")


class User:
    """A `LinkUser` that keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[Heard] = []
        self.wrong: list[str] = []
        self.gone = 0

    def opened(self, _link: Evapi) -> bool:
        return True

    def linked(self, link: Evapi) -> None: ...

    def heard(self, _link: Evapi, message: Heard) -> None:
        self.got.append(message)

    def unreadable(self, _link: Evapi, why: str) -> None:
        self.wrong.append(why)

    def unlinked(self, _link: Evapi, _why: str) -> None:
        self.gone += 1


def test_what_is_no_message_is_told_and_the_next_one_is_heard() -> None:
    async def main() -> None:
        writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
        user = User()
        link = Evapi("127.0.0.1", server.sockets[0].getsockname()[1], "lied-to", user)
        running = asyncio.create_task(link.run())
        await until(lambda: writers and link.up)
        for count, message in enumerate(MESSAGES, 1):
            writers[-1].write(netstring(message) + GOOD)
            await until(lambda count=count: len(user.got) == count or user.gone)
            assert (len(user.wrong), user.gone) == (count, 0), message[:40]
        assert set(user.got) == {Bindings("sip:1@x", 1)}
        for count, octets in enumerate(STREAMS, 1):
            writers[-1].write(octets)
            await until(lambda count=count: user.gone == count and len(writers) == count + 1 and link.up)
            writers[-1].write(GOOD[:7])  # a half one, the rest behind
            writers[-1].write(GOOD[7:])
            await until(lambda count=count: len(user.got) == len(MESSAGES) + count)
        assert len(user.wrong) == len(MESSAGES) + len(STREAMS)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for writer in writers:
            writer.close()
        server.close()

    asyncio.run(main())


def test_a_note_that_is_none_is_none() -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' * 5000).decode()
    for text in ("", "x", "=" * 9, "\x00", "é", deep):
        assert opened(text) is None


@pytest.mark.parametrize(
    "begun", ["", "x", "inf", "-inf", "nan", "1e400", "1e300", "-1", "9" * 4000, "1700000900.0"]
)
def test_a_time_that_no_clock_has_said_is_the_whole_second(begun: str) -> None:
    """The record of such a call is settled, or Kamailio would tell its end for ever."""
    at = 1_700_000_000
    for end in (
        Ended("c", "", "46", "47", at, at + 10, begun=begun, over=f"{at + 10}.5"),
        Ended("c", "", "46", "47", at, at + 10, begun=f"{at}.5", over=begun),
        Ended("c", "", "46", "47", at, at + 10, begun=begun, over=begun),
    ):
        assert end.seconds == 10
        leg = leg_of(note_of(end, "47", "46"), end)
        assert leg.answered_ms // 1000 == at
        assert leg.ended_ms // 1000 == at + 10


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORD = st.text("0123456789", max_size=2)
STEP = st.builds(
    Step,
    seconds=st.integers(1, 600),
    aor=TEXT,
    uri=TEXT,
    more=st.lists(WORD).map(tuple),
    branch=TEXT,
    headers=TEXT,
    free=st.integers(0, 1),
    passing=st.integers(0, 1),
)
NUMBER = st.integers(0, 2**32 - 1)


@given(NUMBER, NUMBER, TEXT, st.lists(STEP, max_size=4), TEXT, TEXT, TEXT)
def test_each_field_of_a_plan_is_where_kamailio_looks_for_it(
    ti: int, tl: int, call: str, steps: list[Step], headers: str, sender: str, text: str
) -> None:
    """Whatever the texts have in them; numbers are 32 bits with a sign, as {s.int} reads them."""
    plan = PlanAnswer(ti, tl, call, "note", tuple(steps), headers, sender, timeout=7, reply=5, text=text)
    fields = said(plan).decode().split("\t")
    expected = ["plan", fields[1], fields[2], "1", "5", text, "7", call, "note", sender, headers]
    for step in steps:
        expected += [str(step.seconds), str(step.free), str(step.passing), step.aor, step.uri, step.branch]
        expected += [",".join(step.more), step.headers]
    assert fields == [one.replace("\t", " ") for one in expected] + [""]
    for number, field in ((ti, fields[1]), (tl, fields[2])):
        assert -(2**31) <= int(field) < 2**31
        assert int(field) % 2**32 == number
