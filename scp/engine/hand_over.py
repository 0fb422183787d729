"""Gives held calls away: another node, or the next process, goes on with them from their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scp.engine.dialogue_state import REPORT, DialogueState
from scp.held_call_ports import HeldEntry

if TYPE_CHECKING:
    from scp.engine.dialogue_runner import DialogueRunner


def given_away(runner: DialogueRunner[Any]) -> tuple[list[HeldEntry], bool]:
    """Let go of all calls whose record is written; return their entries, and whether there will be others.

    Those are about to be written, or await the charging system.
    """
    entries: list[HeldEntry] = []
    busy = False
    for tid in runner.tcap.ids():
        dialogue = runner.tcap.find(tid)
        state = None if dialogue is None else dialogue.user
        if not isinstance(state, DialogueState) or state.runner is not runner or state.journal is None:
            continue
        entry = state.journal
        if not entry.settled or state.wait != REPORT:
            busy = True
            continue
        entries.append(HeldEntry(tid, entry.fence, entry.journal.owner, b""))
        runner.let_go(state)
    return entries, busy
