"""``[switches.NAME]``: switches that do something otherwise than TS 29.078 has it."""

from __future__ import annotations

from re import fullmatch
from typing import TYPE_CHECKING

from msgspec import Struct

from scp.config.reader import Fault
from scp.config.value_types import NAME, NAME_WORDS, GlobalTitle
from scp.config.values import PointCode
from scp.domain.switches import ChargedTime, KnownSwitch, Switches, SwitchProfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Switch(Struct, frozen=True, forbid_unknown_fields=True):
    """The switches of one kind, and what they do.

    Attributes:
        point_codes: their point codes.
        global_titles: the first digits of their global titles.
        msc_numbers: the first digits of their MSC numbers (mscAddress in InitialDP).
        charged_time, abandon_report: as in `scp.domain.switches.SwitchProfile`.
    """

    point_codes: tuple[PointCode, ...] = ()
    global_titles: tuple[GlobalTitle, ...] = ()
    msc_numbers: tuple[GlobalTitle, ...] = ()
    charged_time: ChargedTime = ChargedTime.SINCE_ANSWER
    abandon_report: bool = True

    def known(self, name: str) -> KnownSwitch:
        """Return the profile and whose it is."""
        profile = SwitchProfile(name, self.charged_time, self.abandon_report)
        return KnownSwitch(profile, self.point_codes, self.global_titles, self.msc_numbers)


def switches(tables: Mapping[str, Switch]) -> Switches:
    """Return all profiles."""
    return Switches(tuple(table.known(name) for name, table in tables.items()))


def switch_faults(tables: Mapping[str, Switch]) -> Iterator[Fault]:
    """Yield profiles of no switch, and switches of two profiles."""
    owners: dict[tuple[str, object], str] = {}
    for name, table in tables.items():
        if not fullmatch(NAME, name):
            yield Fault(f"switches.{name}", f"the name must be {NAME_WORDS}")
        if not (table.point_codes or table.global_titles or table.msc_numbers):
            yield Fault(f"switches.{name}", "whose? point_codes, global_titles or msc_numbers are needed")
        for key in ("point_codes", "global_titles", "msc_numbers"):
            for index, value in enumerate(getattr(table, key)):
                owner = owners.setdefault((key, value), name)
                if owner != name:
                    yield Fault(f"switches.{name}.{key}[{index}]", f"{value} is of switches.{owner} already")
