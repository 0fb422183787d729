"""scapy's packets are read as a capture's are, and a capture's messages and frames become packets of scapy."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made_capture import NETWORK, write
from scapy.config import conf
from scapy.layers.dns import DNS
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.sendrecv import sniff
from scapy.utils import PcapNgReader, rdpcap, wrpcap

from scp.capture.decode import Decoder, Filter
from scp.capture.scapy_packets import from_scapy, to_scapy
from scp.capture.source import Capture
from scp.capture.wire.messages import Message, Reader
from scp.capture.wire.values import Adaptation, Fault, Frame, Signal, Way
from ss7 import m3ua, mtp3, tcap
from ss7.cap.contexts import BY_VERSION
from ss7.rose import Invoke
from ss7.sccp import udt

FILES = sorted((Path(__file__).parents[2] / "pcaps").glob("*.pcapng"))
IDS = [path.stem for path in FILES]


@pytest.fixture(autouse=True)
def without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet whose addresses of the link are not set has scapy ask the network for them when it builds it."""

    def asked(*layers: Any) -> None:
        raise AssertionError(f"the network was asked for the link address of {layers}")

    monkeypatch.setattr(conf.neighbor, "resolve", asked)


def shown(source: Any) -> list[dict[str, Any]]:
    return list(Decoder(Filter()).show(source))


def frames(path: Path) -> list[Frame]:
    return [frame for batch in Capture(path).frames() for frame in batch]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_packets_that_scapy_read_bring_what_their_file_brings(path: Path) -> None:
    source = from_scapy(rdpcap(str(path)))
    capture = Capture(path)
    assert shown(source) == shown(capture)
    assert source.counts == capture.counts


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_frames_become_the_packets_that_they_are(path: Path) -> None:
    for packet, frame in zip(to_scapy(frames(path)), frames(path), strict=True):
        assert (bytes(packet), packet.time) == (frame.octets, frame.time)
    assert shown(from_scapy(list(to_scapy(frames(path))))) == shown(Capture(path))


def said(source: Any) -> list[tuple[Any, ...]]:
    """What each message says, to whom, and when, without what carried it."""
    return [
        (item.signal.time, item.signal.way.source, item.signal.way.destination, item.signal.stream, item.tcap)
        for item in source
        if isinstance(item, Message)
    ]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_messages_become_packets_that_say_the_same(path: Path, tmp_path: Path) -> None:
    """Read again by us from scapy's packets, and from the file that scapy writes of them."""
    expected = said(Capture(path))
    assert said(from_scapy(to_scapy(Capture(path)))) == expected
    wrpcap(str(tmp_path / "again.pcap"), list(to_scapy(Capture(path))))
    again = said(Capture(tmp_path / "again.pcap"))
    assert [each[1:] for each in again] == [each[1:] for each in expected]
    assert [each[0] for each in again] == pytest.approx([each[0] for each in expected], abs=2e-6)


def test_messages_that_were_picked_are_written_by_scapy(tmp_path: Path) -> None:
    [path] = [path for path in FILES if path.stem == "charged-v4"]
    picked = [item for item in Capture(path) if isinstance(item, Message) and item.tcap[:1] == b"\x62"]
    wrpcap(str(tmp_path / "begins.pcap"), list(to_scapy(picked)))
    assert [each["tcap"]["type"] for each in shown(Capture(tmp_path / "begins.pcap"))] == ["begin"]


def test_messages_without_ip_are_wrapped_in_m3ua(tmp_path: Path) -> None:
    [path] = [path for path in FILES if path.stem == "cap2-steered"]
    data = [item.data for item in Capture(path) if isinstance(item, Message) and item.data is not None]
    signal = Signal(1, 5.0, Way(b"", b"", -1, -1), -1, Adaptation.MTP3, mtp3.encode(data[0]))
    message = Reader(Counter()).read(signal)
    [packet] = to_scapy([message])
    assert (packet[IP].src, packet[SCTP].dport, packet.time) == ("192.0.2.1", 2905, 5.0)
    assert [item.tcap for item in from_scapy([packet])] == [message.tcap]
    bare = Reader(Counter()).read(Signal(7, 5.0, signal.way, -1, Adaptation.SCCP, data[0].payload))
    with pytest.raises(ValueError, match="frame 7: SCCP without a routing label"):
        list(to_scapy([bare]))


def test_faults_are_left_out() -> None:
    assert not list(to_scapy([Fault(1, 0.0, "sctp", "bad")]))


CONNECT = bytes.fromhex("300ba009040703100900112233")


def made(tid: bytes, **fields: Any) -> Any:
    end = tcap.encode(tcap.Message(tcap.END, b"", tid, components=[Invoke(1, 20, CONNECT)]))
    data = m3ua.Data(185, 187, 3, 0, 0, 5, udt(NETWORK.calling(), NETWORK.called(), end, 1))
    return SCTP(sport=2905, dport=2905, tag=7) / SCTPChunkData(
        beginning=1, ending=1, proto_id=3, data=m3ua.encode(data), **fields
    )


def test_packets_that_were_made_with_scapy_are_read() -> None:
    """An engineer's own frames: Ethernet, IP or SCTP outermost, a packet of another protocol between."""
    packets = [
        Ether(dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2") / made(b"\1", tsn=1),
        Ether(dst="02:00:00:00:00:02") / IP() / UDP() / DNS(),
        IP(src="192.0.2.1", dst="192.0.2.2") / made(b"\2", tsn=2, stream_seq=1),
    ]
    source = from_scapy(packets)
    assert [each["components"][0]["operation"] for each in shown(source)] == ["connect", "connect"]
    assert source.counts["packets"] == 3
    assert [each["tcap"]["dtid"] for each in shown(from_scapy([made(b"\3", tsn=1)]))] == ["03"]
    with pytest.raises(ValueError, match="packet 1: DNS is no link layer, IP or SCTP"):
        list(from_scapy([DNS()]))


def test_a_reader_of_scapy_s_is_read_as_it_goes(tmp_path: Path) -> None:
    """Iterators are read once: no context later in the file is known, as from a pipe."""
    [path] = [path for path in FILES if path.stem == "charged-v2"]
    assert shown(from_scapy(PcapNgReader(str(path)))) == shown(Capture(path))
    assert from_scapy(iter([])).again() is None
    sniffed = sniff(offline=str(path), quiet=True)
    assert shown(from_scapy(sniffed)) == shown(Capture(path))


def test_a_list_is_read_ahead_as_a_file_is(tmp_path: Path) -> None:
    otid, dtid = b"\x23", b"\xb2"
    answer = tcap.Aare(BY_VERSION[2].octets, 0, 1, 0)
    path = write(
        tmp_path / "unordered.pcap",
        (
            0.0,
            True,
            tcap.encode(tcap.Message(tcap.CONTINUE, otid, dtid, components=[Invoke(1, 22, b"\4\2\x80\x90")])),
        ),
        (0.1, False, tcap.encode(tcap.Message(tcap.CONTINUE, dtid, otid, dialogue=answer))),
    )
    packets = rdpcap(str(path))
    assert shown(from_scapy(packets)) == shown(Capture(path))
    assert from_scapy(packets).again() is not None


def test_without_scapy_the_missing_extra_is_named() -> None:
    script = "import sys; sys.modules['scapy'] = None; import scp.capture.scapy_packets"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert "the extra `capture`" in done.stderr
