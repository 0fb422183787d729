"""What some switches do otherwise than TS 29.078 has it, and which switches those are."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable


class ChargedTime(StrEnum):
    """From when on a switch counts the time in its charging reports."""

    SINCE_ANSWER = "since-answer"  # TS 29.078 §11.3.1.1
    BY_PERIOD = "by-period"  # each report from the one before


class SwitchProfile(Struct, frozen=True):
    """What a switch does.

    Attributes:
        name: of the profile, "" for that of the standard.
        charged_time: how it counts.
        abandon_report: whether a call that is abandoned before answer has a charging report, of 0; without it
            nobody waits for one.
    """

    name: str = ""
    charged_time: ChargedTime = ChargedTime.SINCE_ANSWER
    abandon_report: bool = True

    @property
    def by_period(self) -> bool:
        """Whether a report counts its own period only."""
        return self.charged_time is ChargedTime.BY_PERIOD


STANDARD: Final = SwitchProfile()


class Origin(NamedTuple):
    """Where a call's messages come from.

    Attributes:
        point_code: originating point code of its first message: the switch, or the STP before it.
        title: digits of the global title in its calling address, "" without.
        msc: E.164 digits of the MSC number in its InitialDP, "" without.
    """

    point_code: int
    title: str
    msc: str


class KnownSwitch(Struct, frozen=True):
    """A profile and whose it is.

    Attributes:
        profile: what they do.
        point_codes: the switches with these point codes …
        global_titles: … with global titles that begin so …
        msc_numbers: … and with MSC numbers that begin so.
    """

    profile: SwitchProfile
    point_codes: tuple[int, ...] = ()
    global_titles: tuple[str, ...] = ()
    msc_numbers: tuple[str, ...] = ()


class Switches:
    """All profiles: a point code counts before a global title, then an MSC number; the longest of them."""

    def __init__(self, known: tuple[KnownSwitch, ...] = ()) -> None:
        self._by_point_code = {code: each.profile for each in known for code in each.point_codes}
        self._titles = _longest_first((each.global_titles, each.profile) for each in known)
        self._numbers = _longest_first((each.msc_numbers, each.profile) for each in known)

    def __bool__(self) -> bool:
        """Whether any switch has a profile."""
        return bool(self._by_point_code or self._titles or self._numbers)

    def of(self, origin: Origin) -> SwitchProfile:
        """Return the profile of a call's switch, `STANDARD` if it has none."""
        found = self._by_point_code.get(origin.point_code)
        return found or _first(self._titles, origin.title) or _first(self._numbers, origin.msc) or STANDARD


def _longest_first(
    prefixes: Iterable[tuple[tuple[str, ...], SwitchProfile]],
) -> list[tuple[str, SwitchProfile]]:
    flat = [(prefix, profile) for several, profile in prefixes for prefix in several]
    return sorted(flat, key=_length, reverse=True)


def _length(item: tuple[str, SwitchProfile]) -> int:
    return len(item[0])


def _first(prefixes: list[tuple[str, SwitchProfile]], digits: str) -> SwitchProfile | None:
    for prefix, profile in prefixes:
        if digits.startswith(prefix):
            return profile
    return None
