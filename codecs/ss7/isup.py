"""Number and cause parameters of ISUP (Q.763 §3) as CAP carries them: without name and length octets.

Every class has ``decode(octets)``, which raises `DecodeError`, ``encode()``, which raises `EncodeError`, and
``as_dict()`` for JSON. Indicators are plain integers as they were on the wire; the enums here name the values
that the standard names. Spare bits are ignored and sent as 0.

What real switches send is let in where nothing is lost by it: a number without address signals, any filler,
any code point, ST in a number that has no use for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from ss7.cause import Cause, CauseValue
from ss7.digits import NumberingPlan, isup_digits, isup_octets, names_of, shown
from ss7.errors import DecodeError, EncodeError

__all__ = [
    "CalledPartyNumber",
    "CallingPartyNumber",
    "Cause",
    "CauseValue",
    "ConnectedNumber",
    "EncodingScheme",
    "GenericDigits",
    "GenericNumber",
    "LocationNumber",
    "NatureOfAddress",
    "NumberQualifier",
    "NumberingPlan",
    "OriginalCalledNumber",
    "Presentation",
    "RedirectingIndicator",
    "RedirectingNumber",
    "RedirectingReason",
    "RedirectionInformation",
    "Screening",
]


class NatureOfAddress(IntEnum):
    """Nature of address indicator (Q.763 §3.9 b); 112 to 126 are for national use, the rest is spare."""

    SUBSCRIBER = 1
    UNKNOWN = 2
    NATIONAL = 3
    INTERNATIONAL = 4
    NETWORK_SPECIFIC = 5
    ROUTING_NATIONAL = 6
    ROUTING_NETWORK_SPECIFIC = 7
    ROUTING_WITH_DIRECTORY_NUMBER = 8


class Presentation(IntEnum):
    """Address presentation restricted indicator (Q.763 §3.10 e)."""

    ALLOWED = 0
    RESTRICTED = 1
    NOT_AVAILABLE = 2
    RESTRICTED_BY_NETWORK = 3


class Screening(IntEnum):
    """Screening indicator (Q.763 §3.10 f, with the values 0 and 2 that §3.26 names)."""

    USER_NOT_VERIFIED = 0
    USER_VERIFIED_PASSED = 1
    USER_VERIFIED_FAILED = 2
    NETWORK = 3


class NumberQualifier(IntEnum):
    """Number qualifier indicator (Q.763 §3.26 a)."""

    DIALLED_DIGITS = 0
    ADDITIONAL_CALLED = 1
    ADDITIONAL_CONNECTED = 5
    ADDITIONAL_CALLING = 6
    ADDITIONAL_ORIGINAL_CALLED = 7
    ADDITIONAL_REDIRECTING = 8
    ADDITIONAL_REDIRECTION = 9


class RedirectingIndicator(IntEnum):
    """Redirecting indicator (Q.763 §3.45 a)."""

    NONE = 0
    REROUTED = 1
    REROUTED_ALL_RESTRICTED = 2
    DIVERTED = 3
    DIVERTED_ALL_RESTRICTED = 4
    REROUTED_NUMBER_RESTRICTED = 5
    DIVERTED_NUMBER_RESTRICTED = 6


class RedirectingReason(IntEnum):
    """Redirecting reason and original redirection reason (Q.763 §3.45 b, d)."""

    UNKNOWN = 0
    USER_BUSY = 1
    NO_REPLY = 2
    UNCONDITIONAL = 3
    DEFLECTION_ALERTING = 4
    DEFLECTION_IMMEDIATE = 5
    MOBILE_NOT_REACHABLE = 6


# 0 is spare in Q.763 and "unknown" in TS 24.008, so here it stays a number.
_PLAN_NAMES: Final = {value: name for value, name in names_of(NumberingPlan).items() if 0 < value < 6}
_NATURE_NAMES: Final = names_of(NatureOfAddress)
_PRESENTATION_NAMES: Final = names_of(Presentation)
_SCREENING_NAMES: Final = names_of(Screening)
_QUALIFIER_NAMES: Final = names_of(NumberQualifier)
_REDIRECTING_NAMES: Final = names_of(RedirectingIndicator)
_REASON_NAMES: Final = names_of(RedirectingReason)

_ODD: Final = 0x80
_ST: Final = "F"


@final
@dataclass(init=False)
class CalledPartyNumber:
    """Called party number (Q.763 §3.9), and CAP's destinationRoutingAddress.

    Attributes:
        digits: address signals in the ISUP alphabet of `ss7.digits`, without ST.
        nature: `NatureOfAddress`, 0 to 127.
        plan: `NumberingPlan`, 0 to 7.
        inn: routing to an internal network number is not allowed.
        st: the number ends with ST (code 15): no more digits will follow.
    """

    digits: str
    nature: int
    plan: int
    inn: bool
    st: bool

    def __init__(self, digits: str, nature: int, plan: int = 1, inn: bool = False, st: bool = False) -> None:
        self.digits = digits
        self.nature = nature
        self.plan = plan
        self.inn = inn
        self.st = st

    @staticmethod
    def decode(octets: bytes) -> CalledPartyNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        if len(octets) < 2:
            raise DecodeError("called party number without its indicators", len(octets), "Q.763 §3.9")
        first = octets[0]
        second = octets[1]
        odd = first >= _ODD
        if odd and len(octets) == 2:
            raise DecodeError("odd number of address signals, but none there", 2, "Q.763 §3.9")
        digits = isup_digits(octets, 2, odd)
        st = digits.endswith(_ST)
        if st:
            digits = digits[:-1]
        return CalledPartyNumber(digits, first & 0x7F, second >> 4 & 0x07, second >= 0x80, st)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        digits = self.digits
        if self.st:
            digits += _ST
        elif digits.endswith(_ST):
            raise EncodeError("ST is a flag, not a digit", "Q.763 §3.9")
        second = _second(self.inn, self.plan, 0, 0, "Q.763 §3.9")
        return _written(self.nature, second, digits, "Q.763 §3.9")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown_number(self.digits, self.nature, self.plan)
        shows["inn"] = self.inn
        if self.st:
            shows["st"] = True
        return shows


@final
@dataclass(init=False)
class CallingPartyNumber:
    """Calling party number (Q.763 §3.10).

    Attributes:
        digits: address signals; none where the address is not available.
        nature: `NatureOfAddress`, 0 to 127.
        plan: `NumberingPlan`, 0 to 7.
        ni: the number is incomplete.
        presentation: `Presentation`.
        screening: `Screening`.
    """

    digits: str
    nature: int
    plan: int
    ni: bool
    presentation: int
    screening: int

    def __init__(
        self,
        digits: str,
        nature: int,
        plan: int = 1,
        *,
        ni: bool = False,
        presentation: int = 0,
        screening: int = 0,
    ) -> None:
        self.digits = digits
        self.nature = nature
        self.plan = plan
        self.ni = ni
        self.presentation = presentation
        self.screening = screening

    @staticmethod
    def decode(octets: bytes) -> CallingPartyNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        nature, second, digits = _read(octets, 0, "Q.763 §3.10")
        return CallingPartyNumber(
            digits,
            nature,
            second >> 4 & 7,
            ni=second >= 0x80,
            presentation=second >> 2 & 3,
            screening=second & 3,
        )

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        second = _second(self.ni, self.plan, self.presentation, self.screening, "Q.763 §3.10")
        return _written(self.nature, second, self.digits, "Q.763 §3.10")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown_number(self.digits, self.nature, self.plan)
        shows["ni"] = self.ni
        return _with_presentation(shows, self.presentation, self.screening)


@final
@dataclass(frozen=True)
class LocationNumber:
    """Location number (Q.763 §3.30): where a call comes from.

    Attributes as in `CallingPartyNumber`, but ``inn`` as in `CalledPartyNumber`.
    """

    digits: str
    nature: int
    plan: int = 1
    inn: bool = False
    presentation: int = 0
    screening: int = 0

    @staticmethod
    def decode(octets: bytes) -> LocationNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        nature, second, digits = _read(octets, 0, "Q.763 §3.30")
        return LocationNumber(digits, nature, second >> 4 & 7, second >= 0x80, second >> 2 & 3, second & 3)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        second = _second(self.inn, self.plan, self.presentation, self.screening, "Q.763 §3.30")
        return _written(self.nature, second, self.digits, "Q.763 §3.30")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown_number(self.digits, self.nature, self.plan)
        shows["inn"] = self.inn
        return _with_presentation(shows, self.presentation, self.screening)


@final
@dataclass(frozen=True)
class ConnectedNumber:
    """Connected number (Q.763 §3.16). Attributes as in `CallingPartyNumber`."""

    digits: str
    nature: int
    plan: int = 1
    presentation: int = 0
    screening: int = 0

    @staticmethod
    def decode(octets: bytes) -> ConnectedNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        nature, second, digits = _read(octets, 0, "Q.763 §3.16")
        return ConnectedNumber(digits, nature, second >> 4 & 7, second >> 2 & 3, second & 3)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        second = _second(False, self.plan, self.presentation, self.screening, "Q.763 §3.16")
        return _written(self.nature, second, self.digits, "Q.763 §3.16")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown_number(self.digits, self.nature, self.plan)
        return _with_presentation(shows, self.presentation, self.screening)


@dataclass(frozen=True)
class OriginalCalledNumber:
    """Original called number (Q.763 §3.39). Attributes as in `CallingPartyNumber`."""

    digits: str
    nature: int
    plan: int = 1
    presentation: int = 0

    @classmethod
    def decode(cls, octets: bytes) -> OriginalCalledNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        nature, second, digits = _read(octets, 0, "Q.763 §3.39")
        return cls(digits, nature, second >> 4 & 7, second >> 2 & 3)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        second = _second(False, self.plan, self.presentation, 0, "Q.763 §3.39")
        return _written(self.nature, second, self.digits, "Q.763 §3.39")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown_number(self.digits, self.nature, self.plan)
        shows["presentation"] = shown(self.presentation, _PRESENTATION_NAMES)
        return shows


@final
@dataclass(frozen=True)
class RedirectingNumber(OriginalCalledNumber):
    """Redirecting number (Q.763 §3.44): the format of the original called number."""


@final
@dataclass(frozen=True)
class GenericNumber:
    """Generic number (Q.763 §3.26).

    Attributes as in `CallingPartyNumber`; ``qualifier`` (`NumberQualifier`) says whose number it is.
    """

    qualifier: int
    digits: str
    nature: int
    plan: int = 1
    ni: bool = False
    presentation: int = 0
    screening: int = 0

    @staticmethod
    def decode(octets: bytes) -> GenericNumber:
        """Return the number; raises `DecodeError` for one without its indicators."""
        nature, second, digits = _read(octets, 1, "Q.763 §3.26")
        return GenericNumber(
            octets[0], digits, nature, second >> 4 & 7, second >= 0x80, second >> 2 & 3, second & 3
        )

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        if not 0 <= self.qualifier <= 255:
            raise EncodeError(f"number qualifier {self.qualifier}", "Q.763 §3.26")
        second = _second(self.ni, self.plan, self.presentation, self.screening, "Q.763 §3.26")
        return bytes((self.qualifier,)) + _written(self.nature, second, self.digits, "Q.763 §3.26")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {"qualifier": shown(self.qualifier, _QUALIFIER_NAMES)}
        shows.update(_shown_number(self.digits, self.nature, self.plan))
        shows["ni"] = self.ni
        return _with_presentation(shows, self.presentation, self.screening)


class EncodingScheme(IntEnum):
    """How generic digits are coded (Q.763 §3.24 a); 4 is spare."""

    BCD_EVEN = 0
    BCD_ODD = 1
    IA5 = 2
    BINARY = 3


_SCHEME_NAMES: Final = names_of(EncodingScheme)


@final
@dataclass(frozen=True)
class GenericDigits:
    """Generic digits (Q.763 §3.24): what somebody keyed in, or an id between nodes.

    Attributes:
        kind: type of digits, 0 to 31; CAP does not look at it (TS 29.078 §5.1, Digits).
        scheme: `EncodingScheme`, 0 to 7.
        digits: in the ISUP alphabet of `ss7.digits`, or IA5 characters; octets in hex where they are binary.
    """

    kind: int
    scheme: int
    digits: str

    @staticmethod
    def decode(octets: bytes) -> GenericDigits:
        """Return the digits; raises `DecodeError` for none at all, or characters that are not of IA5."""
        if not octets:
            raise DecodeError("generic digits without their type", 0, "Q.763 §3.24")
        scheme = octets[0] >> 5
        if scheme in (EncodingScheme.BCD_EVEN, EncodingScheme.BCD_ODD):
            odd = scheme == EncodingScheme.BCD_ODD
            if odd and len(octets) == 1:
                raise DecodeError("odd number of digits, but none there", 1, "Q.763 §3.24")
            digits = isup_digits(octets, 1, odd)
        elif scheme == EncodingScheme.IA5:
            if not octets.isascii():
                raise DecodeError("digits with other than IA5 characters", 1, "Q.763 §3.24")
            digits = octets[1:].decode("ascii")
        else:
            digits = octets[1:].hex()
        return GenericDigits(octets[0] & 0x1F, scheme, digits)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or scheme that has no code."""
        if not (0 <= self.kind <= 31 and 0 <= self.scheme <= 7):
            raise EncodeError(f"type of digits {self.kind}, encoding scheme {self.scheme}", "Q.763 §3.24")
        first = bytes((self.scheme << 5 | self.kind,))
        if self.scheme in (EncodingScheme.BCD_EVEN, EncodingScheme.BCD_ODD):
            if len(self.digits) & 1 != self.scheme:
                raise EncodeError(
                    f"{len(self.digits)} digits in encoding scheme {self.scheme}", "Q.763 §3.24"
                )
            return first + isup_octets(self.digits, "Q.763 §3.24")
        if self.scheme == EncodingScheme.IA5:
            if not self.digits.isascii():
                raise EncodeError("digits with other than IA5 characters", "Q.763 §3.24")
            return first + self.digits.encode("ascii")
        try:
            return first + bytes.fromhex(self.digits)
        except ValueError:
            raise EncodeError("binary digits that are no octets in hex", "Q.763 §3.24") from None

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"digits": self.digits, "scheme": shown(self.scheme, _SCHEME_NAMES), "type": self.kind}


@final
@dataclass(frozen=True)
class RedirectionInformation:
    """Redirection information (Q.763 §3.45).

    Attributes:
        indicator: `RedirectingIndicator`, 0 to 7.
        original_reason: `RedirectingReason` of the first redirection, 0 to 15.
        counter: redirections so far, 1 to 5 (0 to 7 on the wire); -1 where the second octet is not there.
        reason: `RedirectingReason` of the last redirection, 0 to 15; -1 as ``counter``.
    """

    indicator: int
    original_reason: int = 0
    counter: int = -1
    reason: int = -1

    @staticmethod
    def decode(octets: bytes) -> RedirectionInformation:
        """Return the information; raises `DecodeError` unless there are one or two octets."""
        if not 1 <= len(octets) <= 2:
            raise DecodeError(
                "redirection information has one or two octets", min(len(octets), 2), "Q.763 §3.45"
            )
        first = octets[0]
        if len(octets) == 1:
            return RedirectionInformation(first & 7, first >> 4)
        return RedirectionInformation(first & 7, first >> 4, octets[1] & 7, octets[1] >> 4)

    def encode(self) -> bytes:
        """Return one or two octets; raises `EncodeError` for a value out of its range."""
        if not (0 <= self.indicator <= 7 and 0 <= self.original_reason <= 15):
            raise EncodeError("redirecting indicator or original reason out of range", "Q.763 §3.45")
        first = self.original_reason << 4 | self.indicator
        if self.counter < 0 and self.reason < 0:
            return bytes((first,))
        if not (0 <= self.counter <= 7 and 0 <= self.reason <= 15):
            raise EncodeError("redirection counter or reason out of range", "Q.763 §3.45")
        return bytes((first, self.reason << 4 | self.counter))

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {
            "indicator": shown(self.indicator, _REDIRECTING_NAMES),
            "original_reason": shown(self.original_reason, _REASON_NAMES),
        }
        if self.counter >= 0:
            shows["counter"] = self.counter
            shows["reason"] = shown(self.reason, _REASON_NAMES)
        return shows


def _read(octets: bytes, at: int, clause: str) -> tuple[int, int, str]:
    """Return nature, the octet of the other indicators, and the address signals from ``at`` on."""
    if len(octets) < at + 2:
        raise DecodeError("number without its indicators", len(octets), clause)
    first = octets[at]
    odd = first >= _ODD
    if odd and len(octets) == at + 2:
        raise DecodeError("odd number of address signals, but none there", at + 2, clause)
    return first & 0x7F, octets[at + 1], isup_digits(octets, at + 2, odd)


def _second(flag: bool, plan: int, presentation: int, screening: int, clause: str) -> int:
    """Return the second octet of the layout that all these numbers share; ``flag`` is NI, INN or spare."""
    if not 0 <= plan <= 7:
        raise EncodeError(f"numbering plan {plan}", clause)
    if not (0 <= presentation <= 3 and 0 <= screening <= 3):
        raise EncodeError(f"presentation {presentation} or screening {screening}", clause)
    octet = plan << 4 | presentation << 2 | screening
    return octet | 0x80 if flag else octet


def _written(nature: int, second: int, digits: str, clause: str) -> bytes:
    """Return a number's octets: nature with the odd/even indicator, ``second``, address signals."""
    if not 0 <= nature <= 127:
        raise EncodeError(f"nature of address {nature}", clause)
    first = nature | _ODD if len(digits) & 1 else nature
    return bytes((first, second)) + isup_octets(digits, clause)


def _shown_number(digits: str, nature: int, plan: int) -> dict[str, object]:
    return {"digits": digits, "nature": shown(nature, _NATURE_NAMES), "plan": shown(plan, _PLAN_NAMES)}


def _with_presentation(shows: dict[str, object], presentation: int, screening: int) -> dict[str, object]:
    shows["presentation"] = shown(presentation, _PRESENTATION_NAMES)
    shows["screening"] = shown(screening, _SCREENING_NAMES)
    return shows
