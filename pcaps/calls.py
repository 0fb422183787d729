"""The call flows: each function is one capture, its docstring what the manifest says of it."""

from __future__ import annotations

from scene import BOB, DIALLED, Scene, answer, armed, begin_tid, connect, engine_answers, invoke, request

from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from scp.simulator.charged import Reported
from scp.simulator.reports import charging_report, event_report
from scp.simulator.scenario import Scenario, Trigger
from ss7 import rose, tcap
from ss7.cap.charging import time_duration_charging
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.types import ApplyChargingArg
from ss7.cause import Cause, Location
from ss7.tcap_dialogue import Aarq, encode_dialogue, oid_octets


def cap1_continue(scene: Scene) -> None:
    """CAP v1 without a dialogue portion; the called number is nobody's: Continue."""
    scene.up()
    scene.call(Scenario(version=1, dialogue_portion=False, b_number="46709999999"))


def cap1_context(scene: Scene) -> None:
    """CAP v1 with its application context; always forwarded: Connect."""
    scene.call(Scenario(version=1, b_number=BOB))


def cap2_steered(scene: Scene) -> None:
    """CAP v2, T-CSI: the called subscriber roams, so the call goes to 99 and the number as dialled."""
    scene.up()
    scene.call(DIALLED, "the called number is 0011234567, nature unknown; the VLR is a foreign one")


def cap2_at_home(scene: Scene) -> None:
    """The same call with the subscriber in the home network: Continue."""
    scene.call(Scenario(b_number="0011234567", b_nature=2, vlr="46709000001"))


def cap2_originating(scene: Scene) -> None:
    """CAP v2, O-CSI: the dialled number is in calledPartyBCDNumber."""
    scene.call(Scenario(trigger=Trigger.ORIGINATING, b_number="0701234567", b_nature=2))


def cap2_emergency(scene: Scene) -> None:
    """An emergency call is continued without a look at the store."""
    scene.call(Scenario(trigger=Trigger.ORIGINATING, b_number="112", b_nature=2))


def cap3_forwarded(scene: Scene) -> None:
    """CAP v3, a forwarded call: the redirection data of the InitialDP come back in the Connect."""
    scene.call(Scenario(version=3, trigger=Trigger.FORWARDED, b_number=BOB))


def cap4_steered(scene: Scene) -> None:
    """CAP v4, T-CSI, always forwarded."""
    scene.call(Scenario(version=4, b_number=BOB))


def unknown_service_key(scene: Scene) -> None:
    """Nobody serves this service key: return error missingCustomerRecord in TC-END."""
    scene.call(Scenario(service_key=999))


def unknown_context(scene: Scene) -> None:
    """An application context that does not exist: ABORT with AARE, application-context-name-not-supported."""
    scene.call(Scenario(), context=oid_octets("0.4.0.0.1.0.50.9"))


def released(scene: Scene) -> None:
    """An SCP that releases: ReleaseCall, whose argument is a bare Cause octet string."""
    begin = scene.begin(Scenario(version=2, b_number="46701111111"))
    cause = Cause(41, Location.LOCAL_PUBLIC_NETWORK).encode()
    release = invoke(1, Opcode.RELEASE_CALL, cause, 2)
    scene.tcap(answer(tcap.build_end, 2, begin_tid(begin), release), from_switch=False)


def unanswered(scene: Scene) -> None:
    """A call that the SCP never answers; what the switch does when Tssf has run out is its own affair."""
    scene.begin(Scenario(b_number=BOB))


def busy(scene: Scene) -> None:
    """Armed events: busy is reported as a request, and the SCP lets the call end: Continue."""
    version, own = 3, bytes.fromhex("07000101")
    tid = begin_tid(scene.begin(Scenario(version=version, b_number=BOB)))
    components = (
        armed(
            version,
            (Event.T_BUSY, MonitorMode.INTERRUPTED),
            (Event.T_NO_ANSWER, MonitorMode.INTERRUPTED),
            (Event.T_ANSWER, MonitorMode.NOTIFY_AND_CONTINUE),
            (Event.T_ABANDON, MonitorMode.NOTIFY_AND_CONTINUE),
        ),
        connect(2, "9946701234567", version),
    )
    scene.tcap(answer(tcap.build_continue, version, tid, *components, own=own), from_switch=False)
    scene.wait(2.5)
    report = event_report(Event.T_BUSY, CALLED, request=True, cause=17)
    erb = invoke(2, Opcode.EVENT_REPORT_BCSM, report, version)
    scene.tcap(tcap.build_continue(tid, own, b"", [erb]), from_switch=True)
    scene.tcap(tcap.build_end(tid, b"", [rose.encode_invoke(3, Opcode.CONTINUE)]), from_switch=False)


def charged(scene: Scene, version: int) -> None:
    """A charged call: two periods of 60 s, the second one cut short by the called party."""
    own = bytes.fromhex("07000202")
    tid = begin_tid(scene.begin(Scenario(version=version, b_number=BOB)))
    period = time_duration_charging(600, version)
    charging = ApplyChargingArg(period)
    components = (
        armed(
            version,
            (Event.T_ANSWER, MonitorMode.NOTIFY_AND_CONTINUE),
            (Event.T_DISCONNECT, MonitorMode.NOTIFY_AND_CONTINUE),
        ),
        invoke(2, Opcode.APPLY_CHARGING, charging, version),
        connect(3, "9946701234567", version),
    )
    scene.tcap(answer(tcap.build_continue, version, tid, *components, own=own), from_switch=False)
    scene.wait(4.0)
    answered = event_report(Event.T_ANSWER, CALLED)
    scene.tcap(
        tcap.build_continue(tid, own, b"", [invoke(2, Opcode.EVENT_REPORT_BCSM, answered, version)]),
        from_switch=True,
    )
    scene.wait(60.0)
    first = charging_report(Reported(60.0, CALLING), version, active=True)
    scene.tcap(
        tcap.build_continue(tid, own, b"", [invoke(3, Opcode.APPLY_CHARGING_REPORT, first, version)]),
        from_switch=True,
    )
    scene.tcap(
        tcap.build_continue(own, tid, b"", [invoke(4, Opcode.APPLY_CHARGING, charging, version)]),
        from_switch=False,
    )
    scene.wait(12.3)
    last = charging_report(Reported(12.3, CALLING), version, active=False)
    gone = event_report(Event.T_DISCONNECT, CALLED, cause=16)
    reports = [
        invoke(4, Opcode.APPLY_CHARGING_REPORT, last, version),
        invoke(5, Opcode.EVENT_REPORT_BCSM, gone, version),
    ]
    scene.tcap(tcap.build_continue(tid, own, b"", reports), from_switch=True)
    scene.tcap(tcap.build_end(tid, b"", []), from_switch=False)


def charged_v2(scene: Scene) -> None:
    """CAP v2: RequestReportBCSMEvent, ApplyCharging and Connect in one CONTINUE; two charging reports."""
    charged(scene, 2)


def charged_v4(scene: Scene) -> None:
    """The same in CAP v4."""
    charged(scene, 4)


def segmented(scene: Scene) -> None:
    """An InitialDP too long for a UDT, with an operator's extension: two XUDT segments (Q.714 §4.1.1.2)."""
    extension = ExtensionField(
        ExtensionID("local", 1), b"\x04\x81\x96" + bytes(range(150)), CriticalityType.IGNORE
    )
    scenario = Scenario(version=4, b_number=BOB)
    octets = request(scenario, scene.tid.to_bytes(4, "big"), extensions=(extension,))
    scene.tcap(octets, from_switch=True, note="segments of one message")
    for said in engine_answers(octets):
        scene.tcap(said, from_switch=False)


def mistyped(scene: Scene) -> None:
    """An InitialDP without its service key: the call goes on, Continue in TC-END."""
    tid = scene.tid.to_bytes(4, "big")
    bad = rose.encode_invoke(1, Opcode.INITIAL_DP, bytes.fromhex("30058303838403"))
    octets = tcap.build_begin(tid, encode_dialogue(Aarq(BY_VERSION[2].octets)), [bad])
    scene.tcap(octets, from_switch=True, note="serviceKey is missing")
    for said in engine_answers(octets):
        scene.tcap(said, from_switch=False)


def malformed(scene: Scene) -> None:
    """TCAP that can't be: P-Abort; SCCP whose pointer leads out of it, and an M3UA length that is wrong."""
    octets = bytes.fromhex("6206480400000d01") + b"\x6c\x7f\xa1"
    scene.tcap(
        octets,
        from_switch=True,
        note="the length of BEGIN ends before the message does",
        found={"type": "", "fault": "tcap"},
    )
    for said in engine_answers(octets):
        scene.tcap(said, from_switch=False)
    bad_sccp = scene.sccp(octets, from_switch=True)[0]
    for packet in scene.wire.packets(
        scene.data(bad_sccp[:3] + b"\xf0" + bad_sccp[4:], from_switch=True), sent=True
    ):
        scene.packet(packet, "a pointer out of the message")
    scene.faults.append({"frame": len(scene.packets), "layer": "sccp"})
    scene.wait(0.01)
    good = scene.data(bad_sccp, from_switch=True)
    for packet in scene.wire.packets(good[:7] + b"\x08" + good[8:], sent=True):
        scene.packet(packet, "message length 8")
    scene.faults.append({"frame": len(scene.packets), "layer": "m3ua"})
