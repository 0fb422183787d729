"""Points on the earth as MAP and ISUP send them (TS 23.032; TS 29.002 §17.7.1; Q.763 §3.88).

Every class has ``decode(octets)``, which raises `DecodeError`, and ``as_dict()`` for JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from ss7.errors import DecodeError

_POINT_WITH_CIRCLE: Final = 1
"""The type of shape that both have: an ellipsoid point with an uncertainty circle (TS 23.032 table 2a)."""
_LATITUDE_STEPS: Final = 1 << 23
_LONGITUDE_STEPS: Final = 1 << 24


@final
@dataclass(frozen=True)
class GeographicalInformation:
    """GeographicalInformation (TS 29.002 §17.7.1): an ellipsoid point with an uncertainty circle.

    Attributes:
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        uncertainty: radius of the circle in metres.
    """

    latitude: float
    longitude: float
    uncertainty: float

    @staticmethod
    def decode(octets: bytes) -> GeographicalInformation:
        """Return the point; raises `DecodeError` for another shape, or other than eight octets."""
        if len(octets) != 8:
            raise DecodeError("point of other than 8 octets", min(len(octets), 8), "TS 29.002 §17.7.1")
        if octets[0] >> 4 != _POINT_WITH_CIRCLE:
            raise DecodeError("shape other than a point with a circle", 0, "TS 23.032 §7.1")
        return GeographicalInformation(*_point(octets, 1))

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows: degrees to a metre or so, metres."""
        return _shown(self.latitude, self.longitude, self.uncertainty)


@final
@dataclass(frozen=True)
class GeodeticInformation:
    """GeodeticInformation: ISUP's calling geodetic location (Q.763 §3.88) without name and length.

    Attributes:
        latitude, longitude, uncertainty: as in `GeographicalInformation`.
        confidence: percent.
        presentation: location presentation restricted indicator, 0 to 3.
        screening: 0 to 3.
    """

    latitude: float
    longitude: float
    uncertainty: float
    confidence: int
    presentation: int
    screening: int

    @staticmethod
    def decode(octets: bytes) -> GeodeticInformation:
        """Return the point; raises `DecodeError` for another shape, or other than ten octets."""
        if len(octets) != 10:
            raise DecodeError("point of other than 10 octets", min(len(octets), 10), "TS 29.002 §17.7.1")
        if octets[1] & 0x7F != _POINT_WITH_CIRCLE:
            raise DecodeError("shape other than a point with a circle", 1, "Q.763 §3.88")
        return GeodeticInformation(*_point(octets, 2), octets[9] & 0x7F, octets[0] >> 2 & 3, octets[0] & 3)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows = _shown(self.latitude, self.longitude, self.uncertainty)
        shows["confidence"] = self.confidence
        shows["presentation"] = self.presentation
        shows["screening"] = self.screening
        return shows


def _point(octets: bytes, at: int) -> tuple[float, float, float]:
    """Return latitude, longitude and uncertainty of seven octets from ``at`` on (TS 23.032 §6.1, §6.2)."""
    code = int.from_bytes(octets[at : at + 3], "big")
    latitude = (code & (_LATITUDE_STEPS - 1)) * 90 / _LATITUDE_STEPS
    longitude = int.from_bytes(octets[at + 3 : at + 6], "big", signed=True) * 360 / _LONGITUDE_STEPS
    uncertainty = 10 * (1.1 ** (octets[at + 6] & 0x7F) - 1)
    return -latitude if code & _LATITUDE_STEPS else latitude, longitude, uncertainty


def _shown(latitude: float, longitude: float, uncertainty: float) -> dict[str, object]:
    return {
        "latitude": round(latitude, 5),
        "longitude": round(longitude, 5),
        "uncertainty_m": round(uncertainty, 1),
    }
