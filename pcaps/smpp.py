"""Text messages by SMPP 3.4 over TCP: an ESME and an SMSC. Each function is one capture."""

from __future__ import annotations

import carriers
from scene import BOB, SCP, Scene

from scp.capture.write import TcpConnection
from scp.messages.smpp.pdu import (
    RECEIPT,
    RESPONSE,
    UDHI,
    Bind,
    Command,
    Name,
    Pdu,
    Status,
    Tag,
    Text,
    encode,
)

SMSC = bytes((192, 0, 2, 40))
PORT = 2775
CAROL = "46701112222"
SENT = Text(
    source="Example",
    source_ton=5,
    destination=BOB,
    destination_ton=1,
    destination_npi=1,
    registered_delivery=1,
    validity="000001000000000R",
)
ARABIC = "مرحبا 🙂".encode("utf-16-be")


def submit(sequence: int, octets: bytes, *tlvs: tuple[int, bytes], coding: int = 0, udh: bool = False) -> Pdu:
    text = SENT._replace(short_message=octets, data_coding=coding, esm_class=UDHI if udh else 0)
    return Pdu(Command.SUBMIT_SM, sequence, 0, text, tuple((int(tag), value) for tag, value in tlvs))


def receipt(sequence: int, message: str, state: str, number: int) -> Pdu:
    words = f"id:{message} sub:001 dlvrd:001 submit date:2603020800 done date:2603020800 stat:{state} err:000 text:Hello"
    text = Text(
        source=BOB,
        source_ton=1,
        source_npi=1,
        destination="Example",
        destination_ton=5,
        esm_class=RECEIPT,
        short_message=words.encode(),
    )
    tlvs = (
        (int(Tag.RECEIPTED_MESSAGE_ID), message.encode() + b"\0"),
        (int(Tag.MESSAGE_STATE), bytes((number,))),
    )
    return Pdu(Command.DELIVER_SM, sequence, 0, text, tlvs)


def answer(request: Pdu, name: str = "", status: int = 0) -> Pdu:
    body = None if status or request.command in {Command.ENQUIRE_LINK, Command.UNBIND} else Name(name)
    return Pdu(request.command | RESPONSE, request.sequence, status, body)


def smpp_messages(scene: Scene) -> None:
    """SMPP 3.4: a bind, texts of one part and of several, receipts, a message that comes in, throttling, unbind."""
    wire = TcpConnection(SMSC, SCP, port=PORT)
    scene.all(carriers.opening(wire))

    def say(*pdus: Pdu, sent: bool = False, note: str = "", cut: int = 0) -> None:
        """Let PDUs go in one segment, in two if it is cut; ``sent`` by the SMSC."""
        octets = b"".join(map(encode, pdus))
        for part in filter(None, (octets[:cut], octets[cut:])):
            scene.packet(wire.segment(part, sent=sent), note)
            scene.wait(0.002)
        for pdu in pdus:
            scene.pdus.append(
                {"frame": len(scene.packets), "command": int(pdu.command), "sequence": pdu.sequence}
            )

    bind = Pdu(Command.BIND_TRANSCEIVER, 1, 0, Bind("camel-scp", "secret", "VMS"))
    say(bind)
    bound = answer(bind, "smsc")._replace(tlvs=((int(Tag.SC_INTERFACE_VERSION), b"\x34"),))
    say(bound, sent=True)
    one = submit(2, b"Hello", (Tag.USER_MESSAGE_REFERENCE, b"\0\1"))
    say(one, note="one part, in the default alphabet")
    say(answer(one, "00000001"), sent=True)
    parts = [
        submit(3 + number, bytes((5, 0, 3, 7, 2, number + 1)) + ARABIC, coding=8, udh=True)
        for number in range(2)
    ]
    say(*parts, note="two parts by user data headers, in UCS-2, in one segment")
    say(*(answer(each, f"0000000{each.sequence}") for each in parts), sent=True)
    pieces = [
        submit(
            5 + number,
            b"Hello, hello",
            (Tag.SAR_MSG_REF_NUM, b"\0\x08"),
            (Tag.SAR_TOTAL_SEGMENTS, b"\2"),
            (Tag.SAR_SEGMENT_SEQNUM, bytes((number + 1,))),
        )
        for number in range(2)
    ]
    say(*pieces, note="two parts by optional parameters")
    say(
        answer(pieces[0], "00000005"),
        answer(pieces[1], status=Status.RTHROTTLED),
        sent=True,
        note="the second is refused: ESME_RTHROTTLED",
    )
    long = submit(7, b"", (Tag.MESSAGE_PAYLOAD, b"0123456789" * 30))
    say(long, note="300 characters in message_payload, in two segments", cut=150)
    say(answer(long, "00000007"), sent=True)
    told = [receipt(1, "00000001", "DELIVRD", 2), receipt(2, "00000005", "UNDELIV", 5)]
    say(*told, sent=True, note="delivery receipts")
    say(*map(answer, told))
    came = Pdu(
        Command.DELIVER_SM,
        3,
        0,
        Text(
            source=CAROL,
            source_ton=1,
            source_npi=1,
            destination=BOB,
            destination_ton=1,
            destination_npi=1,
            short_message=b"Hello",
        ),
    )
    say(came, sent=True, note="a message to the VoIP side")
    say(answer(came))
    scene.wait(30.0)
    alive = Pdu(Command.ENQUIRE_LINK, 8)
    say(alive)
    say(answer(alive), sent=True)
    over = Pdu(Command.UNBIND, 9)
    say(over)
    say(answer(over), sent=True)
    for sent, flags in ((False, 0x11), (True, 0x11), (False, 0x10)):
        scene.packet(wire.segment(b"", sent=sent, flags=flags))
        scene.wait(0.0005)
