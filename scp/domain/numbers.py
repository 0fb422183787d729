"""Telephone numbers: from digits and their nature to E.164, by the rules of one country's numbering plan.

The natures are those of Q.763 §3.9, 3GPP TS 24.008 §10.5.4.7 and TS 29.002 (AddressString) together; whoever
reads a protocol maps its code points onto them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from scp.domain.reason import Reason

MSISDN_MIN_DIGITS: Final = 5
E164_MAX_DIGITS: Final = 15  # E.164 §6: country code and national (significant) number together

Digits: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[0-9]+$(?!\n)", max_length=32, description='1 to 32 digits in quotes, without +: "46"'),
]
Prefix: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]*$(?!\n)", max_length=8, description='up to 8 digits in quotes: "0", or "" for none'
    ),
]
Length: TypeAlias = Annotated[int, Meta(ge=4, le=E164_MAX_DIGITS - 1)]


class Nature(StrEnum):
    """What kind of number the digits are."""

    UNKNOWN = "unknown"  # as dialled: prefixes say what it is
    INTERNATIONAL = "international"  # country code first, no prefix
    NATIONAL = "national"  # national (significant) number, no prefix
    SUBSCRIBER = "subscriber"  # within one area
    NETWORK_SPECIFIC = "network-specific"
    SHORT_CODE = "short-code"  # 24.008: dedicated access, short code; 29.002: abbreviated number
    RESERVED = "reserved"  # a code point that the standard leaves open


class Plan(StrEnum):
    """The numbering plan the digits belong to, as far as it matters here."""

    E164 = "e164"  # also where the sender does not know the plan: handsets commonly say so
    OTHER = "other"


class Numbering(Struct, frozen=True, forbid_unknown_fields=True):
    """The numbering plan of the home country and network: the configuration's ``[numbering]``.

    Attributes:
        country_code: E.164 country code, 1 to 3 digits.
        international_prefix: what precedes a country code in a dialled number; one, or several.
        national_prefix: what precedes a national (significant) number in a dialled number; "" in a closed
            plan, where a number dialled without prefix is a national one.
        national_lengths: how many digits national (significant) numbers have that may be dialled without
            `national_prefix` as well as with it: 10 in North America and in Russia.
        never_steer: exact numbers, as dialled, national or E.164: emergency numbers and short codes.
        home_vlr: E.164 VLR numbers that begin so belong to the home network; being elsewhere is roaming.
    """

    country_code: Annotated[
        str,
        Meta(pattern=r"^[1-9][0-9]{0,2}$(?!\n)", description='1 to 3 digits in quotes, without + or 0: "46"'),
    ]
    international_prefix: Digits | tuple[Digits, ...] = "00"
    national_prefix: Prefix = "0"
    national_lengths: frozenset[Length] = frozenset()
    never_steer: frozenset[Digits] = frozenset()
    home_vlr: tuple[Digits, ...] = ()

    @property
    def international_prefixes(self) -> tuple[str, ...]:
        """The international prefixes as a tuple, however they were configured."""
        prefix = self.international_prefix
        return (prefix,) if isinstance(prefix, str) else prefix

    def normalise(self, digits: str, nature: Nature, plan: Plan = Plan.E164) -> tuple[str, Reason | None]:
        """Return a number's E.164 digits and None, or "" and the reason why it is no number to steer.

        Args:
            digits: address signals as characters; anything but 0 to 9 makes the number unsteerable.
            nature: what kind of number they are.
            plan: the plan they belong to.

        A national number is taken at its word, as Q.763 §3.9 has it (national *significant* number): a
        national prefix is not stripped from it.
        """
        if not (digits.isascii() and digits.isdigit()):
            return "", Reason.UNPARSABLE_NUMBER if digits else Reason.NO_CALLED_NUMBER
        never_steer = self.never_steer
        if digits in never_steer:
            return "", Reason.NEVER_STEER
        if plan is not _E164:
            return "", Reason.OTHER_NUMBERING_PLAN
        fault = _UNSTEERABLE.get(nature)
        if fault is not None:
            return "", fault
        if len(digits) < MSISDN_MIN_DIGITS:
            return "", Reason.SHORT_NUMBER
        e164 = digits if nature is _INTERNATIONAL else self._e164(digits, nature)
        if never_steer and (e164 in never_steer or self.national(e164) in never_steer):
            return "", Reason.NEVER_STEER
        # No country code begins with 0: E.164 keeps that zone in reserve.
        if MSISDN_MIN_DIGITS <= len(e164) <= E164_MAX_DIGITS and e164[0] != "0":
            return e164, None
        return "", _fault(e164)

    def _e164(self, digits: str, nature: Nature) -> str:
        """Return country code and national number, or "" where the area is not known."""
        if nature is _NATIONAL:
            return self.country_code + digits
        if nature is _UNKNOWN:
            if digits.startswith(self.international_prefix):
                return self._after_international_prefix(digits)
            if len(digits) in self.national_lengths:  # before the prefix, which such a number may begin with
                return self.country_code + digits
            if self.national_prefix and digits.startswith(self.national_prefix):
                return self.country_code + digits[len(self.national_prefix) :]
        return "" if self.national_prefix else self.country_code + digits

    def _after_international_prefix(self, digits: str) -> str:
        """Return a number without the international prefix it begins with; the longest, if several fit."""
        return digits[max(len(p) for p in self.international_prefixes if digits.startswith(p)) :]

    def national(self, e164: str) -> str:
        """Return the national (significant) number of a number of the home country, "" for any other."""
        code = self.country_code
        return e164[len(code) :] if e164.startswith(code) else ""

    def roaming(self, vlr: str) -> bool | None:
        """Return whether being at this VLR is roaming; None if that can't be told."""
        if not vlr or not self.home_vlr:
            return None
        return not vlr.startswith(self.home_vlr)


# In Python 3.11 a member looked up through its class costs ten times what a global does.
_E164: Final = Plan.E164
_INTERNATIONAL: Final = Nature.INTERNATIONAL
_NATIONAL: Final = Nature.NATIONAL
_UNKNOWN: Final = Nature.UNKNOWN
_UNSTEERABLE: Final = {
    Nature.NETWORK_SPECIFIC: Reason.OTHER_NUMBERING_PLAN,
    Nature.RESERVED: Reason.OTHER_NUMBERING_PLAN,
    Nature.SHORT_CODE: Reason.SHORT_NUMBER,
}


def _fault(e164: str) -> Reason:
    """Return what is wrong with these E.164 digits."""
    if not e164:
        return Reason.LOCAL_NUMBER
    if len(e164) > E164_MAX_DIGITS:
        return Reason.NUMBER_TOO_LONG
    return Reason.SHORT_NUMBER if len(e164) < MSISDN_MIN_DIGITS else Reason.UNPARSABLE_NUMBER


def dialled(text: str) -> tuple[str, Nature]:
    """Return the digits and nature of a number as a person writes it: ``+46 70 123`` or ``070 123``."""
    compact = "".join(text.split())
    if compact.startswith("+"):
        return compact[1:], Nature.INTERNATIONAL
    return compact, Nature.UNKNOWN


def is_msisdn(digits: str) -> bool:
    """Return whether these are 5 to 15 decimal digits, the first not 0."""
    return (
        digits.isascii()
        and digits.isdigit()
        and MSISDN_MIN_DIGITS <= len(digits) <= E164_MAX_DIGITS
        and digits[0] != "0"
    )


def parse_msisdn(text: str) -> str:
    """Return E.164 digits for an MSISDN as a person writes it: with or without ``+``, with spaces anywhere.

    Raises:
        ValueError: not 5 to 15 decimal digits, or it begins with 0, as no E.164 number does.
    """
    digits, _ = dialled(text)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("an MSISDN has decimal digits only, after an optional +")
    if not MSISDN_MIN_DIGITS <= len(digits) <= E164_MAX_DIGITS:
        raise ValueError(f"an MSISDN has {MSISDN_MIN_DIGITS} to {E164_MAX_DIGITS} digits, not {len(digits)}")
    if digits[0] == "0":
        raise ValueError("an MSISDN begins with its country code: give it without prefix")
    return digits
