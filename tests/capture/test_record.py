"""Recordings: what a node says and hears, chosen, bounded, masked, and readable again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scp.capture.decode import Decoder, Filter
from scp.capture.record import Recorder, RecordSettings
from scp.capture.source import Capture
from scp.capture.wire.messages import Message
from scp.domain.numbers import Numbering

ROOT = Path(__file__).parents[2]
STEERED, ORIGINATING, CHARGED = (
    ROOT / "pcaps" / f"{name}.pcapng" for name in ("cap2-steered", "cap2-originating", "charged-v4")
)


def said(path: Path) -> list[tuple[bool, bytes]]:
    """What goes over the wire in a capture: from the node (the SCP, .30) or not, and the message."""
    return [
        (item.signal.way.source.endswith(b"\x1e"), item.signal.octets)
        for item in Capture(path)
        if isinstance(item, Message)
    ]


def recorded(tmp_path: Path, settings: RecordSettings, *paths: Path, times: int = 1) -> Recorder:
    now = [1000.0]
    recorder = Recorder(tmp_path, "rec", settings, Numbering(country_code="46"), lambda: now[0])
    for _ in range(times):
        for path in paths:
            for sent, octets in said(path):
                recorder.take("stp-a", 1, octets, sent=sent)
            now[0] += 10
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
    recorded(tmp_path, RecordSettings(numbers=("46701234567",)), STEERED, ORIGINATING)
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


@pytest.mark.parametrize(
    "name", ["map-message", "map-mobility", "map-locate", "cap3-messages", "map-segmented"]
)
def test_a_masked_recording_of_map_and_messages_has_no_number_and_no_text(tmp_path: Path, name: str) -> None:
    path = ROOT / "pcaps" / f"{name}.pcapng"
    before = list(Decoder(Filter()).show(Capture(path)))
    recorder = recorded(tmp_path, RecordSettings(key=b"secret"), path)
    assert not recorder.dropped
    after = [each for each in shown(tmp_path) if "tcap" in each]
    assert len(after) == len([each for each in before if "tcap" in each])
    for number in {each for one in before for each in re.findall(r"'digits': '(\d{7,})'", str(one))}:
        assert number not in str(after)
    octets = b"".join(file.read_bytes() for file in tmp_path.glob("rec-*.pcapng"))
    texts = [
        item.tcap[item.tcap.index(_DELIVER) + 19 :][:4]
        for item in Capture(path)
        if isinstance(item, Message) and _DELIVER in item.tcap
    ]
    assert bool(texts) == (name in {"map-message", "map-segmented"})
    assert not any(text in octets for text in texts)


_DELIVER = b"\x04\x0b\x91"
"""How the SMS-DELIVERs of the captures begin; what they say is 19 octets on."""


def test_a_disk_that_fails_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    recorder = recorded(tmp_path / "absent", RecordSettings(), STEERED)
    assert recorder.failure
    assert recorder.dropped["recording has ended"] == len(said(STEERED)) - 1


def test_peers_are_told_apart_and_chosen(tmp_path: Path) -> None:
    recorder = Recorder(
        tmp_path, "rec", RecordSettings(peers=("stp-a", "stp-b")), Numbering(country_code="46")
    )
    messages = said(STEERED)
    for sent, octets in messages:
        for peer in ("stp-a", "stp-b", "stp-c"):
            recorder.take(peer, 1, octets, sent=sent)
    recorder.close()
    ways = {
        frozenset((item.signal.way.source, item.signal.way.destination))
        for item in Capture(tmp_path / "rec-0001.pcapng")
        if isinstance(item, Message)
    }
    assert recorder.written == 2 * len(messages)
    assert len(ways) == 2


def test_a_recording_can_be_read_while_it_goes_on(tmp_path: Path) -> None:
    now = [1000.0]
    recorder = Recorder(tmp_path, "rec", RecordSettings(), Numbering(country_code="46"), lambda: now[0])
    for sent, octets in said(STEERED):
        recorder.take("stp-a", 1, octets, sent=sent)
        now[0] += 2.0
        assert len(shown(tmp_path)) == recorder.written
    assert recorder.written == len(said(STEERED)) > 1
    recorder.close()


def test_a_new_recording_goes_on_after_the_last_file(tmp_path: Path) -> None:
    for _ in range(2):
        recorded(tmp_path, RecordSettings(), STEERED)
    assert [path.name for path in sorted(tmp_path.glob("*"))] == ["rec-0001.pcapng", "rec-0002.pcapng"]
