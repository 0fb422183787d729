"""Makes the captures in this folder, and the manifest of what a reader has to find in each.

    python pcaps/make.py            writes the files
    python pcaps/make.py --check    leaves with 1 if they are not what it would write

What the SCP says in the calls of voip-forwarding comes from its engine; the longer dialogues are written here as
TS 23.078 draws them. Time, ids and checksums are fixed: the same files come out every time.
"""

from __future__ import annotations

import io
import json
import struct
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from scp.capture.records import Snapshot
from scp.capture.replay import Replay
from scp.capture.wire.messages import Message
from scp.capture.wire.values import Signal, Way
from scp.capture.write import Association, PcapNgWriter, ethernet, internet_checksum
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber, When
from scp.services.voip_forwarding import VoipForwarding
from scp.simulator.arguments import charging_report, event_report
from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from scp.simulator.idp import initial_dp
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario, Trigger
from scp.simulator.vocabulary import ChargingReport, EventReport
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from ss7 import m3ua, rose, sccp, tcap
from ss7.cap.charging import time_duration_charging
from ss7.cap.codec import FAST
from ss7.cap.common import CriticalityType, ExtensionField, ExtensionID
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.types import ApplyChargingArg, BCSMEvent, ConnectArg, RequestReportBCSMEventArg
from ss7.cause import Cause, Location
from ss7.isup import CalledPartyNumber
from ss7.m3ua_parameters import Status, Tag
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue, oid_octets

if TYPE_CHECKING:
    from scp.capture.dialogues import Replayed

HERE = Path(__file__).parent
NETWORK = Network()
MSC, STP, SCP = (bytes((192, 0, 2, last)) for last in (10, 20, 30))  # RFC 5737's addresses for documentation
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONE = timezone(timedelta(hours=1))
SERVICE_KEY = 100
NUMBERING = Numbering(country_code="46", never_steer=frozenset({"112"}), home_vlr=("4670",))
ALICE, BOB = "11234567", "46701234567"
SUBSCRIBERS = {
    ALICE: Subscriber(
        ALICE, authorized=True, aor="sip:+11234567@voip.example", forwarding=True, when=When.ROAMING
    ),
    BOB: Subscriber(BOB, authorized=True, aor="sip:bob@voip.example", forwarding=True),
}
DIALLED = Scenario(b_number="0011234567", b_nature=2, vlr="491710000001")
Made = dict[str, Any]


@dataclass
class Scene:
    """One capture while it is made; the clock moves on with every message."""

    name: str
    packets: list[tuple[float, bytes, str]] = field(default_factory=list)
    messages: list[Made] = field(default_factory=list)
    faults: list[Made] = field(default_factory=list)
    wire: Association = field(default_factory=lambda: Association(MSC, SCP, tag=0x5C0FFEE0))
    now: float = START.timestamp()
    tid: int = 0x0A0B0C01

    # -- what goes over the wire --

    def packet(self, packet: bytes, comment: str = "") -> None:
        self.packets.append((self.now, packet, comment))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def m3ua(
        self, message: m3ua.Message | m3ua.Data, *, sent: bool = True, stream: int = 1, note: str = ""
    ) -> None:
        octets = m3ua.encode(message)
        for packet in self.wire.packets(octets, sent=sent, stream=stream):
            self.packet(packet, note)
        self.wait(0.001)

    def up(self) -> None:
        """The SCP, an ASP, comes up and becomes active at the MSC's side, the gateway (RFC 4666 §5.1.1)."""
        status = {Tag.STATUS: Status(1, 2)}
        active = {Tag.STATUS: Status(1, 3)}
        for kind, params, sent in (
            (m3ua.ASPUP, {}, False),
            (m3ua.ASPUP_ACK, {}, True),
            (m3ua.NTFY, status, True),
            (m3ua.ASPAC, {}, False),
            (m3ua.ASPAC_ACK, {}, True),
            (m3ua.NTFY, active, True),
        ):
            self.m3ua(m3ua.Message(kind, params), sent=sent, stream=0)

    def data(self, octets: bytes, *, from_switch: bool) -> bytes:
        """Return DATA with these octets of SCCP."""
        ends = (NETWORK.point_code, NETWORK.scp_point_code)
        opc, dpc = ends if from_switch else ends[::-1]
        return m3ua.encode(m3ua.Data(opc, dpc, 3, 0, 0, 5, octets))

    def sccp(self, octets: bytes, *, from_switch: bool) -> list[bytes]:
        """Return the SCCP messages for octets of TCAP: one, or segments."""
        called, calling = NETWORK.called(), NETWORK.calling()
        if not from_switch:
            called, calling = calling, called
        layer = Sccp(SccpSettings(), local_reference=0x123456)
        layer.send(called, calling, octets, dpc=0, sls=5)
        return [message for _, _, message in layer.outbox]

    def tcap(self, octets: bytes, *, from_switch: bool, note: str = "", found: Made | None = None) -> None:
        """Let a message go, and note what a reader has to find."""
        for message in self.sccp(octets, from_switch=from_switch):
            for packet in self.wire.packets(self.data(message, from_switch=from_switch), sent=from_switch):
                self.packet(packet, note)
            self.wait(0.0004)
        self.found(octets, from_switch, found)
        self.wait(0.002)

    def found(self, octets: bytes, from_switch: bool, found: Made | None) -> None:
        made = {"frame": len(self.packets), "from": "gsmSSF" if from_switch else "gsmSCF"}
        self.messages.append(made | (found or described(octets)))

    # -- dialogues --

    def begin(self, scenario: Scenario, note: str = "", *, context: bytes | None = None) -> bytes:
        """The switch asks; returns what it said."""
        octets = request(scenario, self.tid.to_bytes(4, "big"), context)
        self.tid += 1
        self.tcap(octets, from_switch=True, note=note)
        return octets

    def call(self, scenario: Scenario, note: str = "", *, context: bytes | None = None) -> None:
        """The switch asks, and the product's engine answers."""
        octets = self.begin(scenario, note, context=context)
        for answer in engine_answers(octets):
            self.tcap(answer, from_switch=False)


def described(octets: bytes) -> Made:
    """Return what a message is, in the words of the manifest, with nothing but the TCAP and CAP codecs."""
    message = tcap.decode(octets)
    made: Made = {"type": tcap.KIND_NAMES[message.kind]}
    made |= {name: getattr(message, name).hex() for name in ("otid", "dtid") if getattr(message, name)}
    made["operations"] = [each.opcode for each in message.components if isinstance(each, rose.Invoke)]
    return made


def request(scenario: Scenario, otid: bytes, context: bytes | None = None, **more: Any) -> bytes:
    """Return a BEGIN with the InitialDP of a scenario, with ``more`` of its argument's fields."""
    when = datetime(2026, 3, 2, 9, 0, tzinfo=ZONE)
    idp = replace(initial_dp(scenario, b"\x01\x02\x03\x04", when), **more)
    argument = FAST.encode_argument(Opcode.INITIAL_DP, idp, scenario.version)
    portion = encode_dialogue(Aarq(context or BY_VERSION[scenario.version].octets))
    invoke = rose.encode_invoke(1, Opcode.INITIAL_DP, argument)
    return tcap.build_begin(otid, portion if scenario.dialogue_portion else b"", [invoke])


def engine_answers(octets: bytes) -> list[bytes]:
    """Return what the product says to a BEGIN."""
    over: list[Replayed] = []
    rules = Rules(NUMBERING, prefix="99")
    run = Replay({SERVICE_KEY: VoipForwarding(rules)}, Snapshot(SUBSCRIBERS), over.append, Counter())
    unit = sccp.UnitData(0x09, 1, False, NETWORK.called(), NETWORK.calling(), octets)
    data = m3ua.Data(NETWORK.point_code, NETWORK.scp_point_code, 3, 0, 0, 5, b"")
    run.take(Message(Signal(1, 0.0, Way(b"", b"", -1, -1), 1, 0, b""), data, unit, octets))
    run.finish()
    return over[0].ours


def begin_tid(octets: bytes) -> bytes:
    return tcap.decode(octets).otid


def answer(
    kind: Callable[..., bytes], version: int, dtid: bytes, *components: bytes, own: bytes = b""
) -> bytes:
    """A message of the SCP's that is not the product's: END, or the first CONTINUE if it has an id of its ``own``."""
    portion = encode_dialogue(Aare(BY_VERSION[version].octets))
    if own:
        return kind(own, dtid, portion, list(components))
    return kind(dtid, portion, list(components))


def invoke(number: int, opcode: int, argument: Any, version: int) -> bytes:
    return rose.encode_invoke(number, opcode, FAST.encode_argument(opcode, argument, version))


def armed(version: int, *events: tuple[Event, MonitorMode]) -> bytes:
    points = tuple(BCSMEvent(event, mode) for event, mode in events)
    return invoke(1, Opcode.REQUEST_REPORT_BCSM_EVENT, RequestReportBCSMEventArg(points), version)


def connect(number: int, digits: str, version: int) -> bytes:
    destination = CalledPartyNumber(digits, 2, inn=False).encode()
    return invoke(number, Opcode.CONNECT, ConnectArg((destination,)), version)


# -- the captures ------------------------------------------------------------------------------------------------------


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
    report = event_report(EventReport(Event.T_BUSY, CALLED, interrupted=True, cause=17))
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
    answered = event_report(EventReport(Event.T_ANSWER, CALLED, interrupted=False))
    scene.tcap(
        tcap.build_continue(tid, own, b"", [invoke(2, Opcode.EVENT_REPORT_BCSM, answered, version)]),
        from_switch=True,
    )
    scene.wait(60.0)
    first = charging_report(ChargingReport(60.0, active=True, released=False, leg=CALLING), version)
    scene.tcap(
        tcap.build_continue(tid, own, b"", [invoke(3, Opcode.APPLY_CHARGING_REPORT, first, version)]),
        from_switch=True,
    )
    scene.tcap(
        tcap.build_continue(own, tid, b"", [invoke(4, Opcode.APPLY_CHARGING, charging, version)]),
        from_switch=False,
    )
    scene.wait(12.3)
    last = charging_report(ChargingReport(12.3, active=False, released=False, leg=CALLING), version)
    gone = event_report(EventReport(Event.T_DISCONNECT, CALLED, interrupted=False, cause=16))
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


def transport(scene: Scene) -> None:
    """SCTP as it is: two messages in a packet, one in two fragments, a retransmission, two out of order."""
    wire = scene.wire
    first, second, third, fourth, fifth = (
        request(Scenario(b_number=f"4670999990{n}"), (0x0A0B0C10 + n).to_bytes(4, "big")) for n in range(5)
    )
    both = []
    for octets in (first, second):
        both += list(
            wire.chunks(scene.data(scene.sccp(octets, from_switch=True)[0], from_switch=True), sent=True)
        )
    scene.packet(wire.packet(both, sent=True), "two DATA chunks")
    scene.found(first, True, None)
    scene.found(second, True, None)
    scene.wait(0.01)
    scene.packet(wire.packet(both[1:], sent=True), "the second one again: a retransmission")
    scene.wait(0.01)
    [whole] = wire.chunks(scene.data(scene.sccp(third, from_switch=True)[0], from_switch=True), sent=True)
    halves = fragments(whole, wire)
    for half, note in zip(halves, ("first fragment", "last fragment"), strict=True):
        scene.packet(wire.packet([half], sent=True), note)
    scene.found(third, True, None)
    scene.wait(0.01)
    early, late = (
        list(wire.chunks(scene.data(scene.sccp(octets, from_switch=True)[0], from_switch=True), sent=True))
        for octets in (fourth, fifth)
    )
    scene.packet(wire.packet(late, sent=True), "ahead of the message before it in its stream")
    scene.wait(0.01)
    scene.packet(wire.packet(early, sent=True), "which comes now")
    scene.found(fourth, True, None)
    scene.found(fifth, True, None)
    scene.messages[-1]["frame"] -= 1


def fragments(chunk: bytes, wire: Association) -> list[bytes]:
    """Return a whole DATA chunk as two (RFC 9260 §6.9)."""
    kind, _, length, tsn, stream, sequence, ppid = struct.unpack_from(">BBHIHHI", chunk)
    data = chunk[16:length]
    wire.skip_tsn(sent=True)
    cut = len(data) // 2 & ~3
    return [
        struct.pack(">BBHIHHI", kind, flags, 16 + len(part), tsn + index, stream, sequence, ppid)
        + part
        + bytes(-len(part) & 3)
        for index, (flags, part) in enumerate(((2, data[:cut]), (1, data[cut:])))
    ]


def translated(scene: Scene) -> None:
    """One call on two legs, before and after an STP: every message twice, with other point codes."""
    near, far = Association(MSC, STP, tag=0x1000), Association(STP, SCP, tag=0x2000)
    octets = request(DIALLED, scene.tid.to_bytes(4, "big"))
    stp = 190
    ends = (NETWORK.point_code, stp, NETWORK.scp_point_code)
    for from_switch, said in [(True, octets), *((False, each) for each in engine_answers(octets))]:
        [message] = scene.sccp(said, from_switch=from_switch)
        legs = [(near, ends[0], ends[1]), (far, ends[1], ends[2])]
        for wire, here, there in legs if from_switch else legs[::-1]:
            opc, dpc = (here, there) if from_switch else (there, here)
            data = m3ua.encode(m3ua.Data(opc, dpc, 3, 0, 0, 5, message))
            [packet] = wire.packets(data, sent=from_switch)
            scene.packet(packet)
            scene.found(said, from_switch, None)
            scene.wait(0.003)


def vlan(scene: Scene) -> None:
    """The steered call with an 802.1Q tag."""
    cap2_steered(scene)
    scene.packets = [
        (at, frame[:12] + b"\x81\x00\x00\x2a" + frame[12:], note) for at, frame, note in scene.packets
    ]


def ipv6(scene: Scene) -> None:
    """The steered call over IPv6."""
    cap2_steered(scene)
    scene.packets = [(at, as_ipv6(frame), note) for at, frame, note in scene.packets]


def as_ipv6(frame: bytes) -> bytes:
    prefix = bytes.fromhex("20010db8") + bytes(8)  # RFC 3849's addresses for documentation
    payload = frame[34:]
    head = (
        struct.pack(">IHBB", 6 << 28, len(payload), 132, 64) + prefix + frame[26:30] + prefix + frame[30:34]
    )
    return frame[:12] + b"\x86\xdd" + head + payload


def udp(scene: Scene) -> None:
    """The steered call as SCTP over UDP, port 9899 (RFC 6951)."""
    cap2_steered(scene)
    scene.packets = [(at, as_udp(frame), note) for at, frame, note in scene.packets]


def as_udp(frame: bytes) -> bytes:
    payload = frame[34:]
    length = 8 + len(payload)
    pseudo = frame[26:34] + struct.pack(">BBHHHHH", 0, 17, length, 9899, 9899, length, 0) + payload
    checksum = internet_checksum(pseudo)
    head = struct.pack(">HHHH", 9899, 9899, length, checksum)
    return ethernet(frame[26:30], frame[30:34], 17, head + payload, int.from_bytes(frame[18:20], "big"))


def mistyped(scene: Scene) -> None:
    """An InitialDP without its service key: reject mistypedParameter in TC-END."""
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


CAPTURES: tuple[Callable[[Scene], None], ...] = (
    cap1_continue, cap1_context, cap2_steered, cap2_at_home, cap2_originating, cap2_emergency, cap3_forwarded,
    cap4_steered, unknown_service_key, unknown_context, released, unanswered, busy, charged_v2, charged_v4, segmented,
    transport, translated, vlan, ipv6, udp, mistyped, malformed,
)  # fmt: skip


def made(make: Callable[[Scene], None]) -> tuple[str, bytes, Made]:
    """Return a capture's file name, its octets and its entry in the manifest."""
    scene = Scene(make.__name__)
    make(scene)
    stream = io.BytesIO()
    title = " ".join((make.__doc__ or "").split())
    writer = PcapNgWriter(stream, "camel-scp pcaps/make.py", title)
    for at, packet, note in scene.packets:
        writer.write(at, packet, note)
    name = make.__name__.replace("_", "-") + ".pcapng"
    entry = {"file": name, "shows": title, "packets": len(scene.packets), "messages": scene.messages}
    return name, stream.getvalue(), entry | ({"faults": scene.faults} if scene.faults else {})


def main(*, check: bool) -> int:
    stale = []
    entries = []
    for make in CAPTURES:
        name, octets, entry = made(make)
        entries.append(entry)
        stale += store(HERE / name, octets, check=check)
    manifest = {
        "origin": "made by pcaps/make.py; no message is from a live network",
        "subscribers": [
            {"msisdn": each.msisdn, "aor": each.aor, "when": str(each.when)} for each in SUBSCRIBERS.values()
        ],
        "captures": entries,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    stale += store(HERE / "manifest.json", text.encode(), check=check)
    for name in stale:
        print(f"{name} is not what make.py writes")
    return 1 if stale else 0


def store(path: Path, octets: bytes, *, check: bool) -> list[str]:
    """Write a file, or return its name if it is not what it should be."""
    if not check:
        path.write_bytes(octets)
        return []
    return [] if path.exists() and path.read_bytes() == octets else [path.name]


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
