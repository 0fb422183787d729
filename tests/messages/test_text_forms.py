"""Texts as other programs write them come in as they were sent: parts that end within a character, headers of any kind."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
import smpplib.consts
import smpplib.gsm
from gsmcodecs.charmaps import GSMCHARMAPS
from hypothesis import given
from hypothesis import strategies as st

from scp.domain.message import Received
from scp.messages.smpp.esme import piece_of
from scp.messages.smpp.pdu import UDHI, Command, Pdu, Tag, Text
from scp.store.message_format import joined
from ss7.sms.alphabet import from_septets, pack
from ss7.sms.parts import Coding
from ss7.sms.tpdu import UserData

EMOJI = "😀👩‍👩‍👧‍👦🇸🇪"
ARABIC = "السلام عليكم ورحمة الله وبركاته، كيف حالك اليوم؟ "
BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?ÄÖÑÜ¿abcäöñüà^{}\\[~]|€"


def came(octets: bytes, coding: int, *, udhi: bool, **tlvs: bytes) -> Any:
    """What the node makes of a deliver_sm."""
    text = Text(
        source="46709",
        destination="46701",
        esm_class=UDHI if udhi else 0,
        data_coding=coding,
        short_message=octets,
    )
    return piece_of(Pdu(Command.DELIVER_SM, 0, 1), text, Coding.GSM7, "in-1", 1)


def whole(parts: list[bytes], coding: int, *, udhi: bool) -> str:
    pieces = [came(part, coding, udhi=udhi) for part in parts]
    if len(pieces) == 1:
        return str(pieces[0].whole.text)
    assert {(each.total, each.reference) for each in pieces} == {(len(parts), pieces[0].reference)}
    in_order = sorted(pieces, key=lambda each: each.number)
    return joined([each.whole for each in in_order]).text


@pytest.mark.parametrize(
    "text",
    [
        ARABIC * 5,
        "x" * 66 + EMOJI,  # the first part ends between two surrogates
        EMOJI * 40,
        "a" * 152 + "€" + "b" * 20,  # … and here behind an escape
        "{[€]}" * 60,
        BASIC * 3,
        "Hello",
    ],
)
def test_parts_that_another_library_makes_come_together(text: str) -> None:
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    assert whole(parts, coding, udhi=esm_class == smpplib.consts.SMPP_GSMFEAT_UDHI) == text


@given(st.text(st.sampled_from([*BASIC, *"😀عπ𝄞"]), min_size=1, max_size=400))
def test_any_text_of_another_library(text: str) -> None:
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    assert whole(parts, coding, udhi=esm_class == smpplib.consts.SMPP_GSMFEAT_UDHI) == text


@pytest.mark.parametrize(
    ("head", "reference"),
    [
        ("050003 2a 02 {:02x}", 0x2A),
        ("060804 1234 02 {:02x}", 0x1234),
        ("0b 0504 0b84 0000 0003 2a 02 {:02x}", 0x2A),  # application port addressing, 16 bits
        ("0a 0402 9cff 0804 1234 02 {:02x}", 0x1234),  # and 8 bits
        ("08 700101 0003 2a 02 {:02x}", 0x2A),  # for the SIM
    ],
)
def test_references_of_8_and_16_bits_beside_ports(head: str, reference: int) -> None:
    text = "x" * 10 + EMOJI
    octets = text.encode("utf-16-be")
    cut = 22  # between the surrogates of the first emoji
    parts = [
        bytes.fromhex(head.format(number)) + part for number, part in ((1, octets[:cut]), (2, octets[cut:]))
    ]
    pieces = [came(part, 8, udhi=True) for part in parts]
    assert [(each.reference, each.total, each.number) for each in pieces] == [
        (reference, 2, 1),
        (reference, 2, 2),
    ]
    assert whole(parts, 8, udhi=True) == text


def test_a_half_that_stays_alone_is_shown_as_one_unknown_character() -> None:
    assert came(b"\x00a\xd8\x3d", 8, udhi=False).whole.text == "a\ufffd"
    lone = [
        Received(id="i", sender="1", recipient="2", text="a", at_ms=1, coding="ucs2", data=b"\x00a\xd8\x3d")
    ] * 2
    assert joined(lone).text == "a\ufffda\ufffd"


def test_parts_of_different_codings_and_those_kept_by_an_earlier_release() -> None:
    parts = [
        came(bytes.fromhex("0500032a0201") + b"Hi ", 0, udhi=True),
        came(bytes.fromhex("0500032a0202263a"), 8, udhi=True),
    ]
    assert joined([each.whole for each in parts]).text == "Hi ☺"
    old = [Received(id="i", sender="1", recipient="2", text=each, at_ms=1) for each in "ab"]
    assert joined(old).text == "ab"


# --- national language tables (TS 23.038 §6.2.1.2) ---

TABLES = [(1, 0), (3, 0), (0, 1), (0, 2), (0, 3), (1, 1), (3, 3), (1, 3), (3, 2)]


def septets_of(locking: int, single: int) -> list[bytes]:
    """What the tables of another library have characters for; of escapes that both mean something by."""
    basic = GSMCHARMAPS[locking]["locking"]["decode"]
    extension = GSMCHARMAPS[single]["singleShift"]["decode"]
    return [bytes((code,)) for code in basic if code != 0x1B] + [
        bytes((0x1B, code)) for code in extension if code not in (0x0D, 0x1B)
    ]


@pytest.mark.parametrize(("locking", "single"), TABLES)
def test_national_tables_are_those_of_another_library(locking: int, single: int) -> None:
    for septets in septets_of(locking, single):
        [text] = codecs.decode(septets, f"gsm23.038-{locking}-{single}")
        assert from_septets(septets, locking, single) == text, septets.hex()


@pytest.mark.parametrize(("locking", "single"), TABLES)
def test_a_long_text_in_a_national_alphabet_comes_in(locking: int, single: int) -> None:
    septets = b"".join(septets_of(locking, single)) * 2
    shift = (bytes((0x25, 1, locking)) if locking else b"") + (bytes((0x24, 1, single)) if single else b"")
    parts = []
    cuts = list(range(0, len(septets), 149))
    for number, start in enumerate(cuts, 1):
        head = bytes((0, 3, 7, len(cuts), number)) + shift
        parts.append(bytes((len(head),)) + head + septets[start : start + 149])
    expected = codecs.decode(septets, f"gsm23.038-{locking}-{single}")
    assert whole(parts, 0, udhi=True) == expected
    in_tpdu = UserData(0, 0, b"", has_header=True)
    head = bytes((len(shift),)) + shift
    fill = -len(head) * 8 % 7
    for text in septets_of(locking, single):
        length = (len(head) * 8 + fill) // 7 + len(text)
        data = in_tpdu._replace(length=length, octets=head + pack(text, fill))
        assert data.read() == (None, codecs.decode(text, f"gsm23.038-{locking}-{single}"))


def test_a_language_without_tables_here_is_read_by_the_default_ones() -> None:
    assert came(bytes.fromhex("06 25 01 0d 24 01 0d") + b"Hi\x1be", 0, udhi=True).whole.text == "Hi€"


@pytest.mark.parametrize(
    ("total", "number", "part"),
    [
        (2, 1, (9, 2, 1)),
        (2, 2, (9, 2, 2)),
        (2, 3, (0, 1, 1)),  # there is no third of two
        (2, 0, (0, 1, 1)),  # §5.3.2.23: they count from 1
        (0, 0, (0, 1, 1)),
        (0, 1, (0, 1, 1)),
    ],
)
def test_parts_by_optional_parameters(total: int, number: int, part: tuple[int, int, int]) -> None:
    """SMPP 3.4 §5.3.2.22 to §5.3.2.24; what can be no part is a message of its own: nothing waits for it."""
    tlvs = (
        (int(Tag.SAR_MSG_REF_NUM), b"\0\x09"),
        (int(Tag.SAR_TOTAL_SEGMENTS), bytes((total,))),
        (int(Tag.SAR_SEGMENT_SEQNUM), bytes((number,))),
    )
    text = Text(source="46709", destination="46701", data_coding=3, short_message=b"Hello")
    piece = piece_of(Pdu(Command.DELIVER_SM, 0, 1, text, tlvs), text, Coding.GSM7, "in-1", 1)
    assert (piece.reference, piece.total, piece.number) == part
    assert piece.whole.text == "Hello"
