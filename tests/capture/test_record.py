"""Recordings: what a node says and hears, chosen, bounded, masked, and readable again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scp.capture.decode import Decoder, Filter
from scp.capture.record import Recorder, RecordSettings
from scp.capture.source import Capture
from scp.capture.wire.messages import Message

ROOT = Path(__file__).parents[2]
STEERED, ORIGINATING, CHARGED = (
    ROOT / "pcaps" / f"{name}.pcapng" for name in ("cap2-steered", "cap2-originating", "charged-v4")
)


class Node:
    """A user of a transport that answers nothing."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.heard: list[tuple[int, bytes]] = []

    def connected(self, transport: Any) -> None:
        self.transport = transport

    def received(self, messages: Any) -> None:
        self.heard += messages

    def disconnected(self, reason: str) -> None:
        self.transport = None


class Wire:
    name = "stp-a"
    streams = 17
    more = False

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.closed = False

    def send(self, messages: Any) -> None:
        self.sent += messages

    def close(self, *, abort: bool = False) -> None:
        self.closed = True


def said(path: Path) -> list[tuple[bool, bytes]]:
    """What goes over the wire in a capture: from the node (the SCP, .30) or not, and the message."""
    return [
        (item.signal.way.source.endswith(b"\x1e"), item.signal.octets)
        for item in Capture(path)
        if isinstance(item, Message)
    ]


def recorded(tmp_path: Path, settings: RecordSettings, *paths: Path, times: int = 1) -> Recorder:
    now = [1000.0]
    recorder = Recorder(tmp_path, "rec", settings, lambda: now[0])
    node, wire = Node(), Wire()
    tap = recorder.tap(node, "stp-a")
    tap.connected(wire)
    assert node.transport.streams == 17
    for _ in range(times):
        for path in paths:
            for sent, octets in said(path):
                if sent:
                    node.transport.send([(1, octets)])
                else:
                    tap.received([(1, octets)])
            now[0] += 10
    assert len(wire.sent) + len(node.heard) == times * sum(len(said(path)) for path in paths)
    recorder.close()
    return recorder


def shown(tmp_path: Path) -> list[dict[str, Any]]:
    files = sorted(tmp_path.glob("rec-*.pcapng"))
    return [each for path in files for each in Decoder(Filter()).show(Capture(path))]


def test_everything_is_recorded_in_order(tmp_path: Path) -> None:
    recorder = recorded(tmp_path, RecordSettings(), STEERED, CHARGED)
    expected = [octets for path in (STEERED, CHARGED) for _, octets in said(path)]
    assert [octets for _, octets in said(tmp_path / "rec-0001.pcapng")] == expected
    assert recorder.written == len(expected)


def test_only_the_dialogues_of_a_number_are_recorded(tmp_path: Path) -> None:
    recorded(tmp_path, RecordSettings(numbers=("070123",)), STEERED, ORIGINATING)
    messages = shown(tmp_path)
    assert [each["tcap"]["type"] for each in messages] == ["begin", "end"]
    assert "0701234567" in str(messages[0])


def test_files_are_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    recorded(tmp_path, RecordSettings(max_octets=2000, files=2), CHARGED, times=5)
    files = sorted(tmp_path.glob("rec-*.pcapng"))
    assert len(files) == 2
    assert files[0].name > "rec-0001.pcapng"
    assert all(path.stat().st_size < 3000 for path in files)


def test_more_than_the_rate_is_counted_and_not_written(tmp_path: Path) -> None:
    recorder = recorded(tmp_path, RecordSettings(rate=5), STEERED)
    assert recorder.written == 5
    assert recorder.dropped["over the rate"] == len(said(STEERED)) - 5


def test_a_masked_recording_has_no_number(tmp_path: Path) -> None:
    recorded(tmp_path, RecordSettings(key=b"secret"), CHARGED)
    messages = shown(tmp_path)
    assert len(messages) == len(said(CHARGED))
    assert "46701234567" not in str(messages)
    assert "240011234567890" not in str(messages)


def test_a_disk_that_fails_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    recorder = recorded(tmp_path / "absent", RecordSettings(), STEERED)
    assert recorder.failure
    assert recorder.dropped["recording has ended"] == len(said(STEERED)) - 1


@pytest.mark.parametrize("abort", [True, False])
def test_closing_passes_through(tmp_path: Path, abort: bool) -> None:
    node, wire = Node(), Wire()
    tap = Recorder(tmp_path, "rec", RecordSettings()).tap(node, "stp-a")
    tap.connected(wire)
    node.transport.close(abort=abort)
    assert wire.closed
    tap.disconnected("gone")
    assert node.transport is None
