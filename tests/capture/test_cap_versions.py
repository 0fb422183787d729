"""The CAP version of a dialogue: any context in the capture says it; where there is none, what fits is taken and said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_capture import write
from typer.testing import CliRunner

from scp.capture.anonymise import Anonymiser
from scp.capture.cap_version import MAP, MAP_BY_VERSION, OTHER, version_of_context
from scp.capture.decode import Decoder, Filter
from scp.capture.disguise import Disguise
from scp.capture.hex_input import decode_octets
from scp.capture.source import Capture
from scp.capture.tcap_view import dialogue_json, is_error
from scp.capture.text import line, tree
from scp.capture.write import PcapNgWriter
from scp.cli import app
from ss7 import tcap
from ss7.cap.contexts import BY_VERSION, CONTEXTS
from ss7.rose import Invoke
from ss7.tcap import CONTINUE, END, Message
from ss7.tcap_dialogue import Aare, Aarq, Abrt, oid_octets

# applyCharging of CAP v2: the tone is a BOOLEAN, in v3 and v4 an optional NULL or an OCTET STRING [1] of another shape
V2_CHARGING = bytes.fromhex(
    "65274801234904b20001916c1ca11a0201050201233012800ba00980020122a1030101ffa203800101"
)
SWITCH, SCF = b"\x23", bytes.fromhex("b2000191")
[CHARGING] = tcap.decode(V2_CHARGING).components


def said(kind: int, dialogue: Any = None, *, from_switch: bool, components: list[Any] | None = None) -> bytes:
    otid, dtid = (SWITCH, SCF) if from_switch else (SCF, SWITCH)
    return tcap.encode(
        Message(kind, b"" if kind == END else otid, dtid, dialogue=dialogue, components=components or [])
    )


def accepted(version: int) -> Aare:
    return Aare(BY_VERSION[version].octets, 0, 1, 0)


def charging(*, from_switch: bool = False) -> bytes:
    return said(CONTINUE, from_switch=from_switch, components=[CHARGING])


def shown(path: Path, version: int = 0) -> list[dict[str, Any]]:
    return list(Decoder(Filter(), version).show(Capture(path)))


def tone(message: dict[str, Any]) -> Any:
    [component] = message["components"]
    contents = component["argument"]["aChBillingChargingCharacteristics"]
    return contents.get("timeDurationCharging", {}).get("releaseIfdurationExceeded")


def test_the_context_of_an_answer_counts_where_the_begin_is_missing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "late.pcap",
        (0.0, False, said(CONTINUE, accepted(2), from_switch=False)),
        (0.1, True, said(CONTINUE, from_switch=True)),
        (0.2, False, charging()),
    )
    [*_, last] = shown(path)
    assert tone(last) == {"tone": True}
    assert "cap_version" not in last


def test_a_context_later_in_the_file_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "unordered.pcap",
        (0.0, False, charging()),
        (0.1, True, said(CONTINUE, from_switch=True)),
        (0.2, False, said(CONTINUE, accepted(4), from_switch=False)),
    )
    [first, *_] = shown(path)
    assert "cap_version" not in first  # v4 is known, whatever would fit better
    assert tone(first) != {"tone": True}


def test_a_begin_that_stands_behind_its_dialogue_in_the_file_counts(tmp_path: Path) -> None:
    begin = tcap.encode(Message(tcap.BEGIN, SWITCH, dialogue=Aarq(BY_VERSION[2].octets)))
    path = write(tmp_path / "joined.pcap", (0.1, False, charging()), (0.0, True, begin))
    [first, _] = shown(path)
    assert tone(first) == {"tone": True}
    assert "cap_version" not in first
    again = write(
        tmp_path / "reused.pcap", (0.1, False, charging()), (9.0, True, begin)
    )  # the id is used again
    assert shown(again)[0]["cap_version"] == 2


def test_an_answer_s_context_replaces_the_one_that_was_asked_for(tmp_path: Path) -> None:
    begin = tcap.encode(Message(tcap.BEGIN, SWITCH, dialogue=Aarq(BY_VERSION[4].octets)))
    path = write(
        tmp_path / "other.pcap",
        (0.0, True, begin),
        (0.1, False, said(CONTINUE, accepted(2), from_switch=False)),
        (0.2, False, charging()),
    )
    assert tone(shown(path)[-1]) == {"tone": True}


def test_without_any_context_the_version_that_fits_is_taken_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "none.pcap", (0.0, False, charging()))
    [message] = shown(path)
    assert tone(message) == {"tone": True}
    assert message["cap_version"] == 2
    assert "--cap-version" in message["cap_version_reason"]
    assert "(CAP v2 assumed: --cap-version)" in line(message)
    assert "cap_version_reason: assumed: it alone fits" in tree(message)
    [message] = shown(path, version=4)
    assert "cap_version" not in message
    assert tone(message) != {"tone": True}


def test_all_messages_of_a_dialogue_narrow_its_version(tmp_path: Path) -> None:
    """continue fits every version, applyCharging this one: the file is read ahead, a pipe can't be."""
    release = Invoke(1, 22, b"\x04\x02\x80\x90")
    path = write(
        tmp_path / "narrow.pcap",
        (0.0, False, said(CONTINUE, from_switch=False, components=[release])),
        (0.1, False, charging()),
    )
    known = [each["components"][0]["argument"] for each in shown(path)]
    assert known[0]["value"] == 16
    done = subprocess.run(
        [sys.executable, "-m", "scp.cli", "decode", "-", "--json"],
        input=path.read_bytes(),
        capture_output=True,
        check=True,
    )
    piped = [json.loads(each) for each in done.stdout.splitlines()]
    assert tone(piped[1]) == {"tone": True}


def test_nothing_is_said_of_the_version_where_it_changes_nothing() -> None:
    message = decode_octets(said(CONTINUE, from_switch=False, components=[Invoke(1, 31)]))
    assert "cap_version" not in message
    message = decode_octets(said(CONTINUE, accepted(2), from_switch=False, components=[CHARGING]))
    assert "cap_version" not in message


def test_octets_of_a_message_or_an_argument_are_tried() -> None:
    message = decode_octets(V2_CHARGING)
    assert (tone(message), message["cap_version"]) == ({"tone": True}, 2)
    assert "cap_version" not in decode_octets(V2_CHARGING, version=4)
    argument = decode_octets(CHARGING.parameter, "cap", operation="applyCharging")
    assert argument["cap_version"] == 2
    contents = decode_octets(
        bytes.fromhex("a00980020122a1030101ff"), "CAMEL-AChBillingChargingCharacteristics"
    )
    assert tone(
        {"components": [{"argument": {"aChBillingChargingCharacteristics": next(iter(contents.values()))}}]}
    ) == {"tone": True}


def test_the_option_is_there_for_captures_too(tmp_path: Path) -> None:
    path = write(tmp_path / "none.pcap", (0.0, False, charging()))
    done = CliRunner().invoke(app, ["decode", str(path), "--lines", "--cap-version", "4"])
    assert done.exit_code == 0, done.output
    assert "assumed" not in done.output
    assert "1 decoded in part" in done.output


def test_the_end_of_a_dialogue_that_began_before_is_shown(tmp_path: Path) -> None:
    end = said(END, from_switch=False, components=[Invoke(1, 31)])
    path = write(tmp_path / "end.pcap", (0.0, False, end), (5.0, False, end))
    assert [each["components"][0]["operation"] for each in shown(path)] == ["continue", "continue"]


@pytest.mark.parametrize(
    ("context", "version"),
    [
        *((each.text, each.version) for each in CONTEXTS),
        ("0.4.0.0.1.0.50.9", 4),  # none of CAP's, and of no other protocol
        ("0.4.0.0.1.21.3.99", 3),
        ("0.4.0.0.1.0.5.3", MAP_BY_VERSION[3]),
        ("0.4.0.0.1.0.5.1", MAP_BY_VERSION[1]),
        ("0.4.0.0.1.0.99.3", MAP),
        ("0.4.0.0.1.0.1.3", MAP_BY_VERSION[3]),
        ("0.4.0.1.1.1.0.0", OTHER),  # ETSI core INAP CS-1
        ("0.0.17.1218.3.0", OTHER),
        ("1.3.12.2.1006.2", OTHER),
    ],
)
def test_the_protocol_of_a_context(context: str, version: int) -> None:
    assert version_of_context(oid_octets(context)) == version


def test_operations_of_inap_are_not_shown_as_those_of_cap(tmp_path: Path) -> None:
    inap = Aarq(oid_octets("0.4.0.1.1.1.0.0"))
    begin = tcap.encode(
        Message(tcap.BEGIN, SWITCH, dialogue=inap, components=[Invoke(1, 0, bytes.fromhex("3003800101"))])
    )
    path = write(tmp_path / "inap.pcap", (0.0, True, begin), (0.1, False, charging()))
    first, second = shown(path)
    for message, opcode, octets in ((first, 0, "3003800101"), (second, 35, CHARGING.parameter.hex())):
        [component] = message["components"]
        assert (component["operation"], component["parameter"]) == (f"operation-{opcode}", octets)
    assert "context 0.4.0.1.1.1.0.0 operation-0" in line(first)
    assert first["tcap"]["application_context"] == "0.4.0.1.1.1.0.0"


def anonymised(path: Path, out: Path) -> Anonymiser:
    run = Anonymiser(Disguise(b"a key"))
    with out.open("wb") as stream:
        run.run(Capture(path), PcapNgWriter(stream))
    return run


def test_dialogues_that_began_before_are_anonymised_where_every_version_that_fits_replaces_alike(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "before.pcap", (0.0, False, charging()))
    run = anonymised(path, tmp_path / "shared.pcapng")
    assert (run.written, dict(run.left_out)) == (1, {})
    assert tone(shown(tmp_path / "shared.pcapng")[0]) == {"tone": True}
    inap = Aarq(oid_octets("0.4.0.1.1.1.0.0"))
    begin = tcap.encode(Message(tcap.BEGIN, SWITCH, dialogue=inap))
    run = anonymised(write(tmp_path / "inap.pcap", (0.0, True, begin)), tmp_path / "none.pcapng")
    assert (run.written, dict(run.left_out)) == (0, {"neither CAP nor MAP": 1})


def test_user_information_of_a_dialogue_portion_is_shown() -> None:
    abort = Abrt(user_information=bytes.fromhex("280e060704000001010202a0030a0105"))
    [reason] = dialogue_json(abort)["user_information"]
    assert reason["cAP-U-ABORT-Reason"] == "congestion"
    broken = dialogue_json(Abrt(user_information=b"\x28\x05\x06"))["user_information"]
    assert is_error(broken)
    assert broken["octets"] == "280506"
