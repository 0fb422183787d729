"""A packed reservation is what was packed; whatever else is read is a reservation or refused in words."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_contract import A, reservation
from msgspec import structs

from scp.domain.reservation import OPEN, Reservation, State
from scp.domain.tariff import DAYS, MAX_AMOUNT, Band, Tariff
from scp.store.reservation_format import (
    MOST_MS,
    MOST_SECONDS,
    STATES,
    UNRECORDED,
    FormatError,
    decode,
    decode_body,
    encode_body,
)

DIGITS = st.text("0123456789", max_size=20)
TEXTS = DIGITS | st.text(st.characters(codec="utf-8"), max_size=300) | st.just("0" * 128) | st.just("٣")
TIMES = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
AMOUNTS = st.integers(0, 1_000_000_000)
SPANS = st.integers(1, 86_400)
BANDS = st.builds(
    Band,
    AMOUNTS,
    TIMES,
    TIMES | st.just("24:00"),
    st.frozensets(st.sampled_from(DAYS)) | st.just(frozenset(DAYS)),
)
TARIFFS = st.builds(
    Tariff,
    st.text("0123456789", max_size=15),
    AMOUNTS,
    st.just(60) | SPANS,
    st.just("") | st.text(st.characters(codec="utf-8"), max_size=20),
    st.just(0) | AMOUNTS,
    st.integers(0, 86_400),
    st.just(1) | SPANS,
    st.lists(BANDS, max_size=3).map(tuple),
)
IDS = st.binary(min_size=1, max_size=31).map(lambda seed: "07" + seed.hex())


@st.composite
def reservations(draw: st.DrawFn) -> Reservation:
    own, account, created = draw(IDS), draw(DIGITS), draw(st.integers(0, MOST_MS))
    zone = st.integers(-200, 200).map(lambda quarters: created // 1000 + quarters * 900)
    return Reservation(
        id=own,
        account=account,
        call_id=draw(st.just(own) | TEXTS),
        a_number=draw(st.just(account) | TEXTS),
        b_number=draw(st.just(account) | TEXTS),
        created_ms=created,
        local_start=draw(zone | st.integers(-(1 << 40), 1 << 40)),
        tariff=draw(st.none() | TARIFFS),
        reference=draw(st.just("") | TEXTS),
        fingerprint=draw(st.just("") | TEXTS),
        denial=draw(st.just("") | TEXTS),
    )


def value(found: Reservation, *, recorded: bool = True) -> bytes:
    """As the ledger's scripts write it."""
    number = STATES.index(found.state) + (0 if recorded else UNRECORDED)
    parts = [
        (number, 1),
        (found.held, 5),
        (found.granted_seconds, 4),
        (found.expires_ms, 6),
        (found.steps, 3),
    ]
    if found.state not in OPEN:
        parts += [(found.used_seconds, 4), (found.charged, 5), (found.ended_ms, 6)]
    octets = b"".join(number.to_bytes(size, "big") for number, size in parts)
    return octets + bytes((len(found.account),)) + found.account.encode() + encode_body(found)


def read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(FormatError):
        found = decode("0711", octets)
        assert decode("0711", value(found)) == found


@given(reservations())
def test_what_never_changes_comes_back(new: Reservation) -> None:
    assert decode_body(new.id, new.account, encode_body(new)) == new


@given(
    reservations(),
    st.sampled_from(State),
    st.integers(0, MAX_AMOUNT),
    st.integers(0, MOST_SECONDS),
    st.integers(0, MOST_MS),
    st.booleans(),
)
def test_a_whole_value_comes_back(
    new: Reservation, state: State, amount: int, seconds: int, at_ms: int, recorded: bool
) -> None:
    found = structs.replace(
        new, state=state, held=amount, granted_seconds=seconds, expires_ms=at_ms, steps=seconds >> 8
    )
    if state not in OPEN:
        found = structs.replace(found, used_seconds=seconds, charged=amount, ended_ms=at_ms)
    assert decode(new.id, value(found, recorded=recorded)) == found


@given(reservations(), st.data())
def test_damaged_octets_are_a_reservation_or_refused(new: Reservation, data: st.DataObject) -> None:
    octets = bytearray(value(new))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    read_or_refused(bytes(octets))


@given(st.binary(max_size=200))
def test_any_octets_are_a_reservation_or_refused(octets: bytes) -> None:
    read_or_refused(octets)


@given(reservations(), st.data())
def test_what_is_cut_off_is_refused(new: Reservation, data: st.DataObject) -> None:
    whole = value(structs.replace(new, tariff=None))
    with pytest.raises(FormatError):
        decode(new.id, whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(FormatError):
        decode(new.id, whole + b"\0")


def test_each_fault_is_named() -> None:
    body = encode_body(reservation(tariff=Tariff("46", 12)))

    def fault(octets: bytes) -> str:
        with pytest.raises(FormatError) as raised:
            decode_body("0711", A, octets)
        return str(raised.value)

    assert fault(b"\1{") == "reservation: 2 octets are too few"
    assert "its JSON can't be read" in fault(b"{}")
    assert fault(b"\2" + body[1:]) == "reservation: format 2 is not known"
    assert "tariff can't be read" in fault(body[:-1])
    assert "tariff can't be read" in fault(body + b"\0")
    with pytest.raises(FormatError, match="state 9 is not known"):
        decode("0711", b"\x09" + bytes(60))
    with pytest.raises(FormatError, match="created at -1 ms"):
        encode_body(structs.replace(reservation(), created_ms=-1))
    with pytest.raises(FormatError, match="a text of 65536 octets"):
        encode_body(structs.replace(reservation(), call_id="c" * 65_536))


def test_a_call_takes_some_60_octets() -> None:
    own = "180020d44f01a22bbfed15"
    call = Reservation(
        id=own,
        account="46700006023",
        call_id=own,
        a_number="46700000009",
        b_number="33609000001",
        created_ms=1_796_030_328_666,
        local_start=1_796_033_928,
        tariff=Tariff("33", 6),
        state=State.RESERVED,
    )
    assert len(value(call)) <= 60  # with Redis's header and end 64, a size of its allocator
    night = Tariff(
        "33", 6, name="abroad", bands=(Band(3, "20:00", "08:00"), Band(2, days=frozenset({"sun"})))
    )
    assert len(encode_body(structs.replace(call, tariff=night))) <= len(encode_body(call)) + 32
