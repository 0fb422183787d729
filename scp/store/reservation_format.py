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
_HEAD_SIZES: Final = (5, 4, 6, 3)  # behind the state
_SIZES: Final = (*_HEAD_SIZES, 4, 5, 6)
_VERSION: Final = 1
_decode_json: Final = msgspec.json.Decoder(Reservation).decode
_FIXED: Final = Struct(">BBIHb")  # version, flags, created (4 and 2 octets), local clock less created
_QUARTER: Final = 900
"""Seconds: clocks of time zones differ by multiples of it."""
_FAR: Final = Struct(">q")
_OWN_CALL_ID: Final = 0x01
"""Flags: the call id is the reservation's own, a number is the account; what else is there."""
_CALLING_PAYS: Final = 0x02
_CALLED_PAYS: Final = 0x04
_TARIFF: Final = 0x08
_REFERENCE: Final = 0x10
_FINGERPRINT: Final = 0x20
_DENIAL: Final = 0x40
_FAR_CLOCK: Final = 0x80
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
    flags, texts = 0, b""
    if reservation.call_id == reservation.id:
        flags |= _OWN_CALL_ID
    else:
        texts = _text(reservation.call_id)
    if reservation.a_number == account:
        flags |= _CALLING_PAYS
    else:
        texts += _text(reservation.a_number)
    if reservation.b_number == account:
        flags |= _CALLED_PAYS
    else:
        texts += _text(reservation.b_number)
    if reservation.reference:
        flags |= _REFERENCE
        texts += _text(reservation.reference)
    if reservation.fingerprint:
        flags |= _FINGERPRINT
        texts += _text(reservation.fingerprint)
    if reservation.denial:
        flags |= _DENIAL
        texts += _text(reservation.denial)
    clock, odd = divmod(reservation.local_start - created // 1000, _QUARTER)
    if odd or not -128 <= clock <= 127:
        flags |= _FAR_CLOCK
        clock, texts = 0, _FAR.pack(reservation.local_start) + texts
    if reservation.tariff is not None:
        flags |= _TARIFF
        texts += _packed(reservation.tariff)
    return _FIXED.pack(_VERSION, flags, created >> 16, created & 0xFFFF, clock) + texts


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
    at = _FIXED.size
    created = high << 16 | low
    local_start = created // 1000 + clock * _QUARTER
    call_id, a_number, b_number, reference, fingerprint, denial = reservation_id, account, account, "", "", ""
    if flags & _FAR_CLOCK:
        (local_start,) = _FAR.unpack(_taken(octets, at, _FAR.size))
        at += _FAR.size
    if not flags & _OWN_CALL_ID:
        call_id, at = _read_text(octets, at)
    if not flags & _CALLING_PAYS:
        a_number, at = _read_text(octets, at)
    if not flags & _CALLED_PAYS:
        b_number, at = _read_text(octets, at)
    if flags & _REFERENCE:
        reference, at = _read_text(octets, at)
    if flags & _FINGERPRINT:
        fingerprint, at = _read_text(octets, at)
    if flags & _DENIAL:
        denial, at = _read_text(octets, at)
    tariff = None
    if flags & _TARIFF:
        tariff = _unpacked_tariff(octets[at:])
    elif at != len(octets):
        raise FormatError(f"reservation: {len(octets) - at} octets too many")
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
    number = value[0] & ~UNRECORDED if value else len(STATES)
    if number >= len(STATES):
        raise FormatError(f"reservation: state {number} is not known")
    state, at = STATES[number], 1
    sizes = _HEAD_SIZES if state in OPEN else _SIZES
    numbers = [0] * len(_SIZES)
    for place, size in enumerate(sizes):
        numbers[place] = int.from_bytes(_taken(value, at, size), "big")
        at += size
    held, granted, expires, steps, used, charged, ended = numbers
    length = _taken(value, at, 1)[0]
    account = _utf8(_taken(value, at + 1, length))
    return structs.replace(
        decode_body(reservation_id, account, value[at + 1 + length :]),
        state=state,
        held=held,
        granted_seconds=granted,
        expires_ms=expires,
        used_seconds=used,
        charged=charged,
        ended_ms=ended,
        steps=steps,
    )


def _taken(octets: bytes, at: int, count: int) -> bytes:
    """Return so many octets from a place on."""
    taken = octets[at : at + count]
    if len(taken) != count:
        raise FormatError(f"reservation: it ends after {len(octets)} octets")
    return taken


def _read_text(octets: bytes, at: int) -> tuple[str, int]:
    """Return the text at a place, and the place behind it."""
    length = _taken(octets, at, 1)[0]
    at += 1
    if length >= _OCTETS:
        size = length - _OCTETS
        if length == _LONG:
            size = int.from_bytes(_taken(octets, at, 2), "big")
            at += 2
        return _utf8(_taken(octets, at, size)), at + size
    size = (length + 1) >> 1
    digits = _taken(octets, at, size).hex()
    text = digits[:length]
    if (text and not text.isdigit()) or digits[length:] not in ("", "f"):
        raise FormatError(f"reservation: {digits} are no {length} digits")
    return text, at + size


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


_known: Final[dict[int, tuple[Tariff, bytes]]] = {}
"""Tariffs by their ids, which are theirs while they are here; to hash one takes longer than all else."""
MOST_KNOWN: Final = 256


def _packed(tariff: Tariff) -> bytes:
    known = _known.get(id(tariff))
    if known is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        known = _known[id(tariff)] = (tariff, _packed_tariff(tariff))
    return known[1]


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
