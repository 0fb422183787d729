"""The TPDUs of the Short Message Service (TS 23.040 §9.2): deliver, submit, their reports, status report.

What a type indicator means depends on the direction, and a report's form on whether it goes with an
acknowledgement or an error: both are said by whoever carries the TPDU (MAP's operation, its result or error).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from ss7.digits import tbcd_digits, tbcd_octets
from ss7.errors import DecodeError, EncodeError
from ss7.sms.alphabet import from_septets, pack, to_septets, unpack
from ss7.sms.parts import (
    DEFAULT,
    Coding,
    Concatenation,
    characters,
    header,
    languages_of,
    without_header,
)

MOST_OCTETS: Final = 140
ALPHANUMERIC: Final = 5
_CLAUSE: Final = "TS 23.040 §9.2"
_MORE: Final = 0x04  # TP-MMS in deliver and status report: 0 says that more messages wait
_REJECT_DUPLICATES: Final = 0x04
_LOOP: Final = 0x08
_STATUS_REPORT: Final = 0x20  # TP-SRI, TP-SRR, TP-SRQ
_HEADER: Final = 0x40
_REPLY_PATH: Final = 0x80


class Kind(IntEnum):
    """TP-MTI (§9.2.3.1); deliver and deliver report, submit and submit report share one."""

    DELIVER = 0
    SUBMIT = 1
    STATUS_REPORT = 2


class SmsAddress(NamedTuple):
    """An address of the short message service (§9.1.2.5).

    Attributes:
        digits: in the TBCD alphabet, or the name that is shown in place of a number.
        nature: type of number; `ALPHANUMERIC` for a name.
        plan: numbering plan.
    """

    digits: str
    nature: int = 1
    plan: int = 1


class Timestamp(NamedTuple):
    """A time (§9.2.3.11): local, with the quarters of an hour ahead of UTC; the year has two digits."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    quarters: int = 0


class UserData(NamedTuple):
    """TP-DCS, TP-UDL and TP-UD (§9.2.3.10, §9.2.3.16, §9.2.3.24).

    Attributes:
        dcs: how the data are coded (TS 23.038 §4).
        length: TP-UDL: septets of the 7 bit alphabet, else octets.
        octets: TP-UD, its header included.
        has_header: TP-UDHI.
    """

    dcs: int
    length: int
    octets: bytes
    has_header: bool = False

    @property
    def coding(self) -> Coding | None:
        """The alphabet; None for data that are no text, or compressed."""
        return coding_of(self.dcs)

    def read(self) -> tuple[Concatenation | None, str]:
        """Return which part of a message this is, and its text; data that are no text are shown as Latin 1.

        Raises:
            DecodeError: the header is longer than the data.
        """
        part: Concatenation | None = None
        rest, languages = self.octets, DEFAULT
        if self.has_header:
            part, rest = without_header(self.octets)
            languages = languages_of(self.octets)
        coding = self.coding
        if coding is not Coding.GSM7:
            return part, characters(coding or Coding.LATIN1, rest)
        taken = len(self.octets) - len(rest)
        head = (taken * 8 + 6) // 7
        if head > self.length:
            raise DecodeError("the user data header is longer than TP-UDL says", 0, "TS 23.040 §9.2.3.24")
        fill = head * 7 - taken * 8
        septets = unpack(rest, self.length - head, fill)
        return part, from_septets(septets, languages.locking, languages.single)


class Deliver(NamedTuple):
    """SMS-DELIVER (§9.2.2.1): from the service centre to the mobile."""

    sender: SmsAddress
    user_data: UserData
    timestamp: Timestamp
    protocol_id: int = 0
    more: bool = False
    loop: bool = False
    status_report: bool = False
    reply_path: bool = False


class Submit(NamedTuple):
    """SMS-SUBMIT (§9.2.2.2): from the mobile to the service centre.

    ``validity`` has 0 octets, 1 (relative) or 7 (absolute; enhanced if ``enhanced``; §9.2.3.12).
    """

    recipient: SmsAddress
    user_data: UserData
    reference: int = 0
    validity: bytes = b""
    enhanced: bool = False
    protocol_id: int = 0
    reject_duplicates: bool = False
    status_report: bool = False
    reply_path: bool = False


class Report(NamedTuple):
    """SMS-DELIVER-REPORT and SMS-SUBMIT-REPORT (§9.2.2.1a, §9.2.2.2a).

    Attributes:
        kind: what it reports on.
        cause: TP-FCS, in an error; None with an acknowledgement.
        timestamp: in a submit report.
        protocol_id: None: not there.
        user_data: None: not there; a TP-DCS without it says nothing.
    """

    kind: Kind
    cause: int | None = None
    timestamp: Timestamp | None = None
    protocol_id: int | None = None
    user_data: UserData | None = None


class StatusReport(NamedTuple):
    """SMS-STATUS-REPORT (§9.2.2.3), without the optional parameters behind TP-ST."""

    reference: int
    recipient: SmsAddress
    timestamp: Timestamp
    discharged: Timestamp
    status: int
    more: bool = False
    loop: bool = False
    for_command: bool = False


Tpdu: TypeAlias = Deliver | Submit | Report | StatusReport


def coding_of(dcs: int) -> Coding | None:
    """Return the alphabet that TP-DCS names (TS 23.038 §4); None: 8 bit data, or compressed."""
    group = dcs >> 4
    if group < 8:  # general, and marked for automatic deletion
        if dcs & 0x20:
            return None
        return (Coding.GSM7, None, Coding.UCS2, Coding.GSM7)[dcs >> 2 & 3]
    if group == 0xF:
        return None if dcs & 4 else Coding.GSM7
    return Coding.UCS2 if group == 0xE else Coding.GSM7  # message waiting; reserved ones are GSM 7 bit


def user_data(coding: Coding, octets: bytes, part: Concatenation | None = None) -> UserData:
    """Return the user data of a text, or of a part of one, as `ss7.sms.parts.split` has cut it.

    Raises:
        EncodeError: it has no room (140 octets).
    """
    head = b"" if part is None else header(part)
    if coding is Coding.GSM7:
        septets = (len(head) * 8 + 6) // 7
        made = UserData(
            0, septets + len(octets), head + pack(octets, septets * 7 - len(head) * 8), bool(head)
        )
    else:
        data = head + octets
        made = UserData(8 if coding is Coding.UCS2 else 4, len(data), data, bool(head))
    if len(made.octets) > MOST_OCTETS:
        raise EncodeError(f"user data of {len(made.octets)} octets, 140 are possible", "TS 23.040 §9.2.3.16")
    return made


# --- encoding ---


def encode(tpdu: Tpdu) -> bytes:
    """Return the octets of a TPDU.

    Raises:
        EncodeError: an address, a time or the user data have no room.
    """
    if isinstance(tpdu, Deliver):
        first = Kind.DELIVER | (0 if tpdu.more else _MORE) | (_LOOP if tpdu.loop else 0)
        first |= (_STATUS_REPORT if tpdu.status_report else 0) | (_REPLY_PATH if tpdu.reply_path else 0)
        data = tpdu.user_data
        return (
            bytes((first | (_HEADER if data.has_header else 0),))
            + _address(tpdu.sender)
            + bytes((tpdu.protocol_id, data.dcs))
            + _time(tpdu.timestamp)
            + _counted(data)
        )
    if isinstance(tpdu, Submit):
        return _submit(tpdu)
    if isinstance(tpdu, Report):
        return _report(tpdu)
    first = Kind.STATUS_REPORT | (0 if tpdu.more else _MORE) | (_LOOP if tpdu.loop else 0)
    first |= _STATUS_REPORT if tpdu.for_command else 0
    times = _time(tpdu.timestamp) + _time(tpdu.discharged)
    return bytes((first, tpdu.reference)) + _address(tpdu.recipient) + times + bytes((tpdu.status,))


def _submit(tpdu: Submit) -> bytes:
    formats = {0: 0, 1: 0x10, 7: 0x08 if tpdu.enhanced else 0x18}
    if len(tpdu.validity) not in formats:
        raise EncodeError("TP-VP has 1 or 7 octets", "TS 23.040 §9.2.3.12")
    first = Kind.SUBMIT | formats[len(tpdu.validity)] | (_REJECT_DUPLICATES if tpdu.reject_duplicates else 0)
    first |= (_STATUS_REPORT if tpdu.status_report else 0) | (_REPLY_PATH if tpdu.reply_path else 0)
    data = tpdu.user_data
    return (
        bytes((first | (_HEADER if data.has_header else 0), tpdu.reference))
        + _address(tpdu.recipient)
        + bytes((tpdu.protocol_id, data.dcs))
        + tpdu.validity
        + _counted(data)
    )


def _report(tpdu: Report) -> bytes:
    data = tpdu.user_data
    first = tpdu.kind.value | (_HEADER if data is not None and data.has_header else 0)
    head = bytes((first,)) if tpdu.cause is None else bytes((first, tpdu.cause))
    indicator = (0 if tpdu.protocol_id is None else 1) | (0 if data is None else 6)
    if (tpdu.timestamp is not None) != (tpdu.kind is Kind.SUBMIT):
        raise EncodeError("a submit report has TP-SCTS, a deliver report has not", "TS 23.040 §9.2.2.2a")
    time = b"" if tpdu.timestamp is None else _time(tpdu.timestamp)
    protocol = b"" if tpdu.protocol_id is None else bytes((tpdu.protocol_id,))
    return (
        head
        + bytes((indicator,))
        + time
        + protocol
        + (b"" if data is None else bytes((data.dcs,)) + _counted(data))
    )


def _counted(data: UserData) -> bytes:
    if len(data.octets) > MOST_OCTETS or _octets_of(data.dcs, data.length) != len(data.octets):
        raise EncodeError(
            f"{len(data.octets)} octets of user data, TP-UDL {data.length}", "TS 23.040 §9.2.3.16"
        )
    return bytes((data.length,)) + data.octets


def _octets_of(dcs: int, length: int) -> int:
    return (length * 7 + 7) // 8 if coding_of(dcs) is Coding.GSM7 else length


def _address(address: SmsAddress) -> bytes:
    """Return an address (§9.1.2.5): its length counts semi-octets, of a name as well."""
    kind = 0x80 | address.nature << 4 | address.plan
    if address.nature != ALPHANUMERIC:
        octets, length = tbcd_octets(address.digits, "TS 23.040 §9.1.2.5"), len(address.digits)
    else:
        septets = _septets(address.digits)
        octets, length = pack(septets), (len(septets) * 7 + 3) // 4
    if len(octets) > 10:
        raise EncodeError("an address has 20 digits or 11 characters at the most", "TS 23.040 §9.1.2.5")
    return bytes((length, kind)) + octets


def _septets(name: str) -> bytes:
    septets = to_septets(name)
    if septets is None:
        raise EncodeError("a name is in the GSM 7 bit alphabet", "TS 23.040 §9.1.2.5")
    return septets


def _time(time: Timestamp) -> bytes:
    values = (time.year, time.month, time.day, time.hour, time.minute, time.second)
    zone = abs(time.quarters)
    if not 0 <= min(values) <= max(values) <= 99 or zone > 79:
        raise EncodeError("a time has no number above 99", "TS 23.040 §9.2.3.11")
    octets = bytes([value % 10 << 4 | value // 10 for value in values])
    return octets + bytes((zone % 10 << 4 | zone // 10 | (8 if time.quarters < 0 else 0),))


# --- decoding ---


def decode(octets: bytes, *, to_mobile: bool, error: bool = False) -> Tpdu:
    """Return the TPDU.

    Args:
        octets: all of them.
        to_mobile: from the service centre to the mobile.
        error: a report goes with an error.

    Raises:
        DecodeError: it is none, or SMS-COMMAND.
    """
    reader = _Reader(octets)
    first = reader.octet("TP-MTI")
    kind = first & 3
    if kind == 3:
        raise DecodeError("TP-MTI 3 is reserved", 0, "TS 23.040 §9.2.3.1")
    if to_mobile:
        if kind == Kind.DELIVER:
            return _read_deliver(reader, first)
        return _read_status(reader, first) if kind == 2 else _read_report(reader, first, Kind.SUBMIT, error)
    if kind == 2:
        raise DecodeError("SMS-COMMAND is not read", 0, "TS 23.040 §9.2.2.4")
    return _read_submit(reader, first) if kind == 1 else _read_report(reader, first, Kind.DELIVER, error)


class _Reader:
    """Octets, and how far they are read."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def octet(self, name: str) -> int:
        return self.take(1, name)[0]

    def take(self, count: int, name: str) -> bytes:
        end = self.at + count
        if end > len(self.octets):
            raise DecodeError(f"{name} is missing or cut", self.at, _CLAUSE)
        taken = self.octets[self.at : end]
        self.at = end
        return taken

    def address(self, name: str) -> SmsAddress:
        at = self.at
        length = self.octet(name)
        kind = self.octet(name)
        if length > 20:
            raise DecodeError(f"{name} has {length} semi-octets, 20 are possible", at, "TS 23.040 §9.1.2.5")
        octets = self.take((length + 1) // 2, name)
        nature, plan = kind >> 4 & 7, kind & 15
        if nature == ALPHANUMERIC:
            return SmsAddress(from_septets(unpack(octets, length * 4 // 7)), nature, plan)
        try:
            return SmsAddress(tbcd_digits(octets)[:length], nature, plan)
        except DecodeError as error:
            raise DecodeError(
                f"{name}: {error.reason}", at + 2 + error.offset, "TS 23.040 §9.1.2.5"
            ) from None

    def time(self, name: str) -> Timestamp:
        at = self.at
        octets = self.take(7, name)
        values = [(each & 15) * 10 + (each >> 4) for each in octets[:6]]
        zone = (octets[6] & 7) * 10 + (octets[6] >> 4)
        if not (octets[:6].hex() + octets[6:].hex()[0]).isdigit():
            raise DecodeError(f"{name} has a semi-octet above 9", at, "TS 23.040 §9.2.3.11")
        quarters = -zone if octets[6] & 8 else zone
        return Timestamp(values[0], values[1], values[2], values[3], values[4], values[5], quarters)

    def user_data(self, dcs: int, has_header: bool) -> UserData:
        at = self.at
        length = self.octet("TP-UDL")
        count = _octets_of(dcs, length)
        if count > MOST_OCTETS:
            raise DecodeError(f"TP-UDL {length}: more than 140 octets", at, "TS 23.040 §9.2.3.16")
        return UserData(dcs, length, self.take(count, "TP-UD"), has_header)

    def end(self) -> None:
        if self.at < len(self.octets):
            raise DecodeError("octets behind the TPDU", self.at, _CLAUSE)


def _read_deliver(reader: _Reader, first: int) -> Deliver:
    sender = reader.address("TP-OA")
    protocol, dcs = reader.octet("TP-PID"), reader.octet("TP-DCS")
    time = reader.time("TP-SCTS")
    data = reader.user_data(dcs, bool(first & _HEADER))
    reader.end()
    return Deliver(
        sender,
        data,
        time,
        protocol,
        more=not first & _MORE,
        loop=bool(first & _LOOP),
        status_report=bool(first & _STATUS_REPORT),
        reply_path=bool(first & _REPLY_PATH),
    )


def _read_submit(reader: _Reader, first: int) -> Submit:
    reference = reader.octet("TP-MR")
    recipient = reader.address("TP-DA")
    protocol, dcs = reader.octet("TP-PID"), reader.octet("TP-DCS")
    form = first >> 3 & 3  # §9.2.3.3: none, enhanced, relative, absolute
    validity = reader.take((0, 7, 1, 7)[form], "TP-VP")
    data = reader.user_data(dcs, bool(first & _HEADER))
    reader.end()
    return Submit(
        recipient,
        data,
        reference,
        validity,
        enhanced=form == 1,
        protocol_id=protocol,
        reject_duplicates=bool(first & _REJECT_DUPLICATES),
        status_report=bool(first & _STATUS_REPORT),
        reply_path=bool(first & _REPLY_PATH),
    )


def _read_report(reader: _Reader, first: int, kind: Kind, error: bool) -> Report:
    cause = reader.octet("TP-FCS") if error else None
    indicator = reader.octet("TP-PI")
    time = reader.time("TP-SCTS") if kind is Kind.SUBMIT else None
    protocol = reader.octet("TP-PID") if indicator & 1 else None
    dcs = reader.octet("TP-DCS") if indicator & 2 else 0
    data = reader.user_data(dcs, bool(first & _HEADER)) if indicator & 4 else None
    return Report(kind, cause, time, protocol, data)  # what follows is of a later release (§9.2.3.27)


def _read_status(reader: _Reader, first: int) -> StatusReport:
    reference = reader.octet("TP-MR")
    recipient = reader.address("TP-RA")
    time, discharged = reader.time("TP-SCTS"), reader.time("TP-DT")
    status = reader.octet("TP-ST")
    return StatusReport(
        reference,
        recipient,
        time,
        discharged,
        status,
        more=not first & _MORE,
        loop=bool(first & _LOOP),
        for_command=bool(first & _STATUS_REPORT),
    )
