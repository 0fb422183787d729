"""What CAP's octet strings contain, shown by the names that declarations give it (`Octets.contains`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ss7 import address, cause, isup
from ss7.bearer import UserServiceInformation, UserTeleserviceInformation
from ss7.errors import DecodeError
from ss7.geography import GeodeticInformation, GeographicalInformation

if TYPE_CHECKING:
    from collections.abc import Callable

_LOCATION_AREA_OCTETS: Final = 5


def _bcd_time(octets: bytes) -> str:
    """Return DateAndTime's seven octets as ``2026-11-21T05:55:15`` (TS 29.078 §5.1)."""
    if len(octets) < 7:
        raise DecodeError("time of fewer than 7 octets", len(octets), "TS 29.078 §5.1")
    digits = "".join(f"{octet & 0x0F:x}{octet >> 4:x}" for octet in octets[:7])
    if not digits.isdecimal():
        raise DecodeError("no decimal digits in a time", 0, "TS 29.078 §5.1")
    year, month, day, hour, minute, second = digits[:4], *(digits[at : at + 2] for at in range(4, 14, 2))
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}"


def _time_and_timezone(octets: bytes) -> str:
    """Return TimeAndTimezone with its zone in quarters of an hour (TS 23.040 §9.2.3.11) as ``+01:00``."""
    if len(octets) < 8:
        raise DecodeError("time without its time zone", len(octets), "TS 29.078 §5.1")
    quarters = (octets[7] & 0x07) * 10 + (octets[7] >> 4)
    sign = "-" if octets[7] & 0x08 else "+"
    return f"{_bcd_time(octets)}{sign}{quarters // 4:02d}:{quarters % 4 * 15:02d}"


def _cell_or_area(octets: bytes) -> dict[str, object]:
    """Return a cell, service area or location area id, by its length."""
    if len(octets) == _LOCATION_AREA_OCTETS:
        return address.LocationAreaId.decode(octets).as_dict()
    return address.CellGlobalId.decode(octets).as_dict()


def _ip(octets: bytes, clause: str) -> str:
    """Return an IP address in words."""
    if len(octets) == 4:
        return ".".join(str(octet) for octet in octets)
    if len(octets) == 16:
        return ":".join(f"{octets[at] << 8 | octets[at + 1]:x}" for at in range(0, 16, 2))
    raise DecodeError(f"IP address of {len(octets)} octets", 0, clause)


def _gsn_address(octets: bytes) -> str:
    """Return a GSN address: type and length of the address, the address (TS 23.003 §5.1)."""
    if not octets or octets[0] & 0x3F != len(octets) - 1:
        raise DecodeError("GSN address of another length than it says", 0, "TS 23.003 §5.1")
    return _ip(octets[1:], "TS 23.003 §5.1")


def _access_point_name(octets: bytes) -> str:
    """Return an access point name, whose labels stand behind their lengths (TS 23.003 §9.1), with dots."""
    labels = []
    at = 0
    if not octets:
        raise DecodeError("access point name without labels", 0, "TS 23.003 §9.1")
    while at < len(octets):
        label = octets[at + 1 : at + 1 + octets[at]]
        if len(label) < octets[at] or not label.isascii():
            raise DecodeError("bad label in an access point name", at, "TS 23.003 §9.1")
        labels.append(label.decode("ascii"))
        at += 1 + octets[at]
    return ".".join(labels)


def _text(octets: bytes) -> str:
    if not octets or not octets.isascii():
        raise DecodeError("no name in ASCII characters", 0, "RFC 6733 §4.3.1")
    return octets.decode("ascii")


CONTENTS: Final[dict[str, Callable[[bytes], Any]]] = {
    "AddressString": lambda octets: address.AddressString.decode(octets).as_dict(),
    "CalledPartyBCDNumber": lambda octets: address.CalledPartyBCDNumber.decode(octets).as_dict(),
    "IMSI": lambda octets: address.Imsi.decode(octets).as_dict(),
    "IMEI": lambda octets: address.Imei.decode(octets).as_dict(),
    "CellGlobalId": lambda octets: address.CellGlobalId.decode(octets).as_dict(),
    "LocationAreaId": lambda octets: address.LocationAreaId.decode(octets).as_dict(),
    "CellOrLocationAreaId": _cell_or_area,
    "RoutingAreaId": lambda octets: address.RoutingAreaId.decode(octets).as_dict(),
    "TrackingAreaId": lambda octets: address.TrackingAreaId.decode(octets).as_dict(),
    "EutranCellGlobalId": lambda octets: address.EutranCellGlobalId.decode(octets).as_dict(),
    "GeographicalInformation": lambda octets: GeographicalInformation.decode(octets).as_dict(),
    "GeodeticInformation": lambda octets: GeodeticInformation.decode(octets).as_dict(),
    "CalledPartyNumber": lambda octets: isup.CalledPartyNumber.decode(octets).as_dict(),
    "CallingPartyNumber": lambda octets: isup.CallingPartyNumber.decode(octets).as_dict(),
    "GenericNumber": lambda octets: isup.GenericNumber.decode(octets).as_dict(),
    "GenericDigits": lambda octets: isup.GenericDigits.decode(octets).as_dict(),
    "LocationNumber": lambda octets: isup.LocationNumber.decode(octets).as_dict(),
    "OriginalCalledNumber": lambda octets: isup.OriginalCalledNumber.decode(octets).as_dict(),
    "RedirectingNumber": lambda octets: isup.RedirectingNumber.decode(octets).as_dict(),
    "RedirectionInformation": lambda octets: isup.RedirectionInformation.decode(octets).as_dict(),
    "Cause": lambda octets: cause.Cause.decode(octets).as_dict(),
    "UserServiceInformation": lambda octets: UserServiceInformation.decode(octets).as_dict(),
    "UserTeleserviceInformation": lambda octets: UserTeleserviceInformation.decode(octets).as_dict(),
    "DateAndTime": _bcd_time,
    "TimeAndTimezone": _time_and_timezone,
    "GSNAddress": _gsn_address,
    "PDPAddress": lambda octets: _ip(octets, "TS 29.060 §7.7.27"),
    "AccessPointName": _access_point_name,
    "DiameterIdentity": _text,
}
"""Shows octets by what their declaration says that they contain; raises `DecodeError` where they don't."""
