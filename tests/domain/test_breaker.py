from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from scp.domain.breaker import TABLE, Breaker, Circuit, Input


def test_every_input_has_a_row_in_every_state_but_rest_over_in_closed() -> None:
    assert set(TABLE) == set(product(Circuit, Input)) - {(Circuit.CLOSED, Input.REST_OVER)}


def test_opens_rests_probes_and_closes() -> None:
    breaker = Breaker(3, 10)
    for now in (0, 1, 2):
        assert breaker.allows(now)
        breaker.failed(now)
    assert breaker.state is Circuit.OPEN
    assert not breaker.allows(11.9)
    assert breaker.allows(12)
    assert breaker.state is Circuit.HALF_OPEN
    assert not breaker.allows(12.1)  # one probe at a time
    breaker.failed(13)
    assert breaker.state is Circuit.OPEN
    assert not breaker.allows(22.9)
    assert breaker.allows(23)
    breaker.succeeded(23.5)
    assert breaker.state is Circuit.CLOSED
    breaker.failed(24)  # the count began anew
    assert breaker.allows(24)


def test_a_probe_that_never_came_back_is_followed_by_another() -> None:
    breaker = Breaker(1, 10)
    breaker.failed(0)
    assert breaker.allows(10)
    assert not breaker.allows(19)
    assert breaker.allows(20)


@given(st.lists(st.sampled_from("asf")))
def test_never_stuck(steps: str) -> None:
    """Whatever happened: after a rest a request is let through, and its success closes the circuit."""
    breaker, now = Breaker(2, 1), 0.0
    for step in steps:
        now += 0.5  # exact in binary, so that a rest of 1 is over after 1
        {"a": breaker.allows, "s": breaker.succeeded, "f": breaker.failed}[step](now)
    assert breaker.allows(now + 1)
    breaker.succeeded(now + 1)
    assert breaker.state is Circuit.CLOSED
