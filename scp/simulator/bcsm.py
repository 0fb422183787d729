"""Detection points of the basic call state models, those that the simulator plays (TS 23.078 §4.5)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from scp.domain.call import Trigger
from scp.simulator.scenario import Ending
from ss7.cap.events import EventTypeBCSM as Event
from ss7.cap.events import MonitorMode

__all__ = ["CALLED", "CALLING", "MODELS", "Event", "Happening", "Model", "MonitorMode"]

CALLING: Final = 1
CALLED: Final = 2


class Happening(Struct, frozen=True):
    """The event that an attempt's ending is in the call model, its leg, and the Q.850 cause."""

    event: Event
    leg: int
    cause: int


class Model(Struct, frozen=True):
    """One basic call state model.

    Attributes:
        tdp: where the call is suspended for the InitialDP.
        endings: the event that each ending of an attempt is.
        answer: the answer event.
        disconnect: the disconnect event, of either leg.
        alerting: the event when the called party's telephone rings.
    """

    tdp: Event
    endings: dict[Ending, Happening]
    answer: Event
    disconnect: Event
    alerting: Event

    @property
    def events(self) -> frozenset[Event]:
        """The events that can be armed."""
        of_endings = {happening.event for happening in self.endings.values()}
        return frozenset(of_endings | {self.answer, self.disconnect, self.alerting})

    def default_leg(self, event: Event) -> int:
        """Return the leg of an event that is armed without one (TS 29.078 tables 11-1 and 11-2)."""
        if event is self.disconnect:
            return 0
        return CALLING if event in (Event.O_ABANDON, Event.T_ABANDON) else CALLED


NORMAL_CLEARING: Final = 16
USER_BUSY: Final = 17
NO_ANSWER_FROM_USER: Final = 19
SUBSCRIBER_ABSENT: Final = 20
NO_ROUTE_TO_DESTINATION: Final = 3

ORIGINATING: Final = Model(
    tdp=Event.COLLECTED_INFO,
    endings={
        Ending.ANSWER: Happening(Event.O_ANSWER, CALLED, 0),
        Ending.BUSY: Happening(Event.O_CALLED_PARTY_BUSY, CALLED, USER_BUSY),
        Ending.NO_ANSWER: Happening(Event.O_NO_ANSWER, CALLED, NO_ANSWER_FROM_USER),
        Ending.UNREACHABLE: Happening(Event.ROUTE_SELECT_FAILURE, CALLED, NO_ROUTE_TO_DESTINATION),
        Ending.ABANDON: Happening(Event.O_ABANDON, CALLING, NORMAL_CLEARING),
    },
    answer=Event.O_ANSWER,
    disconnect=Event.O_DISCONNECT,
    alerting=Event.O_TERM_SEIZED,
)
TERMINATING: Final = Model(
    tdp=Event.TERM_ATTEMPT_AUTHORIZED,
    endings={
        Ending.ANSWER: Happening(Event.T_ANSWER, CALLED, 0),
        Ending.BUSY: Happening(Event.T_BUSY, CALLED, USER_BUSY),
        Ending.NO_ANSWER: Happening(Event.T_NO_ANSWER, CALLED, NO_ANSWER_FROM_USER),
        # TS 29.078 §11.18.1.1: absence is T_Busy with its own cause.
        Ending.UNREACHABLE: Happening(Event.T_BUSY, CALLED, SUBSCRIBER_ABSENT),
        Ending.ABANDON: Happening(Event.T_ABANDON, CALLING, NORMAL_CLEARING),
    },
    answer=Event.T_ANSWER,
    disconnect=Event.T_DISCONNECT,
    alerting=Event.CALL_ACCEPTED,
)

# A forwarded call is a mobile originating one of the subscriber who forwards (TS 23.078 §4.5.1).
MODELS: Final = {
    Trigger.ORIGINATING: ORIGINATING,
    Trigger.FORWARDED: ORIGINATING,
    Trigger.TERMINATING: TERMINATING,
}
