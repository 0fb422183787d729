"""A settlement is sent until the node has it, whatever it says meanwhile that is not about the settlement."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from oracles import virtual_time
from scp.client import ApiError, Call, Problem, TransportError
from scp.telemetry.logs import get_logger
from scp.voip.calls import Note
from scp.voip.charges import Charges, talked
from scp.voip.directory import Directory
from scp.voip.messages import Ended
from scp.voip.metrics import VoipMetrics

END = Ended("call-1", "", "46700000009", "11234567", 100, 107)
NOTE = Note("call-1", "46700000009", "11234567", 100_000, "reservation-1", 60)


class Node:
    """What a node would answer, one after the other; then it takes all. What it has taken, by path."""

    deadline = 2.0

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.taken: list[str] = []

    async def send(self, call: Call[Any], _room_within: float | None = None) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.taken.append(call.path)


def refused(status: int) -> ApiError:
    return ApiError(Problem("about:blank", "no", status))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
def test_a_call_is_charged_and_recorded_once_the_node_takes_it(status: int) -> None:
    async def main() -> None:
        node = Node(refused(status), TransportError("away"), refused(status))
        metrics = VoipMetrics(Directory())
        charges = Charges(node, metrics, get_logger(), lambda _: None)  # type: ignore[arg-type]
        assert await charges.settle(NOTE, END)
        assert node.taken == ["/v1/charging/reservations/reservation-1/commit", "/v1/cdrs"]
        assert (metrics.money["committed"], metrics.money["unsettled"]) == (1, 0)

    virtual_time.run(main())


def test_what_was_settled_before_is_not_sent_again() -> None:
    async def main() -> None:
        node = Node(refused(409))
        metrics = VoipMetrics(Directory())
        charges = Charges(node, metrics, get_logger(), lambda _: None)  # type: ignore[arg-type]
        assert await charges.settle(NOTE, END)
        assert len(node.taken) == 1
        assert metrics.money["unsettled"] == 1

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("start", "seconds"), [(100, 7), (95, 12), (0, 7), (-1, 7), (39, 7), (200, 1), (107, 1)]
)
def test_an_answer_from_long_before_the_call_is_none(start: int, seconds: int) -> None:
    """The node refuses what can't be, and such a call would be free."""
    assert talked(NOTE, structs.replace(END, start=start)) == seconds
