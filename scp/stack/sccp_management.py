"""SCCP management (Q.714 §5): status of our subsystems for other nodes, status of theirs for ours.

Status of signalling points (Q.714 §5.2) is in M3UA (SSNM). The status of remote subsystems is shown to
operators and causes status tests. It does not stop traffic: a subsystem that has just sent a question is
likely to take the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scp.stack.sccp_settings import DISCARD, SUBSYSTEM, Discard, Event, Status
from ss7.scmg import SCMG_SSN, Management, ScmgType

if TYPE_CHECKING:
    from scp.stack.sccp_settings import SccpSettings

Outgoing: TypeAlias = list[tuple[int, Management]]
_MAX_CONCERNED: Final = 256


@final
class _Test:
    """A status test under way (Q.714 §5.3.4.2): when the next SST is due, and the wait after that."""

    def __init__(self, deadline: float, interval: float) -> None:
        self.deadline = deadline
        self.interval = interval


@final
class Subsystems:
    """Status of subsystems, ours and remote ones.

    Attributes:
        in_service: whether our subsystems are.
        concerned: point codes that get their changes: the configured ones and those that tested one.
    """

    def __init__(self, settings: SccpSettings) -> None:
        self.in_service = True
        self.concerned: dict[int, None] = dict.fromkeys(settings.concerned)
        self._settings: Final = settings
        self._own: Final = frozenset(settings.point_codes)
        self._ssns: Final = frozenset(settings.ssns)
        self._tests: dict[tuple[int, int], _Test] = {}

    def prohibited(self) -> list[tuple[int, int]]:
        """Return (point code, SSN) of the remote subsystems known to be out of service."""
        return list(self._tests)

    def receive(self, message: Management, opc: int, now: float, events: list[Event]) -> Outgoing:
        """Take a message; append to ``events`` what it tells; return (destination, message) to send."""
        return _HANDLERS[message.kind](self, message, opc, now, events)

    def set_in_service(self, in_service: bool) -> Outgoing:
        """Set the status of our subsystems; return SSA or SSP for the concerned points (Q.714 §5.3.7)."""
        self.in_service = in_service
        kind = ScmgType.SSA if in_service else ScmgType.SSP
        own = self._settings.point_codes[0] if self._settings.point_codes else 0
        return [
            (point_code, Management(kind, ssn, own))
            for point_code in self.concerned
            for ssn in self._settings.ssns
        ]

    def next_deadline(self) -> float:
        """Return when the next SST is due; ``inf`` if nothing is prohibited."""
        return min((test.deadline for test in self._tests.values()), default=inf)

    def tick(self, now: float) -> Outgoing:
        """Return the status tests that are due."""
        due = []
        for (point_code, ssn), test in self._tests.items():
            if test.deadline <= now:
                test.deadline = now + test.interval
                test.interval = min(2 * test.interval, self._settings.t_stat_info_max)
                due.append((point_code, Management(ScmgType.SST, ssn, point_code)))
        return due

    def tested(self, message: Management, opc: int, _now: float, events: list[Event]) -> Outgoing:
        """SST (Q.714 §5.3.4.3): answered with SSA if the subsystem is ours and in service, else not."""
        if self._own and message.point_code not in self._own:
            events.append(Event(DISCARD, Discard.MANAGEMENT_NOT_OURS, opc))
            return []
        ours = message.ssn in self._ssns
        if ours and len(self.concerned) < _MAX_CONCERNED:
            self.concerned[opc] = None
        if message.ssn == SCMG_SSN or (ours and self.in_service):
            return [(opc, Management(ScmgType.SSA, message.ssn, message.point_code))]
        events.append(Event(DISCARD, Discard.MANAGEMENT_IGNORED, opc))
        return []

    def allowed(self, message: Management, _opc: int, _now: float, events: list[Event]) -> Outgoing:
        """SSA (Q.714 §5.3.3): the test of the subsystem ends."""
        if self._tests.pop((message.point_code, message.ssn), None) is not None:
            events.append(Event(SUBSYSTEM, Status.ALLOWED, message.point_code, message.ssn))
        return []

    def prohibit(self, message: Management, opc: int, now: float, events: list[Event]) -> Outgoing:
        """SSP (Q.714 §5.3.2): the subsystem is tested until it is allowed again."""
        key = (message.point_code, message.ssn)
        if message.point_code in self._own:
            events.append(Event(DISCARD, Discard.MANAGEMENT_NOT_OURS, opc))
        elif key not in self._tests:
            if len(self._tests) >= self._settings.max_remote_subsystems:
                events.append(Event(DISCARD, Discard.MANAGEMENT_IGNORED, opc))
                return []
            wait = self._settings.t_stat_info
            self._tests[key] = _Test(now + wait, min(2 * wait, self._settings.t_stat_info_max))
            events.append(Event(SUBSYSTEM, Status.PROHIBITED, message.point_code, message.ssn))
        return []

    def congested(self, message: Management, _opc: int, _now: float, events: list[Event]) -> Outgoing:
        """SSC (Q.714 §5.2.8): told on; M3UA throttles by SCON."""
        events.append(Event(SUBSYSTEM, Status.CONGESTED, message.point_code, message.ssn))
        return []

    def ignored(self, _message: Management, opc: int, _now: float, events: list[Event]) -> Outgoing:
        """SOR and SOG (Q.714 §5.3.5): for replicated subsystems, which we are not; a grant is not given."""
        events.append(Event(DISCARD, Discard.MANAGEMENT_IGNORED, opc))
        return []


_Handler: TypeAlias = Callable[[Subsystems, Management, int, float, list[Event]], Outgoing]
_HANDLERS: Final[dict[int, _Handler]] = {
    ScmgType.SSA: Subsystems.allowed,
    ScmgType.SSP: Subsystems.prohibit,
    ScmgType.SST: Subsystems.tested,
    ScmgType.SOR: Subsystems.ignored,
    ScmgType.SOG: Subsystems.ignored,
    ScmgType.SSC: Subsystems.congested,
}
