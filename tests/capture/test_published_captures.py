"""The captures in pcaps/: what the manifest says, what we read and what tshark reads are the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from oracles import tshark
from scp.capture.decode import Decoder, Filter
from scp.capture.source import Capture
from scp.config import SmsControl
from scp.config.sms_control import SmsCharging
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber, When
from scp.replay.offline import Replay
from scp.replay.records import Snapshot
from scp.replay.report import Report
from scp.replay.short_messages import settings_of
from scp.services.voip_forwarding import VoipForwarding

ROOT = Path(__file__).parents[2]
MANIFEST = json.loads((ROOT / "pcaps" / "manifest.json").read_text(encoding="utf-8"))
ENTRIES = MANIFEST["captures"]
NAMES = [entry["file"] for entry in ENTRIES]
OF_MAP = {name for name in NAMES if name.startswith("map-")}
OF_SMPP = [entry["file"] for entry in ENTRIES if "pdus" in entry]
# In the packet of several messages, tshark's fields don't say which message each belongs to.
SEVERAL = {"transport.pcapng"}
NOT_OF_THE_SERVICE = {"busy.pcapng", "charged-v2.pcapng", "charged-v4.pcapng", "released.pcapng"}
UNANSWERED = {"unanswered.pcapng", "transport.pcapng", "interleaving.pcapng"}
CALLS = {"transport.pcapng": 5, "interleaving.pcapng": 2, "tcp.pcapng": 2}
STEERED = SmsControl(originating="steer", smsc="46700000099")
BARRED = SmsControl(originating="bar", terminating="bar")
PAID = SmsControl(
    originating="steer",
    smsc="46700000099",
    charging=SmsCharging(pays=("sent", "received"), furnish=True),
)
MESSAGES = {  # with the control that the capture's gsmSCF had for most of them
    "cap3-messages.pcapng": (STEERED, ["same", "same", "different", "same"]),
    "cap4-messages.pcapng": (BARRED, ["different", "different", "same", "same"]),
    "cap3-paid-messages.pcapng": (PAID, ["different"] * 3),
    "cap4-paid-messages.pcapng": (PAID, ["different"] * 2),
}

FIELDS = (
    "frame.number",
    "tcap.otid",
    "tcap.dtid",
    "camel.local",
    "gsm_old.localValue",
    "camel.serviceKey",
    "e164.called_party_number.digits",
    "e164.calling_party_number.digits",
    "gsm_a.dtap.cld_party_bcd_num",
    "e212.imsi",
)
KINDS = {"begin": "tcap.begin_element", "continue": "tcap.continue_element", "end": "tcap.end_element"}


def ours(name: str) -> list[dict[str, Any]]:
    return list(Decoder(Filter()).show(Capture(ROOT / "pcaps" / name)))


def operations(shown: dict[str, Any]) -> list[int]:
    return [component["opcode"] for component in shown.get("components", ()) if component["type"] == "invoke"]


def test_the_files_are_what_the_script_makes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "pcaps" / "make.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_we_read_what_the_manifest_says(entry: dict[str, Any]) -> None:
    shown = ours(entry["file"])
    messages = [each for each in shown if "tcap" in each]
    assert len(messages) == len(entry["messages"])
    for message, expected in zip(
        messages,
        sorted(entry["messages"], key=lambda m: m["otid"] if entry["file"] in SEVERAL else ""),
        strict=True,
    ):
        assert message["frame"] == expected["frame"]
        if expected.get("fault"):
            assert "error" in message["tcap"]
            continue
        tcap = message["tcap"]
        assert (tcap["type"], tcap.get("otid"), tcap.get("dtid")) == (
            expected["type"],
            expected.get("otid"),
            expected.get("dtid"),
        )
        assert operations(message) == expected["operations"]
    faults = [(each["frame"], each["fault"]["layer"]) for each in shown if "fault" in each]
    assert faults == [(fault["frame"], fault["layer"]) for fault in entry.get("faults", ())]


def leaves(value: Any, name: str) -> list[str]:
    """The digits of every field of this name."""
    found = []
    if isinstance(value, dict):
        for key, item in value.items():
            if key == name:
                items = item if isinstance(item, list) else [item]
                found += [each["digits"] for each in items if isinstance(each, dict) and "digits" in each]
            else:
                found += leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            found += leaves(item, name)
    return found


SEVERITY = "_ws.expert.severity"
MEANT = {"malformed.pcapng": {3}, "mistyped.pcapng": {1}, "map-message.pcapng": {10}}
"""Frames that are wrong on purpose; and absentSubscriber as MAP v2 has it, a BOOLEAN, which tshark takes for v3's SEQUENCE."""
OVER_TCP = ("-X", f"lua_script:{ROOT / 'pcaps' / 'm3ua_over_tcp.lua'}")


def dissected(name: str) -> dict[int, dict[str, list[str]]]:
    """What tshark says of each frame, every layer's checksum looked at."""
    names = (*FIELDS, *KINDS.values(), SEVERITY)
    wanted = [word for field in names for word in ("-e", field)]
    checks = [word for layer in ("ip", "udp", "tcp") for word in ("-o", f"{layer}.check_checksum:TRUE")]
    shape = ("-T", "fields", "-E", "separator=/t", "-E", "aggregator= ")
    lines = tshark.run((ROOT / "pcaps" / name).read_bytes(), *OVER_TCP, *checks, *shape, *wanted)
    rows = (dict(zip(names, line.split("\t"), strict=True)) for line in lines.splitlines())
    return {int(row["frame.number"]): {name: value.split() for name, value in row.items()} for row in rows}


@pytest.mark.parametrize("name", NAMES)
def test_tshark_reads_the_same_and_has_nothing_against_it(name: str) -> None:
    if missing := tshark.available():
        pytest.skip(missing)
    theirs = dissected(name)
    by_frame: dict[int, list[dict[str, Any]]] = {}
    for shown in ours(name):
        if "components" in shown:
            by_frame.setdefault(shown["frame"], []).append(shown)
    for frame, messages in by_frame.items():
        row = theirs[frame]
        assert row["tcap.otid"] == [m["tcap"]["otid"] for m in messages if "otid" in m["tcap"]]
        assert row["tcap.dtid"] == [m["tcap"]["dtid"] for m in messages if "dtid" in m["tcap"]]
        codes = [code for m in messages for code in operations(m)]
        if name in OF_MAP:
            assert [int(code) for code in row["gsm_old.localValue"] if code.isdigit()][: len(codes)] == codes
            continue
        assert [int(code) for code in row["camel.local"] if code.isdigit()] == codes
        if any("faults" in component for m in messages for component in m["components"]):
            continue  # we show what stands around a fault, tshark may not
        assert [int(key) for key in row["camel.serviceKey"]] == keys(messages)
        called = leaves(messages, "calledPartyNumber") + leaves(messages, "destinationRoutingAddress")
        if name in MESSAGES:  # numbers are AddressStrings, as in MAP
            continue
        assert row["e164.called_party_number.digits"] == called
        assert row["e164.calling_party_number.digits"][: len(messages)] == leaves(
            messages, "callingPartyNumber"
        )
        assert row["gsm_a.dtap.cld_party_bcd_num"] == leaves(messages, "calledPartyBCDNumber")
        assert row["e212.imsi"] == leaves(messages, "iMSI")
        for message in messages:
            if message["tcap"]["type"] in KINDS:
                assert row[KINDS[message["tcap"]["type"]]]
    assert [
        frame for frame, row in theirs.items() if row["tcap.otid"] and frame not in by_frame
    ] == undecodable(name)
    worst = {frame: max((int(code, 0) for code in row[SEVERITY]), default=0) for frame, row in theirs.items()}
    assert {frame for frame, code in worst.items() if code >= tshark.WARNING} == MEANT.get(name, set())


def keys(messages: list[dict[str, Any]]) -> list[int]:
    arguments = [component.get("argument") for m in messages for component in m["components"]]
    return [
        argument["serviceKey"]
        for argument in arguments
        if isinstance(argument, dict) and "serviceKey" in argument
    ]


def undecodable(name: str) -> list[int]:
    """Frames in which tshark sees a transaction id, though the message is at fault."""
    return {"malformed.pcapng": [1, 4]}.get(name, [])


def replayed(name: str, control: SmsControl | None = None) -> Report:
    subscribers = {
        each["msisdn"]: Subscriber(
            each["msisdn"], authorized=True, aor=each["aor"], forwarding=True, when=When(each["when"])
        )
        for each in MANIFEST["subscribers"]
    }
    numbering = Numbering(country_code="46", never_steer=frozenset({"112"}), home_vlr=("4670",))
    services = {100: VoipForwarding(Rules(numbering, prefix="99"))}
    store = Snapshot(subscribers)
    report = Report(services, store, full=True)
    messages = settings_of(control, services)
    run = Replay(services, store, report.take, skipped := Counter(), messages=messages)
    for item in Capture(ROOT / "pcaps" / name):
        run.take(item)
    run.finish()
    if control is not None:
        assert not skipped
    return report


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_gives_the_same_answers_and_explains_the_others(name: str) -> None:
    report = replayed(name)
    of_calls = not (name in OF_MAP or name in OF_SMPP or name in MESSAGES)
    assert sum(report.verdicts.values()) == (CALLS.get(name, 1) if of_calls else 0)
    if not of_calls:
        return
    if name in NOT_OF_THE_SERVICE:
        assert set(report.verdicts) == {"different"}
        assert report.fields["components"] == 1
        [shown] = report.kept
        assert shown["reason"] in {"forwarded-always", "unknown-subscriber"}
        assert shown["path"][-1]["outcome"] == shown["reason"]
    else:
        assert set(report.verdicts) == {"unanswered" if name in UNANSWERED else "same"}


@pytest.mark.parametrize("name", MESSAGES)
def test_control_of_messages_is_replayed_by_the_conditions(name: str) -> None:
    control, verdicts = MESSAGES[name]
    report = replayed(name, control)
    assert [shown["verdict"] for shown in report.kept] == verdicts
    if control is PAID:  # each node has reservations of its own
        noted = "furnishChargingInformationSMS.argument.fCIBCCCAMELsequence1.freeFormatData"
        assert [[each["field"] for each in shown["differences"]] for shown in report.kept] == [
            [noted] for _ in verdicts
        ]
    for shown in report.kept:
        assert {shown["a_number"], shown["b_number"]} <= {"46701234567", "46709999999", "46700000009"}
        if shown["service"]:
            assert shown["path"][-1]["outcome"] == shown["reason"]
