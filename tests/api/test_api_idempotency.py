"""Idempotency-Key: one request, one effect, one answer, however often it is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar import Response

from scp.api.idempotency import LIFETIME, REPLAYED, Answers
from scp.api.problems import ProblemError

PLACE = ("operator", "/v1/charging/reservations", "key-1")


class Counter:
    """Work that counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Response[bytes]:
        await self.gate.wait()
        self.done += 1
        return Response(b"%d" % self.done, status_code=201, media_type="text/plain", headers={"X-A": "b"})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_sent_again_it_is_answered_again_and_not_done_again() -> None:
    async def check() -> None:
        work, answers = Counter(), Answers(Clock())
        first = await answers.once(PLACE, b"d", work)
        again = await answers.once(PLACE, b"d", work)
        assert work.done == 1
        assert (again.content, again.status_code, again.media_type) == (b"1", 201, "text/plain")
        assert again.headers == {"X-A": "b", REPLAYED: "true"}
        assert REPLAYED not in first.headers
        other = ("voip", *PLACE[1:])
        assert (await answers.once(other, b"d", work)).content == b"2", "another key's keys are its own"

    run(check())


def test_another_body_under_the_same_key_is_refused() -> None:
    async def check() -> None:
        work, answers = Counter(), Answers(Clock())
        await answers.once(PLACE, b"d", work)
        with pytest.raises(ProblemError) as error:
            await answers.once(PLACE, b"e", work)
        assert (error.value.kind.name, error.value.kind.status) == ("idempotency-key-reused", 422)
        assert work.done == 1

    run(check())


def test_while_it_is_being_done_it_is_not_begun_again() -> None:
    async def check() -> None:
        work, answers = Counter(), Answers(Clock())
        work.gate.clear()
        first = asyncio.ensure_future(answers.once(PLACE, b"d", work))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as error:
            await answers.once(PLACE, b"d", work)
        assert (error.value.kind.name, error.value.kind.status) == ("in-progress", 409)
        work.gate.set()
        assert (await first).content == b"1"
        assert (await answers.once(PLACE, b"d", work)).content == b"1"

    run(check())


def test_what_failed_can_be_tried_again() -> None:
    async def check() -> None:
        work, answers = Counter(), Answers(Clock())

        async def fail() -> Response[bytes]:
            raise OSError

        with pytest.raises(OSError):
            await answers.once(PLACE, b"d", fail)
        assert (await answers.once(PLACE, b"e", work)).content == b"1"

    run(check())


def test_answers_are_forgotten_after_their_time_and_beyond_their_number() -> None:
    async def check() -> None:
        clock, work = Clock(), Counter()
        answers = Answers(clock, most=3)
        for number in range(5):
            await answers.once((*PLACE[:2], str(number)), b"d", work)
        assert (await answers.once((*PLACE[:2], "4"), b"d", work)).content == b"5"
        assert (await answers.once((*PLACE[:2], "0"), b"d", work)).content == b"6"
        clock.now = LIFETIME + 1
        assert (await answers.once((*PLACE[:2], "4"), b"d", work)).content == b"7"

    run(check())
