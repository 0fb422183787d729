"""The watchdog of Diameter connections, against RFC 3539 §3.4.1 as its text has it, written down a second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.charging.ro_watchdog import TABLE, Action, Health, Input, Watchdog


class Model:
    """The algorithm's pseudocode while a connection is up, with its variables Status, Pending and NumDWA."""

    def __init__(self, back: bool) -> None:
        self.status = "REOPEN" if back else "OKAY"
        self.pending = back
        self.num_dwa = 0
        self.done: list[str] = []

    def on_timer(self) -> None:
        if self.status == "OKAY":
            if not self.pending:
                self.done.append("SendWatchdog")
                self.pending = True
            else:
                self.status = "SUSPECT"
                self.done.append("FailOver")
        elif self.status == "SUSPECT":
            self.status = "DOWN"
            self.done.append("CloseConnection")
        elif self.status == "REOPEN":
            if not self.pending:
                self.done.append("SendWatchdog")
                self.pending = True
            elif self.num_dwa < 0:
                self.status = "DOWN"
                self.done.append("CloseConnection")
            else:
                self.num_dwa = -1

    def on_dwa(self) -> None:
        self.pending = False
        if self.status == "SUSPECT":
            self.status = "OKAY"
        elif self.status == "REOPEN":
            if self.num_dwa == 2:
                self.status = "OKAY"
            else:
                self.num_dwa += 1

    def on_other(self) -> None:
        if self.status == "SUSPECT":
            self.status = "OKAY"


WORDS = {Action.ASK: "SendWatchdog", Action.MOVE: "FailOver", Action.CLOSE: "CloseConnection"}


@given(st.booleans(), st.lists(st.sampled_from(["timer", "dwa", "other"]), max_size=24))
@examples(60)
def test_it_does_what_the_standard_says(back, inputs) -> None:
    ours, model = Watchdog(back=back), Model(back)
    for each in inputs:
        row = {"timer": ours.timer, "dwa": ours.answered, "other": ours.heard}[each]()
        before = len(model.done)
        {"timer": model.on_timer, "dwa": model.on_dwa, "other": model.on_other}[each]()
        assert ours.health.name == model.status
        assert [word for action, word in WORDS.items() if action is row.action] == model.done[before:]
        if ours.health is Health.DOWN:
            return
        assert ours.pending == model.pending


def test_every_row_can_be_reached() -> None:
    assert set(TABLE) == {
        *((Health.OKAY, each) for each in (Input.SILENT, Input.UNANSWERED, Input.ANSWERED, Input.HEARD)),
        *((Health.SUSPECT, each) for each in (Input.UNANSWERED, Input.ANSWERED, Input.HEARD)),
        *((Health.REOPEN, each) for each in Input),
    }
