"""A replay to a node that answers as it is told: what goes out, when, with which ids, and what is made of it."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import replay_lab
from scripted_scf import RETURNED, ScriptedScf, end, going_on

from oracles import virtual_time
from oracles.loopback import pair
from scp.capture.source import Capture
from scp.replay.dialogues import ReplayedDialogue
from scp.replay.live import LiveReplay
from scp.replay.pace import Pace, Start
from scp.replay.records import Snapshot
from scp.replay.replay_transport import Label
from scp.replay.report import NODE, Report, operations
from scp.simulator.endpoint import Side, machine
from ss7 import sccp, tcap
from ss7.cap.contexts import CAP_V2, CONTEXTS
from ss7.cap.operations import Opcode
from ss7.rose import encode_invoke
from ss7.tcap_dialogue import Aarq, Abrt, encode_dialogue

CONTINUE, REPORT = encode_invoke(1, Opcode.CONTINUE), encode_invoke(2, Opcode.EVENT_REPORT_BCSM, b"\x30\x00")
RELEASE = encode_invoke(1, Opcode.RELEASE_CALL, b"\x04\x02\x80\x90")
THEIRS = b"\x07\0\0\1"
"""Transaction id of the capture's SCP."""


def begin(number: int = 1, *, structured: bool = True) -> bytes:
    portion = encode_dialogue(Aarq(CAP_V2.octets)) if structured else b""
    return tcap.build_begin(
        number.to_bytes(4, "big"), portion, [encode_invoke(1, Opcode.INITIAL_DP, b"\x30\x00")]
    )


TID = (1).to_bytes(4, "big")


def held(*, ended: bytes | None = None) -> list[tuple[float, bool, bytes]]:
    """A dialogue that the capture's SCP holds open, gets a report in, and ends."""
    request = begin()
    message = tcap.decode(request)
    return [
        (0.0, True, request),
        (0.1, False, going_on(message, CONTINUE, tid=THEIRS)),
        (0.2, True, tcap.build_continue(TID, THEIRS, b"", [REPORT])),
        (0.3, False, ended or tcap.build_end(TID, b"", [CONTINUE])),
    ]


class Outcome:
    def __init__(
        self, done: list[ReplayedDialogue], node: ScriptedScf, skipped: Counter[str], times: array[float]
    ) -> None:
        self.done = done
        self.heard = node.received_messages
        self.skipped = skipped
        self.times = times

    @property
    def verdicts(self) -> list[str]:
        report = Report({}, Snapshot({}), who=NODE)
        for replayed in self.done:
            report.take(replayed)
        return sorted(str(verdict) for verdict in report.verdicts.elements())


def make(
    node_type: type[ScriptedScf], script: Any, within: float
) -> tuple[LiveReplay, ScriptedScf, list[ReplayedDialogue]]:
    """A replay and a node with a script, over a loopback pair; in a running loop."""
    network = replay_lab.NETWORK
    label = Label(
        opc=network.point_code,
        dpc=network.scp_point_code,
        network_indicator=0,
        ssn=146,
        called=network.called(),
        calling=network.calling(),
    )
    done: list[ReplayedDialogue] = []
    live = LiveReplay(
        machine(Side.GATEWAY, -1), label, done.append, Counter(), random=Random(1), within=within
    )
    live._clock = asyncio.get_running_loop().time
    node = node_type(script, clock=live._clock)
    pair(live.link, node)
    return live, node, done


def play(
    path: Path,
    script: Callable[[Any, int], Sequence[Any]] | None,
    *,
    pace: Pace | None = None,
    within: float = 0.3,
    node_type: type[ScriptedScf] = ScriptedScf,
) -> Outcome:
    """Replay a capture to a node with a script."""

    async def run() -> Outcome:
        live, node, done = make(node_type, script, within)
        async with asyncio.timeout(30):
            await live.run(Capture(path), pace or Pace(speed=100), 5, lambda messages: None)
        for _ in range(3):
            await asyncio.sleep(0)
        live.stop()
        return Outcome(done, node, live.skipped, live.times)

    return virtual_time.run(run())


def as_captured(message: tcap.Message, _: int) -> list[bytes]:
    """The node says what the capture's SCP said."""
    if message.kind == tcap.BEGIN:
        return [going_on(message, CONTINUE, tid=b"\xaa\xbb")]
    return [tcap.build_end(message.otid, b"", [CONTINUE])]


def test_a_dialogue_goes_on_under_new_ids_once_the_node_has_answered_alike(tmp_path: Path) -> None:
    outcome = play(replay_lab.write(tmp_path / "held.pcap", *held()), as_captured)
    request, report = outcome.heard
    assert request.otid == report.otid != TID
    assert report.dtid == b"\xaa\xbb"
    assert operations(tcap.encode(report), 2) == "eventReportBCSM"
    [replayed] = outcome.done
    assert (outcome.verdicts, replayed.notes, len(replayed.ours)) == (["same"], [], 2)
    assert len(outcome.times) == 1
    assert 0 <= outcome.times[0] == replayed.seconds


class Raw(ScriptedScf):
    """A node that keeps octets and answers nothing."""

    def received(self, messages: Sequence[tuple[int, bytes]]) -> None:
        for stream, octets in messages:
            data = self.machine.receive(octets, stream, 0.0)
            if data is not None:
                self.received_messages.append(sccp.decode(data.payload).data)
        self.flush()


def test_what_no_encoder_would_write_goes_out_as_it_was_captured(tmp_path: Path) -> None:
    """A component that is none, and octets behind the message."""
    rest = bytes.fromhex("6c05 ae03020107 ffff")
    odd = bytes.fromhex("620d 4804 00000001") + rest
    outcome = play(replay_lab.write(tmp_path / "odd.pcap", (0, True, odd)), None, node_type=Raw, within=0.05)
    [octets] = outcome.heard
    assert (octets[:4], octets[8:]) == (odd[:4], rest)
    assert octets[4:8] != TID


@pytest.mark.parametrize("structured", [True, False])
def test_a_node_that_answers_otherwise_is_told_no_more(tmp_path: Path, structured: bool) -> None:
    messages = [(0.0, True, begin(structured=structured)), *held()[1:]]
    outcome = play(
        replay_lab.write(tmp_path / "held.pcap", *messages),
        lambda message, _: (
            [going_on(message, RELEASE, tid=b"\xaa\xbb")] if message.kind == tcap.BEGIN else []
        ),
    )
    _, last = outcome.heard
    assert (last.kind, last.dtid) == (tcap.ABORT, b"\xaa\xbb")
    assert last.dialogue == (Abrt(0) if structured else None)
    [replayed] = outcome.done
    assert replayed.notes == ["the node answers otherwise", "messages of the switch not sent: 1"]
    assert outcome.verdicts == ["different"]


def test_a_node_that_ends_the_dialogue_is_told_no_more(tmp_path: Path) -> None:
    outcome = play(
        replay_lab.write(tmp_path / "held.pcap", *held()), lambda message, _: [end(message, CONTINUE)]
    )
    assert len(outcome.heard) == 1
    [replayed] = outcome.done
    assert replayed.notes == ["messages of the switch not sent: 1"]
    assert outcome.verdicts == ["different"]


def test_a_dialogue_that_the_node_alone_holds_open_is_aborted(tmp_path: Path) -> None:
    request = begin()
    path = replay_lab.write(
        tmp_path / "ended.pcap", (0.0, True, request), (0.1, False, end(tcap.decode(request), CONTINUE))
    )
    outcome = play(path, as_captured)
    assert [message.kind for message in outcome.heard] == [tcap.BEGIN, tcap.ABORT]
    assert outcome.verdicts == ["different"]


def test_a_node_that_says_nothing_is_not_waited_for_longer_than_said(tmp_path: Path) -> None:
    outcome = play(replay_lab.write(tmp_path / "held.pcap", *held()), lambda *_: [], within=0.1)
    assert len(outcome.heard) == 1
    [replayed] = outcome.done
    assert replayed.notes == ["no answer of the node's within 0.1 s", "messages of the switch not sent: 1"]
    assert outcome.verdicts == ["silent"]


def test_a_message_that_sccp_brings_back_is_said(tmp_path: Path) -> None:
    outcome = play(replay_lab.write(tmp_path / "held.pcap", *held()), lambda *_: [RETURNED])
    [replayed] = outcome.done
    assert replayed.notes[0] == "returned by SCCP: unequipped user (return cause 4, Q.713 §3.12)"
    assert outcome.verdicts == ["silent"]


def test_a_replay_that_is_stopped_reports_what_it_has(tmp_path: Path) -> None:
    """An hour before the switch says more, somebody has had enough."""
    first, *rest = held()
    path = replay_lab.write(tmp_path / "long.pcap", first, *((at + 3600, *said) for at, *said in rest))

    async def run() -> list[ReplayedDialogue]:
        asked = asyncio.Event()
        live, _, done = make(ScriptedScf, lambda *_: asked.set() or [], 5)
        running = asyncio.create_task(live.run(Capture(path), Pace(), 5, lambda messages: None))
        async with asyncio.timeout(30):
            await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        live.stop()
        return done

    [replayed] = virtual_time.run(run())
    assert replayed.notes == ["the replay was stopped before it was over"]
    assert (len(replayed.messages), replayed.ours, replayed.theirs) == (1, [], [])


def test_an_answer_that_comes_too_late_or_twice_is_counted(tmp_path: Path) -> None:
    request = begin()
    path = replay_lab.write(
        tmp_path / "twice.pcap", (0.0, True, request), (0.1, False, end(tcap.decode(request), CONTINUE))
    )
    outcome = play(path, lambda message, _: [end(message, CONTINUE)] * 2)
    assert outcome.verdicts == ["same"]
    assert outcome.skipped == {"of the node's, in no dialogue that is open": 1}


def test_a_call_without_an_answer_in_the_capture_shows_what_the_node_answers(tmp_path: Path) -> None:
    outcome = play(
        replay_lab.write(tmp_path / "unanswered.pcap", (0.0, True, begin())),
        lambda message, _: [end(message, CONTINUE)],
    )
    assert outcome.verdicts == ["unanswered"]
    assert len(outcome.done[0].ours) == 1


def test_dialogues_for_others_and_of_other_contexts_stay_away_from_the_node(tmp_path: Path) -> None:
    context = next(each for each in CONTEXTS if not each.call_control)
    portion = encode_dialogue(Aarq(context.octets))
    other = tcap.build_begin(b"\0\0\0\2", portion, [encode_invoke(1, Opcode.INITIAL_DP, b"\x30\x00")])
    path = replay_lab.write(tmp_path / "others.pcap", (0.0, True, begin()), (0.1, True, other))
    outcome = play(path, lambda message, _: [end(message, CONTINUE)])
    assert len(outcome.heard) == outcome.skipped["of another application context"] == 1


def test_every_dialogue_has_an_id_of_its_own_whatever_the_capture_has(tmp_path: Path) -> None:
    messages = [(0.01 * each, True, begin(each % 3 + 1)) for each in range(60)]
    seen = []

    def script(message: tcap.Message, _: int) -> list[bytes]:
        seen.append(message.otid)
        return [end(message, CONTINUE)]

    outcome = play(replay_lab.write(tmp_path / "many.pcap", *messages), script, pace=Pace(rate=5000))
    assert len(set(seen)) == len(seen) == len(outcome.done) == 60


@pytest.mark.parametrize(
    ("pace", "due"),
    [
        (Pace(), [100.0, 100.5, 102.0, 103.0]),
        (Pace(speed=4), [100.0, 100.125, 100.5, 100.75]),
        (Pace(rate=10), [100.0, 0.0, 100.1, 0.0]),
    ],
)
def test_when_messages_leave(tmp_path: Path, pace: Pace, due: list[float]) -> None:
    """At the capture's times, or faster; at a rate, what is said later does not wait for a time."""
    report = tcap.build_continue(TID, THEIRS, b"", [REPORT])
    path = replay_lab.write(
        tmp_path / "times.pcap",
        (0, True, begin(1)),
        (0.5, True, report),
        (2, True, begin(2)),
        (3, True, report),
    )
    messages = [item for item in Capture(path) if hasattr(item, "tcap") and item.tcap]
    start = Start(100.0, pace)
    assert [
        start.due(message, begun) for message, begun in zip(messages, [0, 1, 1, 2], strict=True)
    ] == pytest.approx(due)


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"speed": -1}, {"rate": -0.5}, {"speed": float("nan")}])
def test_a_pace_that_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pace(**wrong)


def test_what_keeps_a_replay_from_beginning_is_said(
    monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    replay_lab.impatient(monkeypatch)
    path = replay_lab.PCAPS / "cap2-steered.pcapng"
    output = replay_lab.run("replay", path, "--to", f"127.0.0.1:{free_tcp_port}", code=2)
    assert "association not active after 0.3 s" in output
    assert "refused" in output
    replay_lab.run("replay", path, "--to", "nowhere:x", code=2)
    replay_lab.run("replay", path, "--to", "127.0.0.1:1", "--speed", "0", code=2)
    replay_lab.run("replay", path, "--to", "127.0.0.1:1", "--point-code", "9-9", code=2)
    assert "--to HOST:PORT" in replay_lab.run("replay", path, code=2)
    assert "its reasons" in replay_lab.run(
        "replay", path, "--to", "127.0.0.1:1", "--reason", "at-home", code=2
    )
