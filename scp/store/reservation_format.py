"""A reservation as octets, for a store where each octet counts: a call's takes some 60.

A value has three parts (integers are big endian, without a sign unless it says so)::

    head    1 state, and 128 while its CDR is not written; 5 held; 4 granted seconds; 6 expiry; 3 steps
    end     4 used seconds; 5 charged; 6 end                  (only of one that is not open)
    account 1 length; digits
    body    what never changes, see `encode_body`

The scripts of `scp.store.ledger_scripts` read and write all but the body, which they only pass on.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct, error
from typing import Final

import msgspec
from msgspec import structs

from scp.domain.reservation import OPEN, Reservation, State
from scp.domain.tariff import DAYS, Tariff

HEAD: Final = ">BI5I4I6I3"
"""As Lua's ``struct`` has it; Python's has no integers of 3, 5 and 6 octets."""
END: Final = ">I4I5I6"
STATES: Final = tuple(State)
"""A state's number is its place here; a new one comes last."""
UNRECORDED: Final = 128
"""Added to the state while the CDR of what was charged is not written."""

MOST_SECONDS: Final = (1 << 32) - 1
MOST_MS: Final = (1 << 48) - 1
_HEAD_SIZE: Final = 19
_END_SIZE: Final = 15
_VERSION: Final = 1
_decode_json: Final = msgspec.json.Decoder(Reservation).decode
_FIXED: Final = Struct(">BBIHb")  # version, flags, created (4 and 2 octets), local clock less created
_QUARTER: Final = 900
"""Seconds: clocks of time zones differ by multiples of it."""
_FAR: Final = Struct(">q")
_TARIFF: Final = 0x08
_FAR_CLOCK: Final = 0x80
_TEXTS: Final = (("call_id", 0x01), ("a_number", 0x02), ("b_number", 0x04))
"""With the flag: a call id that is the reservation's own, numbers that are the account."""
_FURTHER: Final = (("reference", 0x10), ("fingerprint", 0x20), ("denial", 0x40))
"""With the flag: it is there."""
_OCTETS: Final = 0x80
_LONG: Final = 0xFF
_MOST_TEXT: Final = (1 << 16) - 1
_EVERY_DAY: Final = (1 << len(DAYS)) - 1
_MINUTES: Final = 60


class FormatError(ValueError):
    """Octets are no reservation, or a reservation does not fit; the text says what is wrong."""


def encode_body(reservation: Reservation) -> bytes:
    """Return what never changes of a reservation, but for id and account.

    Version 1; flags; when it was made; the local clock's difference from that in quarters of an hour, with a
    sign (or, as a flag says, 0, and 8 octets of its own time come next); texts that are not as usual; tariff
    (MessagePack, without the defaults at its end). A text of digits is their number and BCD, filled with F;
    another one 128 + length, or 255 and 2 octets of length, and UTF-8.

    Raises:
        FormatError: a time is before 1970 or after 10889, or a text longer than 65,535 octets.
    """
    created, account = reservation.created_ms, reservation.account
    if not 0 <= created <= MOST_MS:
        raise FormatError(f"reservation: created at {created} ms")
    usual = (reservation.id, account, account)
    flags, texts = 0, b""
    for (name, flag), same in zip(_TEXTS, usual, strict=True):
        text = getattr(reservation, name)
        if text == same:
            flags |= flag
        else:
            texts += _text(text)
    for name, flag in _FURTHER:
        text = getattr(reservation, name)
        if text:
            flags |= flag
            texts += _text(text)
    tariff = b""
    clock, odd = divmod(reservation.local_start - created // 1000, _QUARTER)
    if odd or not -128 <= clock <= 127:
        flags |= _FAR_CLOCK
        clock, texts = 0, _FAR.pack(reservation.local_start) + texts
    if reservation.tariff is not None:
        flags |= _TARIFF
        tariff = _packed_tariff(reservation.tariff)
    return _FIXED.pack(_VERSION, flags, created >> 16, created & 0xFFFF, clock) + texts + tariff


def decode_body(reservation_id: str, account: str, octets: bytes) -> Reservation:
    """Return the reservation, with `State.NONE`; a body of before `scp.store.ledger_layout` is JSON.

    Raises:
        FormatError: it is of another version, or damaged.
    """
    if octets.startswith(b"{"):
        return _from_json(octets)
    try:
        version, flags, high, low, clock = _FIXED.unpack_from(octets)
    except error:
        raise FormatError(f"reservation: {len(octets)} octets are too few") from None
    if version != _VERSION:
        raise FormatError(f"reservation: format {version} is not known")
    reader = _Reader(octets, _FIXED.size)
    created = high << 16 | low
    local_start = created // 1000 + clock * _QUARTER
    if flags & _FAR_CLOCK:
        (local_start,) = _FAR.unpack(reader.take(_FAR.size))
    call_id = reservation_id if flags & 0x01 else reader.text()
    a_number = account if flags & 0x02 else reader.text()
    b_number = account if flags & 0x04 else reader.text()
    reference, fingerprint, denial = [reader.text() if flags & flag else "" for _, flag in _FURTHER]
    tariff = None
    if flags & _TARIFF:
        tariff = _unpacked_tariff(octets[reader.at :])
    elif reader.at != len(octets):
        raise FormatError(f"reservation: {len(octets) - reader.at} octets too many")
    return Reservation(
        id=reservation_id,
        account=account,
        call_id=call_id,
        a_number=a_number,
        b_number=b_number,
        created_ms=created,
        local_start=local_start,
        tariff=tariff,
        reference=reference,
        fingerprint=fingerprint,
        denial=denial,
    )


def _from_json(octets: bytes) -> Reservation:
    try:
        return _decode_json(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise FormatError(f"reservation: its JSON can't be read: {fault}") from None


def decode(reservation_id: str, value: bytes) -> Reservation:
    """Return the reservation of a whole value; raises `FormatError`."""
    reader = _Reader(value, 0)
    number = reader.number(1) & ~UNRECORDED
    if number >= len(STATES):
        raise FormatError(f"reservation: state {number} is not known")
    state = STATES[number]
    held, granted, expires, steps = reader.number(5), reader.number(4), reader.number(6), reader.number(3)
    used = charged = ended = 0
    if state not in OPEN:
        used, charged, ended = reader.number(4), reader.number(5), reader.number(6)
    account = _utf8(reader.take(reader.number(1)))
    return structs.replace(
        decode_body(reservation_id, account, value[reader.at :]),
        state=state,
        held=held,
        granted_seconds=granted,
        expires_ms=expires,
        used_seconds=used,
        charged=charged,
        ended_ms=ended,
        steps=steps,
    )


class _Reader:
    """Reads octets from a place on."""

    def __init__(self, octets: bytes, at: int) -> None:
        self.octets = octets
        self.at = at

    def take(self, count: int) -> bytes:
        """Return the next octets."""
        taken = self.octets[self.at : self.at + count]
        if len(taken) != count:
            raise FormatError(f"reservation: it ends after {len(self.octets)} octets")
        self.at += count
        return taken

    def number(self, size: int) -> int:
        """Return the integer in the next octets."""
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        """Return the next text."""
        length = self.number(1)
        if length >= _OCTETS:
            return _utf8(self.take(self.number(2) if length == _LONG else length - _OCTETS))
        digits = self.take((length + 1) >> 1).hex()
        text = digits[:length]
        if (text and not text.isdigit()) or digits[length:] not in ("", "f"):
            raise FormatError(f"reservation: {digits} are no {length} digits")
        return text


def _text(text: str) -> bytes:
    length = len(text)
    if length < _OCTETS and text.isdigit() and text.isascii():
        return bytes((length,)) + bytes.fromhex(text if not length & 1 else text + "f")
    octets = text.encode()
    if len(octets) < _LONG - _OCTETS:
        return bytes((_OCTETS + len(octets),)) + octets
    if len(octets) > _MOST_TEXT:
        raise FormatError(f"reservation: a text of {len(octets)} octets")
    return bytes((_LONG,)) + len(octets).to_bytes(2, "big") + octets


def _utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise FormatError(f"reservation: {octets.hex()} is no UTF-8") from None


# --- tariffs: few, and each in many reservations ---


class _PackedBand(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A `Band`: start and end in minutes of the day, days as bits."""

    price: int
    start: int = 0
    end: int = 24 * _MINUTES
    days: int = _EVERY_DAY


class _PackedTariff(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A `Tariff`, in the order in which its fields are set the more often."""

    prefix: str
    price: int
    per_seconds: int = 60
    increment_seconds: int = 1
    setup: int = 0
    minimum_seconds: int = 0
    name: str = ""
    bands: tuple[_PackedBand, ...] = ()


_decode_tariff: Final = msgspec.msgpack.Decoder(_PackedTariff).decode


@lru_cache(256)
def _packed_tariff(tariff: Tariff) -> bytes:
    bands = [
        _short(_PackedBand, each.price, _minute(each.start), _minute(each.end), _bits(each.days))
        for each in tariff.bands
    ]
    values = _short(
        _PackedTariff,
        tariff.prefix,
        tariff.price,
        tariff.per_seconds,
        tariff.increment_seconds,
        tariff.setup,
        tariff.minimum_seconds,
        tariff.name,
        bands or (),
    )
    return msgspec.msgpack.encode(values)


@lru_cache(256)
def _unpacked_tariff(octets: bytes) -> Tariff:
    try:
        values = structs.asdict(_decode_tariff(octets))
        values["bands"] = [_band(each) for each in values["bands"]]
        return msgspec.convert(values, Tariff)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise FormatError(f"reservation: its tariff can't be read: {fault}") from None


def _short(packed: type[msgspec.Struct], *values: object) -> list[object]:
    """Return the values of one without the defaults at the end."""
    defaults = packed.__struct_defaults__
    needed = len(values) - len(defaults)
    count = len(values)
    while count > needed and values[count - 1] == defaults[count - 1 - needed]:
        count -= 1
    return list(values[:count])


def _band(packed: _PackedBand) -> dict[str, object]:
    if packed.days > _EVERY_DAY:
        raise msgspec.ValidationError(f"days {packed.days}")
    days = [day for bit, day in enumerate(DAYS) if packed.days >> bit & 1]
    return {"price": packed.price, "start": _time(packed.start), "end": _time(packed.end), "days": days}


def _bits(days: frozenset[str]) -> int:
    return sum(1 << bit for bit, day in enumerate(DAYS) if day in days)


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * _MINUTES + int(minutes)


def _time(minute: int) -> str:
    return f"{minute // _MINUTES:02d}:{minute % _MINUTES:02d}"
