"""Held calls outlive the process that serves them: killed, started anew, drained, on SQLite and on Redis."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "deploy"))  # real_node.py

from held_switch import CONNECTED, HeldSwitch, number_in
from real_node import RealNode
from room import DIALLED, MSISDN, STEERED

from ss7 import tcap
from ss7.cap.operations import Opcode

RESCUE = "rescue = true\nno_answer_s = 15"
JOURNAL = "[journal]\nenabled = true\n"


def records(folder: Path, name: str) -> list[dict]:
    """The CDRs in a node's file."""
    from scp.store.ledger_open import open_cdrs

    async def read() -> list[dict]:
        store = open_cdrs(f"sqlite:{folder / name}", "", "", read_only=True)
        await store.open()
        found = [json.loads(each.json) for each in await store.page(0, 999)]
        await store.close()
        return found

    return asyncio.run(read())


def test_a_node_that_is_killed_and_started_again_goes_on_with_its_calls(tmp_path: Path) -> None:
    """SQLite: at every step of a rescued call the node dies; the next process serves the next step."""
    node = RealNode(tmp_path, service=RESCUE)
    node.extra = JOURNAL
    port = int(node.settings["m3ua"])

    async def first(of: HeldSwitch) -> list:
        await of.connect(port)
        return [await of.held(port) for _ in range(3)]

    async def second(of: HeldSwitch, calls: list) -> None:
        await of.connect(port)
        for call in calls[:2]:
            call.busy(port)
            answer = await call.answer(2)
            assert answer.opcodes == CONNECTED
            assert number_in(answer) == DIALLED
            assert (answer.message.kind, answer.message.otid) == (tcap.CONTINUE, call.dtid)

    async def third(of: HeldSwitch, calls: list) -> None:
        await of.connect(port)
        calls[0].busy(port)
        assert (await calls[0].answer(3)).opcodes == [Opcode.CONTINUE]
        assert calls[0].answers[2].message.kind == tcap.END
        for call in calls[1:]:
            call.answered(port)
            call.cleared(port)
            answer = await call.answer(3 if call is calls[1] else 2)
            assert (answer.message.kind, answer.message.components) == (tcap.END, [])

    of = HeldSwitch()

    def process(step, *arguments, killed: bool = True):
        async def stepped():
            try:
                return await step(of, *arguments)
            finally:
                await of.close()

        with node.running():
            if not arguments:
                node.provision(MSISDN)
            result = asyncio.run(stepped())
            node.signal(signal.SIGKILL if killed else signal.SIGTERM)
            node.ended()
        return result

    calls = process(first)
    process(second, calls)
    process(third, calls, killed=False)
    assert {number_in(call.answers[0]) for call in calls} == {STEERED}
    found = records(tmp_path, "store.db.cdr")
    assert [each.get("failed_attempts", "").count(":17") for each in found] == [2, 1, 0]
    assert ["answered_ms" in each for each in found] == [False, True, True]
    assert {(each["number"], each["action"]) for each in found} == {(STEERED, "connect")}
    assert all(each["received_ms"] < each["disconnected_ms"] for each in found[1:])
