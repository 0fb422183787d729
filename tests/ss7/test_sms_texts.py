"""Texts of short messages: pycrate reads what is written, parts come together again, no character is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrate_mobile.TS23038 import decode_7b

from ss7.errors import DecodeError
from ss7.sms.alphabet import from_septets, pack, to_septets, unpack
from ss7.sms.parts import Coding, Concatenation, characters, coded, header, split, without_header

BASIC = [chr(code) for code in range(0x20, 0x7F) if code != 0x60] + list(
    "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉÄÖÑÜ§¿äöñüà¤¡"
)
GSM_TEXTS = st.text(
    st.sampled_from([*BASIC, "€", "[", "]", "{", "}", "~", "|", "^", "\\", "\n"]), max_size=400
)
ANY_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(GSM_TEXTS.filter(lambda text: text[-1:] not in ("@", "\r")))
def test_another_decoder_reads_the_packed_alphabet(text: str) -> None:
    """pycrate takes an @ at the end for filling: texts that end with one are left out."""
    septets = to_septets(text)
    assert septets is not None
    assert decode_7b(pack(septets)) == text


@given(GSM_TEXTS, st.integers(0, 6))
def test_septets_and_texts_are_one_to_one(text: str, fill: int) -> None:
    septets = to_septets(text)
    assert septets is not None
    assert from_septets(septets) == text
    assert unpack(pack(septets, fill), len(septets), fill) == septets


@given(st.binary(max_size=40).map(lambda octets: bytes(each & 0x7F for each in octets)))
def test_every_septet_is_shown(septets: bytes) -> None:
    assert len(from_septets(septets)) <= len(septets)


@given(st.one_of(GSM_TEXTS, ANY_TEXTS))
def test_a_text_comes_together_again_from_its_parts(text: str) -> None:
    coding, octets = coded(text)
    parts = split(coding, octets)
    assert "".join(characters(coding, part) for part in parts) == text
    one, several = {Coding.GSM7: (160, 153), Coding.UCS2: (140, 134)}[coding]
    assert (
        len(parts) == 1
        if len(octets) <= one
        else all(several - 2 <= len(part) <= several for part in parts[:-1])
    )


@given(st.integers(0, 255), st.integers(1, 255), st.integers(1, 255), st.binary(max_size=30))
def test_a_header_is_found_again(reference: int, total: int, number: int, data: bytes) -> None:
    part = Concatenation(reference, max(total, number), number)
    assert without_header(header(part) + data) == (part, data)


def test_headers_of_other_kinds() -> None:
    assert without_header(bytes.fromhex("06 08 04 1234 03 02") + b"x") == (Concatenation(0x1234, 3, 2), b"x")
    assert without_header(bytes.fromhex("0b 05 04 0b84 0000 00 03 07 02 01")) == (Concatenation(7, 2, 1), b"")
    assert without_header(bytes.fromhex("05 00 03 07 02 03") + b"x") == (None, b"x")  # part 3 of 2
    for wrong in ("", "05 00 03", "03 00 05 01 02"):
        with pytest.raises(DecodeError):
            without_header(bytes.fromhex(wrong))


def test_what_the_extension_table_does_not_have() -> None:
    assert from_septets(b"\x1b\x41") == "A"
    assert from_septets(b"\x1b\x1b") == " "
    assert from_septets(b"\x1b") == " "
    assert to_septets("ç") is None
    with pytest.raises(DecodeError, match=r"above 127 .* at octet 1"):
        from_septets(b"a\x80")
