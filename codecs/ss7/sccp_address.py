"""SCCP party addresses (Q.713 §3.4, §3.5) in the ITU form: 14-bit point codes, GT formats 1 to 4."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from ss7.digits import isup_digits, isup_octets, names_of, shown
from ss7.errors import DecodeError, EncodeError


class GlobalTitleIndicator(IntEnum):
    """Which parts a global title has (Q.713 §3.4.1); 5 to 15 are spare or reserved for national use."""

    NONE = 0
    NATURE = 1
    TRANSLATION_TYPE = 2
    TRANSLATION_TYPE_PLAN = 3
    TRANSLATION_TYPE_PLAN_NATURE = 4


class GlobalTitleNature(IntEnum):
    """Nature of address indicator of a global title (Q.713 §3.4.2.3.1): as in ISUP, but unknown is 0."""

    UNKNOWN = 0
    SUBSCRIBER = 1
    NATIONAL = 3
    INTERNATIONAL = 4


class GlobalTitlePlan(IntEnum):
    """Numbering plan of a global title (Q.713 §3.4.2.3.3)."""

    UNKNOWN = 0
    ISDN = 1
    GENERIC = 2
    DATA = 3
    TELEX = 4
    MARITIME_MOBILE = 5
    LAND_MOBILE = 6
    ISDN_MOBILE = 7
    PRIVATE = 14


BCD: Final = 1
_BCD_EVEN: Final = 2
_SCHEME_NAMES: Final = {0: "unknown", BCD: "bcd", 3: "national"}
_NATURE_NAMES: Final = names_of(GlobalTitleNature)
_PLAN_NAMES: Final = names_of(GlobalTitlePlan)

_POINT_CODE: Final = 0x01
_SSN: Final = 0x02
_ROUTE_ON_SSN: Final = 0x40
_NATIONAL: Final = 0x80
_MAX_OCTETS: Final = 124


@final
@dataclass(frozen=True)
class GlobalTitle:
    """A global title (Q.713 §3.4.2.3). Parts that its format does not have are -1.

    Attributes:
        digits: address signals in the ISUP alphabet of `ss7.digits`. If their coding is not BCD or not said
            (format 2, schemes 0 and 3, formats beyond 4), all half octets are given as if it were BCD.
        indicator: the format, `GlobalTitleIndicator`; 1 to 15.
        translation_type: 0 to 255.
        plan: `GlobalTitlePlan`, 0 to 15.
        scheme: encoding scheme, 0 to 15. `BCD` stands for both of its values (1 odd, 2 even); the number of
            digits says which.
        nature: `GlobalTitleNature`, 0 to 127.
    """

    digits: str
    indicator: int = 4
    translation_type: int = 0
    plan: int = 1
    scheme: int = BCD
    nature: int = 4

    def encode(self) -> bytes:
        """Return the octets after the SSN; raises `EncodeError` for a part missing or out of its range."""
        head = b""
        indicator = self.indicator
        odd = len(self.digits) & 1
        if indicator == GlobalTitleIndicator.NATURE:
            head = bytes((_within(self.nature, 127) | odd << 7,))
        elif indicator == GlobalTitleIndicator.TRANSLATION_TYPE:
            head = bytes((_within(self.translation_type, 255),))
        elif indicator in {3, 4}:
            scheme = 2 - odd if self.scheme in {BCD, _BCD_EVEN} else _within(self.scheme, 15)
            head = bytes((_within(self.translation_type, 255), _within(self.plan, 15) << 4 | scheme))
            if indicator == GlobalTitleIndicator.TRANSLATION_TYPE_PLAN_NATURE:
                head += bytes((_within(self.nature, 127),))
        elif not 5 <= indicator <= 15:
            raise EncodeError(f"global title indicator {indicator}", "Q.713 §3.4.1")
        if odd and not self._says_parity():
            raise EncodeError("odd number of digits in a format that can't say so", "Q.713 §3.4.2.3")
        return head + isup_octets(self.digits, "Q.713 §3.4.2.3.1")

    def _says_parity(self) -> bool:
        return self.indicator == 1 or (self.indicator in {3, 4} and self.scheme in {BCD, _BCD_EVEN})

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {"digits": self.digits, "indicator": self.indicator}
        if self.translation_type >= 0:
            shows["translation_type"] = self.translation_type
        if self.plan >= 0:
            shows["plan"] = shown(self.plan, _PLAN_NAMES)
        if self.scheme >= 0:
            shows["scheme"] = shown(self.scheme, _SCHEME_NAMES)
        if self.nature >= 0:
            shows["nature"] = shown(self.nature, _NATURE_NAMES)
        return shows


@final
@dataclass(frozen=True)
class Address:
    """A called or calling party address.

    Attributes:
        ssn: subsystem number, 0 to 255; -1 if it is not there.
        point_code: 0 to 16383; -1 if it is not there.
        global_title: None if it is not there.
        route_on_ssn: the routing indicator: on point code and SSN, else on the global title.
        national: bit 8 of the address indicator, which is for national use.
    """

    ssn: int = -1
    point_code: int = -1
    global_title: GlobalTitle | None = None
    route_on_ssn: bool = False
    national: bool = False

    @staticmethod
    def decode(octets: bytes) -> Address:
        """Return the address whose octets follow its length octet; raises `DecodeError`.

        More than 124 octets are refused: a message has no pointer over two of that length (Q.713 §2.3).
        """
        size = len(octets)
        if not size:
            raise DecodeError("address without its indicator", 0, "Q.713 §3.4.1")
        if size > _MAX_OCTETS:
            raise DecodeError(f"address of {size} octets, more than an answer could hold", 0, "Q.713 §2.3")
        first = octets[0]
        at = 1
        point_code = -1
        ssn = -1
        if first & _POINT_CODE:
            if size < at + 2:
                raise DecodeError("address ends within the point code", size, "Q.713 §3.4.2.1")
            point_code = (octets[at + 1] << 8 | octets[at]) & 0x3FFF
            at += 2
        if first & _SSN:
            if size <= at:
                raise DecodeError("address ends before the subsystem number", size, "Q.713 §3.4.2.2")
            ssn = octets[at]
            at += 1
        indicator = first >> 2 & 0x0F
        title = _global_title(octets, at, indicator) if indicator else None
        if title is None and at < size:
            raise DecodeError("octets after the end of the address", at, "Q.713 §3.4.1")
        return Address(ssn, point_code, title, bool(first & _ROUTE_ON_SSN), bool(first & _NATIONAL))

    def encode(self) -> bytes:
        """Return the octets after the length octet; raises `EncodeError` for a part out of its range."""
        first = (_ROUTE_ON_SSN if self.route_on_ssn else 0) | (_NATIONAL if self.national else 0)
        octets = b""
        if self.point_code >= 0:
            code = _within(self.point_code, 0x3FFF)
            first |= _POINT_CODE
            octets = bytes((code & 0xFF, code >> 8))
        if self.ssn >= 0:
            first |= _SSN
            octets += bytes((_within(self.ssn, 255),))
        if self.global_title is not None:
            first |= self.global_title.indicator << 2
            octets += self.global_title.encode()
        if len(octets) >= _MAX_OCTETS:
            raise EncodeError(f"address of more than {_MAX_OCTETS} octets", "Q.713 §2.3")
        return bytes((first,)) + octets

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {"route_on": "ssn" if self.route_on_ssn else "gt"}
        if self.point_code >= 0:
            shows["point_code"] = self.point_code
        if self.ssn >= 0:
            shows["ssn"] = self.ssn
        if self.global_title is not None:
            shows["global_title"] = self.global_title.as_dict()
        return shows


# In a network the same few addresses come all the time. A full memo starts anew, which made-up addresses can
# force at no more than the price of one decoding a message.
_MEMO_LIMIT: Final = 4096
_memo: dict[bytes, Address] = {}


def address_of(octets: bytes) -> Address:
    """Return or raise what `Address.decode` does, from a memo where these octets came before."""
    address = _memo.get(octets)
    if address is None:
        address = Address.decode(octets)
        if len(_memo) >= _MEMO_LIMIT:
            _memo.clear()
        _memo[octets] = address
    return address


def _global_title(octets: bytes, at: int, indicator: int) -> GlobalTitle:
    """Return the global title that begins at ``at`` and has the rest of the address."""
    translation_type = plan = scheme = nature = -1
    odd = False
    size = len(octets)
    if size < at + _HEAD_SIZE.get(indicator, 0):
        raise DecodeError("address ends within the global title", size, "Q.713 §3.4.2.3")
    if indicator == GlobalTitleIndicator.NATURE:
        nature = octets[at] & 0x7F
        odd = octets[at] >= 0x80
        scheme = BCD
    elif indicator == GlobalTitleIndicator.TRANSLATION_TYPE:
        translation_type = octets[at]
    elif indicator in {3, 4}:
        translation_type = octets[at]
        plan = octets[at + 1] >> 4
        scheme = octets[at + 1] & 0x0F
        odd = scheme == BCD
        if scheme == _BCD_EVEN:
            scheme = BCD
        if indicator == GlobalTitleIndicator.TRANSLATION_TYPE_PLAN_NATURE:
            nature = octets[at + 2] & 0x7F
    at += _HEAD_SIZE.get(indicator, 0)
    if odd and at == size:
        raise DecodeError("odd number of address signals, but none there", at, "Q.713 §3.4.2.3")
    return GlobalTitle(isup_digits(octets, at, odd), indicator, translation_type, plan, scheme, nature)


_HEAD_SIZE: Final = {1: 1, 2: 1, 3: 2, 4: 3}


def _within(value: int, limit: int) -> int:
    if not 0 <= value <= limit:
        raise EncodeError(f"{value} in an address is not within 0..{limit}", "Q.713 §3.4")
    return value
