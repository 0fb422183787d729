"""Makes captures of any size: BEGIN with InitialDP, END with Connect or Continue, dialogue after dialogue.

A dialogue is two templates with holes, so that a gigabyte takes a minute and no memory. Run as a program it writes a
file: ``python tests/bench/capture_generator.py FILE DIALOGUES``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

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

NETWORK = Network()
PREFIX = "4670"
"""Called numbers are this and seven digits; those that end in an odd digit belong to subscribers."""
TID_HOLE = b"\xde\xad\xbe\xef"
CHUNK_AT = 14 + 20 + 12


class Template:
    """A frame with holes: TSN, stream sequence number, transaction id, and the digits of the called number."""

    def __init__(self, frame: bytes, digits: bytes = b"") -> None:
        self.frame = frame
        self.tid_at = frame.index(TID_HOLE)
        self.digits_at = frame.index(digits) if digits else -1
        self.digits_size = len(digits)

    def fill(self, tsn: int, tid: int, digits: bytes = b"") -> bytes:
        frame = bytearray(self.frame)
        frame[CHUNK_AT + 4 : CHUNK_AT + 8] = tsn.to_bytes(4, "big")
        frame[CHUNK_AT + 10 : CHUNK_AT + 12] = (tsn & 0xFFFF).to_bytes(2, "big")
        frame[self.tid_at : self.tid_at + 4] = tid.to_bytes(4, "big")
        if self.digits_at >= 0:
            frame[self.digits_at : self.digits_at + self.digits_size] = digits
        frame[42:46] = b"\0\0\0\0"
        frame[42:46] = crc32c(bytes(frame[34:])).to_bytes(4, "little")
        return bytes(frame)


def number(index: int) -> str:
    return f"{PREFIX}{index % 10_000_000:07d}"


def subscriber(index: int) -> Subscriber:
    return Subscriber(
        number(index), authorized=True, aor=f"sip:+{number(index)}@voip.example", forwarding=True
    )


def signalling_octets(digits: str) -> bytes:
    return CalledPartyNumber(digits, 4).encode()[2:]


def templates() -> tuple[Template, Template, Template]:
    """BEGIN, END with Connect to 99 and the number, END with Continue."""
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


if __name__ == "__main__":
    with Path(sys.argv[1]).open("wb") as file:
        generate(file, int(sys.argv[2]))
