"""The call log is shown what failed, and of the rest no more than was asked for."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from scp.domain.decision import Action, Decision
from scp.domain.reason import FAILURES, Reason
from scp.engine.admission import SHED, Admission, Limits
from scp.engine.observers import OBSERVER, ObserverHub, Sample
from scp.engine.sampling import Sampled
from scp.stack.tcap import Tcap
from scp.stack.tcap_settings import TcapSettings
from scp.telemetry.null import NullTelemetry

FINE = Decision(Action.CONNECT, Reason.FORWARDED_ALWAYS)


class Log:
    """Counts what it is shown; its clock is `now`."""

    def __init__(self, rate: float) -> None:
        self.now = 100.0
        self.seen: list[Reason] = []
        self.admission = Admission(Limits())
        self.sampled = Sampled(self, self.admission, rate, lambda: self.now)

    def answered(self, dialogue: Any, service: str, idp: Any, decision: Decision, seconds: float) -> None:
        self.seen.append(decision.reason)

    def calls(self, count: int, decision: Decision = FINE) -> int:
        """Let calls be answered; return how many were shown."""
        before = len(self.seen)
        dialogue = Tcap(TcapSettings()).open(None, b"", 0.0)
        for _ in range(count):
            self.sampled.answered(dialogue, "voip-forwarding", None, decision, 0.001)
        return len(self.seen) - before


def test_below_the_rate_every_call_is_shown() -> None:
    log = Log(10)
    for _ in range(50):
        assert log.calls(1) == 1
        log.now += 0.1


def test_above_the_rate_as_many_as_it_says() -> None:
    log = Log(10)
    assert log.calls(1000) == 10
    log.now += 0.5
    assert log.calls(1000) == 5
    log.now += 60
    assert log.calls(1000) == 10, "nothing is saved up for longer than a second"


@pytest.mark.parametrize("rate", [0.0, 10.0])
def test_what_failed_is_never_left_out(rate: float) -> None:
    log = Log(rate)
    log.calls(1000)
    for reason in FAILURES:
        assert log.calls(20, Decision(Action.CONTINUE, reason)) == 20


@pytest.mark.parametrize(("rate", "shown"), [(0.0, 0), (0.5, 0), (inf, 1000)])
def test_none_and_all(rate: float, shown: int) -> None:
    assert Log(rate).calls(1000) == shown


def test_a_rate_below_one_gives_a_line_now_and_then() -> None:
    log = Log(0.5)
    shown = 0
    for _ in range(20):
        log.now += 1.0
        shown += log.calls(5)
    assert shown == 10


def test_a_node_with_too_much_to_do_shows_none() -> None:
    log = Log(inf)
    log.admission.level = SHED
    assert log.calls(5) == log.calls(5, Decision(Action.CONTINUE, Reason.STORE_TIMEOUT)) == 0


class Broken:
    """An observer that raises."""

    def answered(self, dialogue: Any, service: str, idp: Any, decision: Decision, seconds: float) -> None:
        raise ZeroDivisionError


def test_who_looks_is_told_of_the_sample_alone_and_may_fail() -> None:
    log, sample, bugs = Log(0.0), Sample(), []
    hub = ObserverHub(NullTelemetry(), lambda: 1.0, None, None, lambda name, bug: bugs.append((name, bug)))
    dialogue = Tcap(TcapSettings()).open(None, b"", 0.0)

    def calls(count: int, reason: Reason = FINE.reason) -> int:
        before = len(log.seen)
        for _ in range(count):
            hub.tell(dialogue, "voip-forwarding", None, Decision(Action.CONTINUE, reason), 0.5)
        return len(log.seen) - before

    assert calls(3) == 0, "nobody looks"
    hub.sample, hub.onlooker = sample, log
    assert calls(3) == 0, "nothing is wanted yet"
    sample.others, sample.failed = 2, 3
    assert calls(10) == 2
    for reason in FAILURES:
        sample.failed = 3
        assert calls(10, reason) == 3
    assert (sample.others, sample.failed, sample.left_out) == (0, 0, 3 + 8 + 7 * len(FAILURES))
    sample.others, hub.onlooker = 5, Broken()
    calls(1)
    assert [(name, type(bug)) for name, bug in bugs] == [(OBSERVER, ZeroDivisionError)]
