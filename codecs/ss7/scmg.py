"""SCCP management messages (Q.713 §5): the data of a class 0 UDT between subsystems number 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from ss7.digits import names_of, shown
from ss7.errors import DecodeError, EncodeError

SCMG_SSN: Final = 1


class ScmgType(IntEnum):
    """SCMG format identifier (Q.713 §5.2.1)."""

    SSA = 1  # subsystem allowed
    SSP = 2  # subsystem prohibited
    SST = 3  # subsystem status test
    SOR = 4  # subsystem out of service request
    SOG = 5  # subsystem out of service grant
    SSC = 6  # SCCP or subsystem congested


_NAMES: Final = {value: name.upper() for value, name in names_of(ScmgType).items()}
_SIZE: Final = 5


@final
@dataclass(frozen=True)
class Management:
    """An SCMG message.

    Attributes:
        kind: `ScmgType`.
        ssn: affected subsystem number, 0 to 255.
        point_code: affected point code, 0 to 16383.
        multiplicity: subsystem multiplicity indicator, 0 to 3; 0 is "not known".
        congestion: SCCP congestion level of SSC, 1 to 8 (0 to 15 on the wire); -1 in all others.
    """

    kind: int
    ssn: int
    point_code: int
    multiplicity: int = 0
    congestion: int = -1

    @staticmethod
    def decode(octets: bytes) -> Management:
        """Return the message; raises `DecodeError` for an unknown type or a wrong length."""
        if not octets or octets[0] not in _NAMES:
            raise DecodeError("not an SCMG message type", 0, "Q.713 §5.2.1")
        kind = octets[0]
        size = _SIZE + 1 if kind == ScmgType.SSC else _SIZE
        if len(octets) != size:
            raise DecodeError(
                f"SCMG message of other than {size} octets", min(len(octets), size), "Q.713 §5.3"
            )
        point_code = (octets[3] << 8 | octets[2]) & 0x3FFF
        congestion = octets[5] & 0x0F if kind == ScmgType.SSC else -1
        return Management(kind, octets[1], point_code, octets[4] & 0x03, congestion)

    def encode(self) -> bytes:
        """Return five octets (six for SSC); raises `EncodeError` for a value out of its range."""
        if self.kind not in _NAMES:
            raise EncodeError(f"SCMG message type {self.kind}", "Q.713 §5.2.1")
        if not (0 <= self.ssn <= 255 and 0 <= self.point_code <= 0x3FFF and 0 <= self.multiplicity <= 3):
            raise EncodeError("affected SSN, point code or multiplicity out of range", "Q.713 §5.2.2")
        octets = bytes((self.kind, self.ssn, self.point_code & 0xFF, self.point_code >> 8, self.multiplicity))
        if self.kind != ScmgType.SSC:
            return octets
        if not 0 <= self.congestion <= 15:
            raise EncodeError("congestion level out of range", "Q.713 §5.2.2.4")
        return octets + bytes((self.congestion,))

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {
            "type": shown(self.kind, _NAMES),
            "ssn": self.ssn,
            "point_code": self.point_code,
            "multiplicity": self.multiplicity,
        }
        if self.congestion >= 0:
            shows["congestion"] = self.congestion
        return shows
