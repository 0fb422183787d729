"""Replacements for everything in a message that tells of somebody: digits, places, names, other octets.

Lengths stay, equal numbers stay equal, numbers of one subscriber in different forms (+46…, 0…) stay related,
and no two become one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, final

from msgspec.structs import astuple

from ss7.asn1.schema import (
    ChoiceType,
    ListType,
    OctetStringType,
    OneOfType,
    OpaqueType,
    SequenceType,
    TextType,
    Type,
)
from ss7.ber import encode_element, read_element
from ss7.cap.charging import CONTAINED, contained_type, decode_contained, encode_contained

DIGITS: Final = 6
"""Digits at a number's end that are replaced; those before them are country and network."""
IMSI_DIGITS: Final = 8
SHORT: Final = 4
"""Numbers of up to so many digits are services, nobody's own, and stay."""
_ROUNDS: Final = 8

# Octets before the digits (or their low half), for each kind of octet string with digits in it.
_DIGITS_AT: Final[dict[str, int]] = {
    "AddressString": 1,
    "CalledPartyBCDNumber": 1,
    "CalledPartyNumber": 2,
    "CallingPartyNumber": 2,
    "LocationNumber": 2,
    "OriginalCalledNumber": 2,
    "RedirectingNumber": 2,
    "GenericNumber": 3,
    "GenericDigits": 1,
    "IMSI": 0,
    "IMEI": 0,
}
_HARMLESS: Final = frozenset(
    {
        "Cause",
        "DateAndTime",
        "RedirectionInformation",
        "TimeAndTimezone",
        "UserServiceInformation",
        "UserTeleserviceInformation",
        "MM-Code",
    }
)
_AFTER_NETWORK: Final = slice(3, None)  # what stands behind MCC and MNC: area and cell
_REPLACED: Final = {
    "CellGlobalId": _AFTER_NETWORK,
    "CellOrLocationAreaId": _AFTER_NETWORK,
    "EutranCellGlobalId": _AFTER_NETWORK,
    "LocationAreaId": _AFTER_NETWORK,
    "RoutingAreaId": _AFTER_NETWORK,
    "TrackingAreaId": _AFTER_NETWORK,
    "GeographicalInformation": slice(1, 7),  # latitude and longitude, behind the type of shape
    "GeodeticInformation": slice(2, 8),
    "GSNAddress": slice(1, None),
    "PDPAddress": slice(0, None),
}
"""The octets that are made anew, for each kind of octet string that is neither digits nor text."""
_TEXTS: Final = frozenset({"AccessPointName", "DiameterIdentity", "Uri"})
_BCD_ODD, _IA5, _BINARY = 1, 2, 3  # encoding schemes of generic digits (Q.763 §3.24)
_SUBMIT: Final = 1  # TP-MTI
_TIME_STAMP: Final = 7
_VALIDITY: Final = (0, 7, 1, 7)  # octets of the validity period, by TP-VPF
_ALPHANUMERIC: Final = 5
_ADDRESS_DIGITS: Final = 20
_LONG: Final = 4
"""Octet strings of unknown content that are longer than this are made anew."""


class NotUnderstoodError(Exception):
    """A message that can't be rewritten with certainty."""


@final
class Disguise:
    """The replacement of everything, from a key: the same key gives the same replacements."""

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]
        self._hosts: dict[bytes, bytes] = {}

    def number(self, digits: str, replaced: int = DIGITS) -> str:
        """Return other digits, the last ``replaced`` of them permuted; signs that are no digits stay."""
        decimal = [at for at, sign in enumerate(digits) if sign.isdigit()]
        if len(decimal) <= SHORT:
            return digits
        places = decimal[-replaced:]
        permuted = self._permuted("".join(digits[at] for at in places))
        signs = list(digits)
        for at, sign in zip(places, permuted, strict=True):
            signs[at] = sign
        return "".join(signs)

    def _permuted(self, digits: str) -> str:
        """Return a permutation of all strings of decimal digits of one length: a Feistel network."""
        half = len(digits) // 2
        left, right = digits[:half], digits[half:]
        for step in range(_ROUNDS):
            size = len(left)
            mixed = (int(left) + self._mix(f"{step}:{right}")) % 10**size
            left, right = right, f"{mixed:0{size}d}"
        return left + right

    def _mix(self, text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), key=self._key, digest_size=8).digest(), "big")

    def point_code(self, code: int) -> int:
        """Return another point code of 14 bits, a different one for each; those that have more stay below."""
        left, right = code >> 7 & 0x7F, code & 0x7F
        for step in range(_ROUNDS):
            left, right = right, left ^ self._mix(f"pc{step}:{right}") & 0x7F
        return left << 7 | right

    def octets(self, octets: bytes) -> bytes:
        """Return as many other octets."""
        made = b""
        while len(made) < len(octets):
            made += blake2b(octets, key=self._key, salt=len(made).to_bytes(16, "big")).digest()
        return made[: len(octets)]

    def host(self, address: bytes) -> bytes:
        """Return an IPv4 address for a host: 10.0.0.1 on, in the order of their appearance."""
        known = self._hosts.get(address)
        if known is None:
            number = len(self._hosts) + 1
            known = self._hosts[address] = b"\x0a" + number.to_bytes(3, "big")
        return known

    def semi_octets(self, octets: bytes, start: int, replaced: int) -> bytes:
        """Return octets whose digits, two an octet from ``start`` on, are replaced; fillers stay."""
        digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in octets[start:])
        body = digits.rstrip("f")
        made = self.number(body, replaced) + digits[len(body) :]
        swapped = "".join(made[at + 1] + made[at] for at in range(0, len(made), 2))
        return octets[:start] + bytes.fromhex(swapped)

    def content(self, kind: str, octets: bytes) -> bytes:
        """Return the octets that stand for those of an octet string, as long as they."""
        if kind in _HARMLESS:
            return octets
        if kind in _TEXTS:
            return self.text(octets)
        if kind == "USSDString":
            return bytes(len(octets))
        if kind == "ShortMessage":
            return self.short_message(octets)
        replaced = _REPLACED.get(kind)
        if replaced is not None:
            made = bytearray(octets)
            made[replaced] = self.octets(octets[replaced])
            return bytes(made)
        return self._digits(kind, octets)

    def short_message(self, octets: bytes) -> bytes:
        """Return a TPDU of the same kind and length without its text, its address replaced (TS 23.040 §9.2).

        Raises:
            NotUnderstoodError: it is neither SMS-DELIVER nor SMS-SUBMIT, or ends too early.
        """
        kind = octets[0] & 3 if octets else _SUBMIT + 1
        at = 1 + (kind == _SUBMIT)
        if kind > _SUBMIT or len(octets) < at + 2:
            raise NotUnderstoodError("a short message of a kind that is not known")
        digits = octets[at]
        end = at + 2 + (digits + 1) // 2
        length = end + 2 + (_VALIDITY[octets[0] >> 3 & 3] if kind == _SUBMIT else _TIME_STAMP)
        if digits > _ADDRESS_DIGITS or len(octets) <= length:
            raise NotUnderstoodError("a short message that ends too early")
        address = octets[at + 2 : end]
        numeric = octets[at + 1] >> 4 & 7 != _ALPHANUMERIC
        made = self.semi_octets(address, 0, DIGITS) if numeric else bytes(len(address))
        return octets[: at + 2] + made + octets[end : length + 1] + bytes(len(octets) - length - 1)

    def text(self, octets: bytes) -> bytes:
        """Return other letters and digits in their place; signs, and octets that are no characters, stay."""
        letters = self.octets(octets)
        return bytes(
            97 + letter % 26 if chr(octet).isalnum() and octet < 128 else octet
            for octet, letter in zip(octets, letters, strict=True)
        )

    def _digits(self, kind: str, octets: bytes) -> bytes:
        start = _DIGITS_AT.get(kind)
        if start is None:
            return self.octets(octets) if len(octets) > _LONG else octets
        replaced = IMSI_DIGITS if kind in {"IMSI", "IMEI"} else DIGITS
        odd = kind.endswith("Number") and kind != "CalledPartyBCDNumber" and octets[:1] >= b"\x80"
        if kind == "GenericDigits":
            scheme = octets[0] >> 5 if octets else _BINARY
            if scheme >= _IA5:
                return octets[:1] + (self.text if scheme == _IA5 else self.octets)(octets[1:])
            odd = scheme == _BCD_ODD
        if not odd:
            return self.semi_octets(octets, start, replaced)
        # the filler of an odd number of signals is no digit (Q.763 §3.9)
        body, last = octets[:-1], octets[-1]
        whole = self.semi_octets(body + bytes((last | 0xF0,)), start, replaced)
        return whole[:-1] + bytes((whole[-1] & 0x0F | last & 0xF0,))

    # -- values of described types -------------------------------------------------------------------------

    def value(self, kind: Type, value: Any, version: int) -> Any:
        """Return what stands for a value of an argument or a result.

        Args:
            kind: description of its type.
            value: of that type.
            version: CAP version.

        Raises:
            DecodeError: an octet string does not contain what it should.
            NotUnderstoodError: an element of an open type can't be read.
        """
        if isinstance(kind, SequenceType):
            slots = list(astuple(value))
            for component in kind.components:
                if slots[component.slot] is not None:
                    slots[component.slot] = self.value(component.type, slots[component.slot], version)
            return kind.cls(*slots)
        if isinstance(kind, ChoiceType):
            chosen = next(item for item in kind.alternatives if item.identifier == value.name)
            return kind.cls(value.name, self.value(chosen.type, value.value, version))
        if isinstance(kind, OneOfType):
            chosen = next(component for python, component in kind.alternatives if isinstance(value, python))
            return self.value(chosen.type, value, version)
        if isinstance(kind, ListType):
            return tuple(self.value(kind.element.type, item, version) for item in value)
        return self._leaf(kind, value, version)

    def _leaf(self, kind: Type, value: Any, version: int) -> Any:
        if isinstance(kind, OctetStringType) and kind.contains in CONTAINED:
            inner = decode_contained(kind.contains, value, version)
            made = self.value(contained_type(kind.contains, version), inner, version)
            return encode_contained(kind.contains, made, version)
        if isinstance(kind, OctetStringType):
            return self.content(kind.contains, value)
        if isinstance(kind, TextType):
            return self.text(value.encode("ascii")).decode("ascii")
        return self._elements(value) if isinstance(kind, OpaqueType) else value

    def _elements(self, octets: bytes) -> bytes:
        """Return elements of BER with other contents, whatever they are."""
        made = b""
        at = 0
        while at < len(octets):
            tag, start, stop, after = read_element(octets, at, len(octets))
            if after < 0:
                raise NotUnderstoodError("an extension that is no BER")
            contents = octets[start:stop]
            constructed = tag & (0x20 if tag <= 0xFF else 0x2000)
            made += encode_element(tag, self._elements(contents) if constructed else self.octets(contents))
            at = after
        return made
