"""The event detection points that a gsmSCF has armed in a call (TS 29.078 §11.27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from scp.simulator.bcsm import CALLED, CALLING, Event, MonitorMode
from scp.simulator.scenario import Ending
from scp.simulator.states import ABANDONS, CLOSES_LEG, DISARMED_AT_ANSWER
from ss7.cap.errors import ErrorCode

if TYPE_CHECKING:
    from scp.simulator.bcsm import Model
    from ss7.cap.types import RequestReportBCSMEventArg


@final
class ArmedEvents:
    """What is armed, by event and leg.

    Args:
        model: of the call.
        keeps_abandon: whether abandon stays armed at answer, as in some switches.

    Attributes:
        modes: how each (event, leg) is armed.
        ring_limit: seconds that the called party may be alerted; 0: as long as the switch likes.
    """

    def __init__(self, model: Model, *, keeps_abandon: bool) -> None:
        self.modes: dict[tuple[Event, int], MonitorMode] = {}
        self.ring_limit = 0
        self._model = model
        self._kept = ABANDONS if keeps_abandon else frozenset()

    def fault(self, argument: RequestReportBCSMEventArg, *, monitoring: bool) -> tuple[ErrorCode, str] | None:
        """Return the error of a request that can't be done, and why; None: it can.

        Args:
            argument: the request.
            monitoring: whether the call goes on.
        """
        for armed in argument.bcsm_events:
            event, leg = armed.event_type_bcsm, leg_number(armed.leg_id)
            if event not in self._model.events:
                return ErrorCode.UNEXPECTED_DATA_VALUE, f"event {event} isn't this call's"
            if leg not in (0, CALLING, CALLED):
                return ErrorCode.UNKNOWN_LEG_ID, f"leg {leg} of event {event}"
            if monitoring and armed.monitor_mode is MonitorMode.INTERRUPTED:
                why = "an EDP-R can't be armed while the call goes on (TS 29.078 §11.27.2.1)"
                return ErrorCode.UNEXPECTED_COMPONENT_SEQUENCE, why
        return None

    def arm(self, argument: RequestReportBCSMEventArg) -> None:
        """Arm and disarm as a request without fault asks."""
        for armed in argument.bcsm_events:
            event = armed.event_type_bcsm
            assert isinstance(event, Event)
            leg = leg_number(armed.leg_id) or self._model.default_leg(event)
            for one in (leg,) if leg else (CALLING, CALLED):
                if armed.monitor_mode is MonitorMode.TRANSPARENT:
                    self.modes.pop((event, one), None)
                else:
                    self.modes[event, one] = armed.monitor_mode
            if event is self._model.endings[Ending.NO_ANSWER].event:
                criteria = armed.dp_specific_criteria
                timed = criteria is not None and criteria.name == "applicationTimer"
                self.ring_limit = int(criteria.value) if criteria is not None and timed else 0

    def disarm_after(self, event: Event, leg: int) -> None:
        """Disarm what can't happen any more once this event has (TS 23.078 §4.5.2.2)."""
        if event is self._model.answer:
            gone = [key for key in self.modes if key[0] in DISARMED_AT_ANSWER - self._kept]
        elif event in CLOSES_LEG and leg == CALLED:
            gone = [key for key in self.modes if key[1] == CALLED]
        elif event in CLOSES_LEG:
            gone = list(self.modes)
        else:
            gone = []
        for key in gone:
            del self.modes[key]


def leg_number(choice: Any) -> int:
    """Return the number of a LegID or of one of its halves; 0 if it is not given."""
    return int(choice.value[0]) if choice is not None else 0
