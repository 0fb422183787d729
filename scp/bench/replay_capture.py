"""Makes the capture for the scenario ``replay``: many dialogues of InitialDP and Connect or Continue.

Each frame is a template in which a few fields are replaced, so that a gigabyte takes a minute and little
memory. Run as a program, it writes a capture, and the subscribers for which its answers are right:
``python -m scp.bench.replay_capture CAPTURE SUBSCRIBERS DIALOGUES``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from scp.capture.write import Association, PcapWriter
from scp.domain.subscriber import Subscriber
from scp.simulator.idp import initial_dp
from scp.simulator.network import Network
from scp.simulator.scenario import Scenario
from ss7 import m3ua, rose, tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import CAP_V2
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg
from ss7.crc32c import crc32c
from ss7.isup import CalledPartyNumber
from ss7.sccp import udt
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

NETWORK: Final = Network()
PREFIX: Final = "4670"
"""Called numbers are this and seven digits; those that end in an odd digit belong to subscribers."""
NUMBERS: Final = 100_000
"""So many numbers are called, in turn."""
TID_HOLE: Final = b"\xde\xad\xbe\xef"
CHECKSUM_AT: Final = 14 + 20 + 8
"""Ethernet, IPv4 without options, SCTP's ports and verification tag come before (RFC 9260 §3.1)."""
CHUNK_AT: Final = CHECKSUM_AT + 4


class Template:
    """A frame with holes: TSN, stream sequence number, transaction id, digits of the called number."""

    def __init__(self, frame: bytes, digits: bytes = b"") -> None:
        self.frame = frame
        self.tid_at = frame.index(TID_HOLE)
        self.digits_at = frame.index(digits) if digits else -1
        self.digits_size = len(digits)

    def fill(self, tsn: int, tid: int, digits: bytes = b"") -> bytes:
        """Return the frame with these; ``digits`` as address signals."""
        frame = bytearray(self.frame)
        frame[CHUNK_AT + 4 : CHUNK_AT + 8] = tsn.to_bytes(4, "big")
        frame[CHUNK_AT + 10 : CHUNK_AT + 12] = (tsn & 0xFFFF).to_bytes(2, "big")
        frame[self.tid_at : self.tid_at + 4] = tid.to_bytes(4, "big")
        if self.digits_at >= 0:
            frame[self.digits_at : self.digits_at + self.digits_size] = digits
        frame[CHECKSUM_AT:CHUNK_AT] = b"\0\0\0\0"
        frame[CHECKSUM_AT:CHUNK_AT] = crc32c(bytes(frame[CHECKSUM_AT - 8 :])).to_bytes(4, "little")
        return bytes(frame)


def number(index: int) -> str:
    """Return the number that the call ``index`` goes to."""
    return f"{PREFIX}{index % NUMBERS:07d}"


def subscriber(index: int) -> Subscriber:
    """Return the record of the subscriber with this number: calls are always forwarded."""
    return Subscriber(
        number(index), authorized=True, aor=f"sip:+{number(index)}@voip.example", forwarding=True
    )


def signalling_octets(digits: str) -> bytes:
    """Return a number's address signals (Q.763 §3.9)."""
    return CalledPartyNumber(digits, 4).encode()[2:]


def templates() -> tuple[Template, Template, Template]:
    """Return BEGIN, END with Connect to 99 and the number, END with Continue."""
    digits = number(7_654_321)  # found nowhere else in the frames
    argument = FAST.encode_argument(
        Opcode.INITIAL_DP, initial_dp(Scenario(version=2, b_number=digits), b"\x01\x02"), 2
    )
    invoke = rose.encode_invoke(1, Opcode.INITIAL_DP, argument)
    begin = tcap.build_begin(TID_HOLE, encode_dialogue(Aarq(CAP_V2.octets)), [invoke])
    response = encode_dialogue(Aare(CAP_V2.octets))
    marked = CalledPartyNumber("99" + digits, 4, inn=False).encode()
    connect = FAST.encode_argument(Opcode.CONNECT, ConnectArg((marked,)), 2)
    answers = [
        tcap.build_end(TID_HOLE, response, [rose.encode_invoke(1, Opcode.CONNECT, connect)]),
        tcap.build_end(TID_HOLE, response, [rose.encode_invoke(1, Opcode.CONTINUE)]),
    ]
    wire = Association(bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
    called, calling = NETWORK.called(), NETWORK.calling()
    there, here = NETWORK.scp_point_code, NETWORK.point_code
    forward = m3ua.encode(m3ua.Data(here, there, 3, 0, 0, 5, udt(called, calling, begin, 1)))
    backward = [
        m3ua.encode(m3ua.Data(there, here, 3, 0, 0, 5, udt(calling, called, answer, 1))) for answer in answers
    ]
    [begin_frame] = wire.packets(forward, sent=True)
    frames = [wire.packets(message, sent=False)[0] for message in backward]
    return (
        Template(begin_frame, signalling_octets(digits)),
        Template(frames[0], signalling_octets("99" + digits)),
        Template(frames[1]),
    )


def generate(stream: BinaryIO, dialogues: int, *, rate: float = 1000.0) -> None:
    """Write a capture of so many dialogues, ``rate`` a second on its clock."""
    writer = PcapWriter(stream)
    begin, connect, resume = templates()
    for index in range(dialogues):
        time = 1_700_000_000 + index / rate
        tid = 0x10000000 + index
        digits = number(index)
        writer.write(time, begin.fill(index + 1, tid, signalling_octets(digits)))
        if index & 1:
            answer = connect.fill(index + 1, tid, signalling_octets("99" + digits))
        else:
            answer = resume.fill(index + 1, tid)
        writer.write(time + 0.0005, answer)


def main(capture: Path, subscribers: Path, dialogues: int) -> None:
    """Write both files."""
    with capture.open("wb") as stream:
        generate(stream, dialogues)
    with subscribers.open("wb") as lines:
        for index in range(1, NUMBERS, 2):
            lines.write(msgspec.json.encode(subscriber(index)) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
