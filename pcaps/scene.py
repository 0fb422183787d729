"""One capture while it is made, and the messages that go into it.

What the SCP says in the calls of voip-forwarding comes from its engine; the longer dialogues are written in calls.py as
TS 23.078 draws them. Time, ids and checksums are fixed: the same files come out every time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import carriers
from msgspec.structs import replace

from scp.capture.wire.messages import Message
from scp.capture.wire.values import Signal, Way
from scp.capture.write import ETHERNET, Association
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber, When
from scp.replay.offline import Replay
from scp.replay.records import Snapshot
from scp.replay.short_messages import settings_of
from scp.services.voip_forwarding import VoipForwarding
from scp.simulator.idp import initial_dp
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from ss7 import m3ua, rose, sccp, tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_VERSION
from ss7.cap.operations import Opcode
from ss7.cap.types import BCSMEvent, ConnectArg, RequestReportBCSMEventArg
from ss7.isup import CalledPartyNumber
from ss7.m3ua_parameters import Status, Tag
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

if TYPE_CHECKING:
    from scp.engine.cap.sms import SmsPolicy
    from scp.replay.dialogues import ReplayedDialogue
    from scp.simulator.bcsm import Event, MonitorMode

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
    pdus: list[Made] = field(default_factory=list)  # of SMPP
    wire: Any = field(default_factory=lambda: Association(MSC, SCP, tag=0x5C0FFEE0))
    envelope: Callable[[m3ua.Data, bool], bytes] = field(default=lambda data, _: m3ua.encode(data))
    link: int = ETHERNET
    acknowledged: bool = False
    ends: tuple[bytes, bytes] | None = None  # SCCP addresses of the gsmSCF and of the other side; None: CAP's
    now: float = START.timestamp()
    tid: int = 0x0A0B0C01

    # -- what goes over the wire --

    def packet(self, packet: bytes, comment: str = "") -> None:
        self.packets.append((self.now, packet, comment))

    def all(self, packets: list[tuple[bool, bytes]], note: str = "") -> None:
        for _, packet in packets:
            self.packet(packet, note)
            self.wait(0.0002)

    def associate(self) -> None:
        """SCTP's four-way handshake; from here on there are SACKs."""
        self.all(carriers.four_way(self.wire))
        self.acknowledged = True

    def sack(self, *, sent: bool) -> None:
        if self.acknowledged:
            self.wait(0.0001)
            self.packet(carriers.sack(self.wire, sent=sent))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def m3ua(
        self, message: m3ua.Message | m3ua.Data, *, sent: bool = True, stream: int = 1, note: str = ""
    ) -> None:
        self.message(m3ua.encode(message), sent=sent, stream=stream, note=note)

    def message(self, octets: bytes, *, sent: bool, stream: int = 0, note: str = "") -> None:
        """Let a message of an adaptation layer go."""
        for packet in self.wire.packets(octets, sent=sent, stream=stream):
            self.packet(packet, note)
        self.sack(sent=not sent)
        self.wait(0.001)

    def up(self) -> None:
        """The SCP, an ASP, comes up and becomes active at the MSC's side, the gateway (RFC 4666 §5.1.1)."""
        if not self.acknowledged and isinstance(self.wire, Association):
            self.associate()
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
        """Return DATA with these octets of SCCP, or what another adaptation layer has in its place."""
        ends = (NETWORK.point_code, NETWORK.scp_point_code)
        opc, dpc = ends if from_switch else ends[::-1]
        return self.envelope(m3ua.Data(opc, dpc, 3, 0, 0, 5, octets), from_switch)

    def sccp(self, octets: bytes, *, from_switch: bool) -> list[bytes]:
        """Return the SCCP messages for octets of TCAP: one, or segments."""
        called, calling = self.ends or (NETWORK.called(), NETWORK.calling())
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
        self.sack(sent=not from_switch)
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


def engine_answers(*said: bytes, messages: SmsPolicy | None = None) -> list[bytes]:
    """Return what the product says to a BEGIN.

    Args:
        said: the BEGIN, and what follows it in the dialogue, of both sides.
        messages: its `[sms_control]`.
    """
    over: list[ReplayedDialogue] = []
    services = {SERVICE_KEY: VoipForwarding(Rules(NUMBERING, prefix="99"))}
    control = settings_of(messages, services)
    run = Replay(services, Snapshot(SUBSCRIBERS), over.append, Counter(), messages=control)
    data = m3ua.Data(NETWORK.point_code, NETWORK.scp_point_code, 3, 0, 0, 5, b"")
    for octets in said:
        unit = sccp.UnitData(0x09, 1, False, NETWORK.called(), NETWORK.calling(), octets)
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
