"""What a call carries: bearer and teleservice as ISUP and CAP have them (Q.763 §3.57, §3.59; Q.931 §4.5).

Every class has ``decode(octets)``, which raises `DecodeError`, and ``as_dict()`` for JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from ss7.digits import shown
from ss7.errors import DecodeError

_LAST: Final = 0x80
"""Bit 8 of an octet: no octet of its group follows."""
_MULTIRATE: Final = 0x18

_STANDARDS: Final = {0: "itu-t", 1: "iso-iec", 2: "national", 3: "network"}
_CAPABILITIES: Final = {
    0x00: "speech",
    0x08: "unrestricted-digital",
    0x09: "restricted-digital",
    0x10: "3.1-khz-audio",
    0x11: "unrestricted-digital-with-tones",
    0x18: "video",
}
_MODES: Final = {0: "circuit", 2: "packet"}
_RATES: Final = {
    0x00: "packet",
    0x10: "64-kbit/s",
    0x11: "2x64-kbit/s",
    0x13: "384-kbit/s",
    0x15: "1536-kbit/s",
    0x17: "1920-kbit/s",
    _MULTIRATE: "multirate",
}
_PROTOCOLS: Final[dict[int, tuple[str, dict[int, str]]]] = {
    1: (
        "layer_1",
        {
            1: "v.110",
            2: "g.711-u-law",
            3: "g.711-a-law",
            4: "g.721",
            5: "h.221",
            6: "h.223",
            7: "other-rate-adaption",
            8: "v.120",
            9: "x.31-hdlc",
        },
    ),
    2: ("layer_2", {2: "q.921", 6: "x.25", 12: "llc"}),
    3: ("layer_3", {2: "q.931", 6: "x.25", 11: "iso-9577"}),
}
_TELESERVICES: Final = {
    0x01: "telephony",
    0x04: "facsimile-g2-g3",
    0x21: "facsimile-g4-class-i",
    0x24: "facsimile-g4-class-ii-iii",
    0x28: "teletex-mixed-mode",
    0x31: "teletex",
    0x32: "videotex",
    0x35: "telex",
    0x38: "message-handling",
    0x41: "osi-application",
    0x42: "ftam",
    0x5E: "maintenance",
    0x5F: "management",
    0x60: "videotelephony",
    0x61: "videoconferencing",
    0x62: "audiographic-conferencing",
    0x68: "multimedia",
}


@final
@dataclass(frozen=True)
class UserServiceInformation:
    """User service information (Q.763 §3.57): Q.931's bearer capability from octet 3 on.

    Attributes:
        standard: coding standard, 0 to 3.
        capability: information transfer capability, 0 to 31.
        mode: transfer mode, 0 to 3.
        rate: information transfer rate, 0 to 31.
        multiplier: of the base rate, where ``rate`` is multirate; 0: not said.
        protocols: user information protocol by layer, 1 to 3.
    """

    standard: int
    capability: int
    mode: int
    rate: int
    multiplier: int
    protocols: dict[int, int]

    @staticmethod
    def decode(octets: bytes) -> UserServiceInformation:
        """Return the information; raises `DecodeError` if there are fewer than two octets."""
        if len(octets) < 2:
            raise DecodeError("bearer capability of fewer than two octets", len(octets), "Q.931 §4.5.5")
        at = _after(octets, 0)
        if at >= len(octets):
            raise DecodeError("bearer capability without its rate", at, "Q.931 §4.5.5")
        mode, rate = octets[at] >> 5 & 3, octets[at] & 0x1F
        at += 1
        multiplier = 0
        if rate == _MULTIRATE and at < len(octets):
            multiplier = octets[at] & 0x7F
            at += 1
        protocols: dict[int, int] = {}
        while at < len(octets):
            layer = octets[at] >> 5 & 3
            if layer not in _PROTOCOLS:
                raise DecodeError("protocol of no layer", at, "Q.931 §4.5.5")
            protocols[layer] = octets[at] & 0x1F
            at = _after(octets, at)
        return UserServiceInformation(octets[0] >> 5 & 3, octets[0] & 0x1F, mode, rate, multiplier, protocols)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        shows: dict[str, object] = {
            "capability": shown(self.capability, _CAPABILITIES),
            "mode": shown(self.mode, _MODES),
            "rate": shown(self.rate, _RATES),
            "standard": shown(self.standard, _STANDARDS),
        }
        if self.multiplier:
            shows["multiplier"] = self.multiplier
        for layer, protocol in self.protocols.items():
            name, names = _PROTOCOLS[layer]
            shows[name] = shown(protocol, names)
        return shows


@final
@dataclass(frozen=True)
class UserTeleserviceInformation:
    """User teleservice information (Q.763 §3.59): Q.931's high layer compatibility from octet 3 on.

    Attributes:
        standard: coding standard, 0 to 3.
        interpretation: 0 to 7.
        presentation: presentation method of the protocol profile, 0 to 3.
        characteristics: high layer characteristics identification, 0 to 127.
    """

    standard: int
    interpretation: int
    presentation: int
    characteristics: int

    @staticmethod
    def decode(octets: bytes) -> UserTeleserviceInformation:
        """Return the information; raises `DecodeError` if there are fewer than two octets."""
        if len(octets) < 2:
            raise DecodeError("teleservice of fewer than two octets", len(octets), "Q.931 §4.5.17")
        first = octets[0]
        return UserTeleserviceInformation(first >> 5 & 3, first >> 2 & 7, first & 3, octets[1] & 0x7F)

    def as_dict(self) -> dict[str, object]:
        """Return what JSON shows."""
        return {
            "teleservice": shown(self.characteristics, _TELESERVICES),
            "standard": shown(self.standard, _STANDARDS),
            "interpretation": self.interpretation,
            "presentation": self.presentation,
        }


def _after(octets: bytes, at: int) -> int:
    """Return the offset behind the group of octets that begins at ``at``."""
    while at < len(octets) and octets[at] < _LAST:
        at += 1
    return min(at + 1, len(octets))
