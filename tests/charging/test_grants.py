"""What a request for minutes gets without asking: what was granted before, and what is more than may be."""

from __future__ import annotations

import pytest

from scp.charging.grants import no_extension
from scp.domain.reservation import Reservation, State
from scp.ports import Denied

MOST = 600


def made(state: State = State.RESERVED) -> Reservation:
    return Reservation(
        id="r",
        account="46701234567",
        call_id="c",
        a_number="46701234567",
        b_number="46702345678",
        created_ms=0,
        state=state,
        granted_seconds=60,
    )


@pytest.mark.parametrize(
    ("seconds", "denied"), [(61, None), (MOST, None), (MOST + 1, Denied.TOO_LONG), (1 << 40, Denied.TOO_LONG)]
)
def test_as_much_as_may_be_granted_is_asked_for_and_no_more(seconds: int, denied: Denied | None) -> None:
    found = made()
    grant = no_extension(found, seconds, MOST)
    assert (None if grant is None else grant.denied) == denied


@pytest.mark.parametrize("seconds", [1, 60])
def test_what_was_granted_is_granted(seconds: int) -> None:
    found = made()
    grant = no_extension(found, seconds, MOST)
    assert grant is not None
    assert (grant.reservation, grant.denied) == (found, None)


def test_there_is_nothing_to_extend() -> None:
    gone = no_extension(None, 60, MOST)
    over = no_extension(made(State.COMMITTED), 60, MOST)
    assert (gone and gone.denied, over and over.denied) == (Denied.UNKNOWN_RESERVATION, Denied.CLOSED)
