"""A settlement is sent until the node has it, whatever it says meanwhile that is not about the settlement."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from oracles import virtual_time
from scp.client import ApiError, Call, Problem, TransportError
from scp.telemetry.logs import get_logger
from scp.voip.brain import Brain
from scp.voip.calls import Note
from scp.voip.charges import Charges, talked
from scp.voip.config import loads
from scp.voip.directory import Directory
from scp.voip.messages import Ended, InviteAsked, PlanAnswer
from scp.voip.metrics import VoipMetrics
from scp.voip.store import Store

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


def test_a_brain_that_was_started_again_within_a_second_names_its_calls_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call's name is the key of its minutes and its record: one that was there before would be taken for settled."""
    config = loads('[voip]\ndomain = "voip.example"\n[numbering]\ncountry_code = "46"\n', {})
    store, names = Store(f"sqlite:{tmp_path / 'voip.db'}"), []

    class Link:
        """A Kamailio's link (`scp.voip.evapi.Evapi`)."""

        def say(self, message: object) -> bool:
            assert isinstance(message, PlanAnswer)
            names.append(message.call)
            return True

    for started in (1_790_000_000.0, 1_790_000_000.9):
        monkeypatch.setattr(time, "time", lambda started=started: started)
        brain = Brain(config, directory := Directory(), store, VoipMetrics(directory), None)
        for ti in (1, 2):
            brain.heard(Link(), InviteAsked(ti, 1, f"{ti}@a", "11234567", "voip.example", "127.0.0.1"))  # type: ignore[arg-type]
    store.close()
    assert len(names) == len(set(names)) == 4
