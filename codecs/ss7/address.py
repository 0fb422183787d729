"""Numbers and places as MAP and the radio interface code them (TS 29.002 §17.7.8, TS 24.008 §10.5).

Every class has ``decode(octets)``, which raises `DecodeError`, ``encode()``, which raises `EncodeError`, and
``as_dict()`` for JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from ss7.digits import NumberingPlan, names_of, shown, tbcd_digits, tbcd_octets
from ss7.errors import DecodeError, EncodeError

__all__ = [
    "AddressString",
    "CalledPartyBCDNumber",
    "CellGlobalId",
    "EutranCellGlobalId",
    "Imei",
    "Imsi",
    "LocationAreaId",
    "NumberingPlan",
    "RoutingAreaId",
    "TrackingAreaId",
    "TypeOfNumber",
]


class TypeOfNumber(IntEnum):
    """Nature of address (TS 29.002), type of number (TS 24.008 table 10.5.118); they differ in 4."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    DEDICATED_ACCESS = 4
    ABBREVIATED = 6


_NATURE_NAMES: Final = names_of(TypeOfNumber)
_TYPE_NAMES: Final = {**_NATURE_NAMES, int(TypeOfNumber.DEDICATED_ACCESS): "dedicated-access"}
_PLAN_NAMES: Final = names_of(NumberingPlan)

# Bit 8 of the first octet says that no extension follows. At least one vendor's switches send it as 0 in
# calledPartyBCDNumber and go on with digits; as no release defines an extension, it is not looked at.
_NO_EXTENSION: Final = 0x80


@final
@dataclass(init=False)
class AddressString:
    """AddressString and ISDN-AddressString (TS 29.002 §17.7.8): numbers of network nodes and subscribers.

    Attributes:
        digits: in the TBCD alphabet of `ss7.digits`.
        nature: `TypeOfNumber`, 0 to 7.
        plan: `NumberingPlan`, 0 to 15.
    """

    digits: str
    nature: int
    plan: int

    def __init__(self, digits: str, nature: int = 1, plan: int = 1) -> None:
        self.digits = digits
        self.nature = nature
        self.plan = plan

    @staticmethod
    def decode(octets: bytes) -> AddressString:
        """Return the number; raises `DecodeError` for no octets at all or filler among the digits."""
        if not octets:
            raise DecodeError("address string without nature and plan", 0, "TS 29.002 §17.7.8")
        first = octets[0]
        return AddressString(tbcd_digits(octets, 1, "TS 29.002 §17.7.8"), first >> 4 & 7, first & 0x0F)

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        return _written(self.nature, self.plan, self.digits, "TS 29.002 §17.7.8")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {
            "digits": self.digits,
            "nature": shown(self.nature, _NATURE_NAMES),
            "plan": shown(self.plan, _PLAN_NAMES),
        }


@final
@dataclass(init=False)
class CalledPartyBCDNumber:
    """Called party BCD number (TS 24.008 §10.5.4.7 from octet 3 on): what the subscriber dialled.

    Attributes:
        digits: in the TBCD alphabet of `ss7.digits`.
        nature: `TypeOfNumber`, 0 to 7.
        plan: `NumberingPlan`, 0 to 15.
    """

    digits: str
    nature: int
    plan: int

    def __init__(self, digits: str, nature: int = 0, plan: int = 1) -> None:
        self.digits = digits
        self.nature = nature
        self.plan = plan

    @staticmethod
    def decode(octets: bytes) -> CalledPartyBCDNumber:
        """Return the number; raises `DecodeError` for no octets at all or an end mark among the digits."""
        if not octets:
            raise DecodeError("called party BCD number without type and plan", 0, "TS 24.008 §10.5.4.7")
        first = octets[0]
        return CalledPartyBCDNumber(
            tbcd_digits(octets, 1, "TS 24.008 §10.5.4.7"), first >> 4 & 7, first & 0x0F
        )

    def encode(self) -> bytes:
        """Return the octets; raises `EncodeError` for a digit or indicator that has no code."""
        return _written(self.nature, self.plan, self.digits, "TS 24.008 §10.5.4.7")

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {
            "digits": self.digits,
            "nature": shown(self.nature, _TYPE_NAMES),
            "plan": shown(self.plan, _PLAN_NAMES),
        }


@final
@dataclass(frozen=True)
class Imsi:
    """IMSI (TS 29.002 §17.7.8): 5 to 16 decimal digits.

    TS 23.003 §2.2 stops at 15, but the eight octets have room for 16, and there are captures with 16.
    """

    digits: str

    @staticmethod
    def decode(octets: bytes) -> Imsi:
        """Return the IMSI; raises `DecodeError` unless there are 3 to 8 octets of decimal digits."""
        if not 3 <= len(octets) <= 8:
            raise DecodeError("IMSI of other than 3 to 8 octets", min(len(octets), 8), "TS 29.002 §17.7.8")
        digits = tbcd_digits(octets)
        if not digits.isdigit():
            raise DecodeError("IMSI with other than decimal digits", 0, "TS 23.003 §2.2")
        return Imsi(digits)

    def encode(self) -> bytes:
        """Return 3 to 8 octets; raises `EncodeError` for other than 5 to 16 decimal digits."""
        if not (5 <= len(self.digits) <= 16 and self.digits.isascii() and self.digits.isdigit()):
            raise EncodeError("IMSI of other than 5 to 16 decimal digits", "TS 23.003 §2.2")
        return tbcd_octets(self.digits)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"digits": self.digits}


@final
@dataclass(frozen=True)
class CellGlobalId:
    """CellGlobalIdOrServiceAreaIdFixedLength (TS 29.002 §17.7.8), coded as TS 24.008 §10.5.1.3 and §10.5.1.1.

    Attributes:
        mcc: mobile country code, three digits.
        mnc: mobile network code, two or three digits.
        lac: location area code, 0 to 65535.
        ci: cell identity or service area code, 0 to 65535.
    """

    mcc: str
    mnc: str
    lac: int
    ci: int

    @staticmethod
    def decode(octets: bytes) -> CellGlobalId:
        """Return the identity; raises `DecodeError` unless there are seven octets and a decimal PLMN."""
        if len(octets) != 7:
            raise DecodeError(
                "cell or service area id of other than 7 octets", min(len(octets), 7), "TS 29.002 §17.7.8"
            )
        mcc, mnc = _plmn(octets)
        return CellGlobalId(mcc, mnc, octets[3] << 8 | octets[4], octets[5] << 8 | octets[6])

    def encode(self) -> bytes:
        """Return seven octets; raises `EncodeError` for a value out of its range."""
        return _plmn_octets(self.mcc, self.mnc) + _two_octets(self.lac) + _two_octets(self.ci)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"mcc": self.mcc, "mnc": self.mnc, "lac": self.lac, "ci": self.ci}


@final
@dataclass(frozen=True)
class LocationAreaId:
    """LAIFixedLength (TS 29.002 §17.7.8), coded as TS 24.008 §10.5.1.3. Attributes as in `CellGlobalId`."""

    mcc: str
    mnc: str
    lac: int

    @staticmethod
    def decode(octets: bytes) -> LocationAreaId:
        """Return the identity; raises `DecodeError` unless there are five octets and a decimal PLMN."""
        if len(octets) != 5:
            raise DecodeError(
                "location area id of other than 5 octets", min(len(octets), 5), "TS 29.002 §17.7.8"
            )
        mcc, mnc = _plmn(octets)
        return LocationAreaId(mcc, mnc, octets[3] << 8 | octets[4])

    def encode(self) -> bytes:
        """Return five octets; raises `EncodeError` for a value out of its range."""
        return _plmn_octets(self.mcc, self.mnc) + _two_octets(self.lac)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"mcc": self.mcc, "mnc": self.mnc, "lac": self.lac}


@final
@dataclass(frozen=True)
class RoutingAreaId:
    """RAIdentity (TS 29.002 §17.7.1, TS 23.003 §4.2): a location area and its routing area code, 0 to 255."""

    area: LocationAreaId
    rac: int

    @staticmethod
    def decode(octets: bytes) -> RoutingAreaId:
        """Return the identity; raises `DecodeError` unless there are six octets and a decimal PLMN."""
        if len(octets) != 6:
            raise DecodeError("routing area id of other than 6 octets", min(len(octets), 6), "TS 23.003 §4.2")
        return RoutingAreaId(LocationAreaId.decode(octets[:5]), octets[5])

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {**self.area.as_dict(), "rac": self.rac}


@final
@dataclass(frozen=True)
class TrackingAreaId:
    """TA-Id (TS 29.002 §17.7.8, TS 23.003 §19.4.2.3). ``tac``: tracking area code, 0 to 65535."""

    mcc: str
    mnc: str
    tac: int

    @staticmethod
    def decode(octets: bytes) -> TrackingAreaId:
        """Return the identity; raises `DecodeError` unless there are five octets and a decimal PLMN."""
        area = LocationAreaId.decode(octets)
        return TrackingAreaId(area.mcc, area.mnc, area.lac)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"mcc": self.mcc, "mnc": self.mnc, "tac": self.tac}


@final
@dataclass(frozen=True)
class EutranCellGlobalId:
    """E-UTRAN-CGI (TS 29.002 §17.7.8, TS 23.003 §19.6). ``eci``: cell identity of 28 bits."""

    mcc: str
    mnc: str
    eci: int

    @staticmethod
    def decode(octets: bytes) -> EutranCellGlobalId:
        """Return the identity; raises `DecodeError` unless there are seven octets and a decimal PLMN."""
        if len(octets) != 7:
            raise DecodeError("cell id of other than 7 octets", min(len(octets), 7), "TS 23.003 §19.6")
        return EutranCellGlobalId(*_plmn(octets), int.from_bytes(octets[3:], "big") & 0x0FFFFFFF)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"mcc": self.mcc, "mnc": self.mnc, "eci": self.eci}


@final
@dataclass(frozen=True)
class Imei:
    """IMEI or IMEISV (TS 29.002 §17.7.8): 15 digits, a spare one or none behind them, or 16."""

    digits: str

    @staticmethod
    def decode(octets: bytes) -> Imei:
        """Return the IMEI; raises `DecodeError` unless there are eight octets of decimal digits."""
        if len(octets) != 8:
            raise DecodeError("IMEI of other than 8 octets", min(len(octets), 8), "TS 29.002 §17.7.8")
        digits = tbcd_digits(octets)
        if not digits.isdigit():
            raise DecodeError("IMEI with other than decimal digits", 0, "TS 23.003 §6.2")
        return Imei(digits)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {"digits": self.digits}


def _written(nature: int, plan: int, digits: str, clause: str) -> bytes:
    """Return the first octet and the digits that AddressString and the BCD number share."""
    if not (0 <= nature <= 7 and 0 <= plan <= 15):
        raise EncodeError(f"type of number {nature} or numbering plan {plan}", clause)
    return bytes((_NO_EXTENSION | nature << 4 | plan,)) + tbcd_octets(digits, clause)


def _plmn(octets: bytes) -> tuple[str, str]:
    """Return MCC and MNC from MCC 2|1, MNC 3|MCC 3, MNC 2|1; filler as MNC 3: an MNC of two digits."""
    mcc = f"{octets[0] & 15:x}{octets[0] >> 4:x}{octets[1] & 15:x}"
    mnc = f"{octets[2] & 15:x}{octets[2] >> 4:x}"
    if octets[1] < 0xF0:
        mnc += f"{octets[1] >> 4:x}"
    if not (mcc + mnc).isdigit():
        raise DecodeError("MCC or MNC with other than decimal digits", 0, "TS 24.008 §10.5.1.3")
    return mcc, mnc


def _plmn_octets(mcc: str, mnc: str) -> bytes:
    """Return the three octets that `_plmn` reads."""
    digits = mcc + mnc
    if not (len(mcc) == 3 and len(mnc) in (2, 3) and digits.isascii() and digits.isdigit()):
        raise EncodeError("MCC or MNC of other than 3 and 2 or 3 decimal digits", "TS 24.008 §10.5.1.3")
    third = mnc[2] if len(mnc) == 3 else "f"
    return bytes.fromhex(mcc[1] + mcc[0] + third + mcc[2] + mnc[1] + mnc[0])


def _two_octets(value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise EncodeError(f"area code or cell identity {value}", "TS 23.003 §4")
    return bytes((value >> 8, value & 0xFF))
