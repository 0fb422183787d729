"""What carries calls: each function is one capture, its docstring what the manifest says of it."""

from __future__ import annotations

from collections.abc import Callable

import carriers
from calls import cap2_steered
from scene import BOB, DIALLED, MSC, NETWORK, SCP, STP, Scene, engine_answers, request

from scp.capture.write import Association, TcpConnection
from scp.simulator.scenario import Scenario
from ss7 import m3ua
from ss7.sctp import PPID_M2PA, PPID_M2UA, PPID_M3UA


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
    halves = carriers.fragments(whole, wire)
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


def rewritten(scene: Scene, change: Callable[[bytes], bytes]) -> None:
    """The steered call in other frames."""
    cap2_steered(scene)
    scene.packets = [(at, change(frame), note) for at, frame, note in scene.packets]


def vlan(scene: Scene) -> None:
    """The steered call with an 802.1Q tag."""
    rewritten(scene, carriers.as_vlan)


def ipv6(scene: Scene) -> None:
    """The steered call over IPv6."""
    rewritten(scene, carriers.as_ipv6)


def udp(scene: Scene) -> None:
    """The steered call as SCTP over UDP, port 9899 (RFC 6951)."""
    rewritten(scene, carriers.as_udp)


def sll(scene: Scene) -> None:
    """The steered call as tcpdump -i any has it: Linux cooked capture."""
    scene.link = carriers.LINUX_SLL
    rewritten(scene, lambda frame: carriers.as_sll(frame, version=1, outgoing=frame[26:30] == SCP))


def sll2(scene: Scene) -> None:
    """The same in version 2 of the cooked format, which names the interface."""
    scene.link = carriers.LINUX_SLL2
    rewritten(scene, lambda frame: carriers.as_sll(frame, version=2, outgoing=frame[26:30] == SCP))


def fragmented(scene: Scene) -> None:
    """The steered call where every long IPv4 packet comes in fragments, the last one first."""
    scene.call(DIALLED)
    packets, frames = [], {}
    for number, (at, frame, note) in enumerate(scene.packets, 1):
        for part in reversed(carriers.as_fragments(frame, 96)):
            packets.append((at + len(packets) / 10_000, part, note or "a fragment"))
        frames[number] = len(packets)
    scene.packets = packets
    for made in scene.messages:
        made["frame"] = frames[made["frame"]]


def association(scene: Scene) -> None:
    """An association from INIT to SHUTDOWN COMPLETE: SACKs, a HEARTBEAT, the ASP's way up and down, one call."""
    scene.up()
    scene.call(DIALLED)
    scene.wait(30.0)
    scene.all(carriers.heartbeat(scene.wire))
    for kind, sent in (
        (m3ua.ASPIA, False),
        (m3ua.ASPIA_ACK, True),
        (m3ua.ASPDN, False),
        (m3ua.ASPDN_ACK, True),
    ):
        scene.m3ua(m3ua.Message(kind, {}), sent=sent, stream=0)
    scene.all(carriers.shutdown(scene.wire))


def interleaving(scene: Scene) -> None:
    """I-DATA (RFC 8260): the fragments of two InitialDPs on two streams, one within the other."""
    scenes = [
        request(Scenario(b_number=f"4670999991{n}"), (0x0A0B0C20 + n).to_bytes(4, "big")) for n in range(2)
    ]
    one, other = (scene.data(scene.sccp(octets, from_switch=True)[0], from_switch=True) for octets in scenes)
    half = 100
    for tsn, stream, part, octets in (
        (1, 1, 0, one[:half]), (2, 2, 0, other[:half]), (3, 2, 1, other[half:]), (4, 1, 1, one[half:]),
    ):  # fmt: skip
        piece = carriers.interleaved(tsn, stream, 0, part, octets, ppid=PPID_M3UA, last=part == 1)
        scene.packet(scene.wire.packet([piece], sent=True), f"stream {stream}, fragment {part}")
        scene.wait(0.001)
        if part:
            scene.found(scenes[stream - 1], True, None)


def tcp(scene: Scene) -> None:
    """M3UA over TCP: a message in two segments, one of them sent twice, then two messages in one segment."""
    scene.wire = wire = TcpConnection(MSC, SCP)
    scene.all(carriers.opening(wire))
    scene.up()
    calls = [DIALLED, Scenario(b_number=BOB)]
    asked = [request(each, (scene.tid + index).to_bytes(4, "big")) for index, each in enumerate(calls)]
    octets = b"".join(scene.data(scene.sccp(each, from_switch=True)[0], from_switch=True) for each in asked)
    cut = 150
    scene.packet(wire.segment(octets[:cut], sent=True), "the first octets of two messages")
    scene.wait(0.2)
    scene.packet(wire.segment(octets[:cut], sent=True, back=cut), "the same again: a retransmission")
    scene.wait(0.001)
    scene.packet(wire.segment(octets[cut:], sent=True), "the rest")
    for each in asked:
        scene.found(each, True, None)
    scene.wait(0.003)
    said = [answer for each in asked for answer in engine_answers(each)]
    answers = b"".join(scene.data(scene.sccp(each, from_switch=False)[0], from_switch=False) for each in said)
    scene.packet(wire.segment(answers, sent=False), "two messages")
    for each in said:
        scene.found(each, False, None)


def m2ua(scene: Scene) -> None:
    """The steered call through M2UA: the STP terminates MTP2, the SCP has MTP3 (RFC 3331)."""
    scene.wire = Association(STP, SCP, 2904, 2904, tag=0x3000, ppid=PPID_M2UA)
    scene.envelope = lambda data, _: carriers.m2ua_data(data)
    scene.associate()
    for kind, sent in (
        (m3ua.ASPUP, False),
        (m3ua.ASPUP_ACK, True),
        (m3ua.ASPAC, False),
        (m3ua.ASPAC_ACK, True),
    ):
        scene.message(carriers.m2ua(kind), sent=sent)
    for kind, sent in ((0x0602, False), (0x0603, True)):  # Establish Request, Establish Confirm
        scene.message(carriers.m2ua_link(kind), sent=sent, stream=1)
    scene.call(DIALLED)


def m2pa(scene: Scene) -> None:
    """The steered call over a signalling link of M2PA, from its alignment on (RFC 4165)."""
    scene.wire = Association(STP, SCP, 3565, 3565, tag=0x4000, ppid=PPID_M2PA)
    link = carriers.M2paLink()
    scene.envelope = lambda data, from_switch: link.data(data, sent=from_switch)
    scene.associate()
    for state in (link.ALIGNMENT, link.PROVING_NORMAL, link.READY):
        for sent in (True, False):
            scene.message(link.status(state, sent=sent), sent=sent)
    scene.call(DIALLED)
    scene.message(link.acknowledge(sent=True), sent=True, stream=1)
