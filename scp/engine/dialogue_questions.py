"""What the services of a runner ask others than the switch: the store, the HLR, a pass, the charging system.

Each kind of question is one method that returns the answer, or `PENDING` and then the coroutine waits. What
a port does against its protocol is told as a bug, and is a failure of the port, not of the service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from scp.domain.lookup import PENDING, StoreFailure
from scp.domain.quota import ChargingFailure
from scp.domain.whereabouts import LocateFailure
from scp.engine.dialogue_hooks import DialogueHooks
from scp.engine.dialogue_state import LOOKUP, PASS, PLACE, QUOTA, Asked, DialogueState
from scp.engine.timers import Deadlines
from scp.services.api import Extend, Report, ReportKind, Reserve

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.lookup import Found, Pending
    from scp.domain.quota import QuotaAnswer
    from scp.domain.whereabouts import Located
    from scp.engine.admission import Admission
    from scp.engine.tc import TcProvider
    from scp.map_ports import Locator
    from scp.ports import Passes, QuotaPort, SubscriberLookup
    from scp.services.api import ClaimPass, Locate, Settle

STORE: Final = "store"
"""What ``on_bug`` is told in place of a service's name when a store raised."""
CHARGING: Final = "charging"
"""Likewise when the charging system's port raised."""
LOCATOR: Final = "locator"
"""Likewise when what asks the HLR raised."""
PASSES: Final = "passes"
"""Likewise when what claims passes raised."""

TIMED_OUT: Final = Report(ReportKind.TIMEOUT)
_NO_ANSWER: Final = ChargingFailure("timeout")
_NO_PORT: Final = ChargingFailure("none")
_PORT_FAILED: Final = ChargingFailure("unavailable")

State = TypeVar("State", bound=DialogueState)


class DialogueQuestions(DialogueHooks[State]):
    """What a runner's services ask, and how their coroutines wait for it.

    Args:
        provider: where indications come from and messages go to.
        store: where subscribers are looked up.
        clock: monotonic seconds.
        wall: seconds since 1970-01-01 UTC.
        on_bug: told of a port that raised: `STORE`, `CHARGING`, `LOCATOR` or `PASSES`.
        store_deadline: seconds that a lookup may take.
        answer_deadline: seconds from the BEGIN to the first answer; a question gets no longer than that.
        admission: told how long lookups take; None: nobody asks.
        quota: where money is reserved; None: this node charges nothing.

    Attributes:
        locator: says where subscribers are; None: nobody does.
        place_deadline: seconds that its answer may take.
        passes: claims passes; None: there are none.
    """

    def __init__(
        self,
        provider: TcProvider,
        store: SubscriberLookup,
        clock: Callable[[], float],
        wall: Callable[[], float],
        on_bug: Callable[[str, Exception], None],
        store_deadline: float,
        answer_deadline: float,
        admission: Admission | None,
        quota: QuotaPort | None,
    ) -> None:
        super().__init__(provider, clock, wall)
        self.store = store
        self.on_bug = on_bug
        self.store_deadline = store_deadline
        self.answer_deadline = answer_deadline
        self.admission = admission
        self.quota = quota
        self.locator: Locator | None = None
        self.place_deadline = 0.3
        self.passes: Passes | None = None
        self._deadlines: Deadlines[State] = Deadlines(_due)

    # -- what the runner does ------------------------------------------------------------------------------

    def step(self, state: State, value: Any, now: float) -> None:
        """Resume the coroutine with ``value`` and go on until it waits or is done."""
        raise NotImplementedError

    def send(self, state: State, now: float, *, last: bool) -> None:
        """Send the outbox in one message, TC-END if it is the ``last``."""
        raise NotImplementedError

    # -- questions -----------------------------------------------------------------------------------------

    def look_up(self, state: State, msisdn: str, now: float) -> Found | Pending:
        """Ask the store; what it does against its protocol is a failure of the store, not of the service."""
        if state.store_owes:
            return StoreFailure.TIMEOUT
        try:
            found = self.store.find(msisdn, state)
        except Exception as bug:  # noqa: BLE001 - the configured policy answers, whatever a store does wrong
            self.on_bug(STORE, bug)
            return StoreFailure.UNAVAILABLE
        if found is PENDING:
            due = now + self.store_deadline
            if not state.answered:
                due = min(due, state.started + self.answer_deadline)
            state.store_owes = True
            self.suspend(state, LOOKUP, due, now)
        return found

    def locate(self, state: State, request: Locate, now: float) -> Located | Pending:
        """Ask where a subscriber is; what its port does wrong is no fault of the service."""
        locator = self.locator
        if locator is None:
            return LocateFailure.OFF
        came = now
        if not (state.answered or state.gone):
            came = state.started
            if self.admission is not None and now == came:  # it is in hand: what it has waited unread counts
                came = min(came, self.admission.turn.began)
        due = min(came + self.place_deadline, came + self.answer_deadline)
        state.asked = (state.asked + 1) & 0xFF
        try:
            place = locator.locate(request.msisdn, Asked(state, PLACE), now, request.version)
        except Exception as bug:  # noqa: BLE001 - the call goes on, whatever the locator does wrong
            self.on_bug(LOCATOR, bug)
            return LocateFailure.UNREACHABLE
        if place is PENDING:
            self.suspend(state, PLACE, due, now)
        return place

    def claim(self, state: State, request: ClaimPass, now: float) -> Pending | bool:
        """Claim a pass; what its port does wrong is no fault of the service, and the call goes on."""
        port = self.passes
        if port is None:
            return False
        due = now + self.store_deadline
        if not (state.answered or state.gone):
            due = min(due, state.started + self.answer_deadline)
        state.asked = (state.asked + 1) & 0xFF
        try:
            port.claim(request.msisdn, request.caller, Asked(state, PASS))
        except Exception as bug:  # noqa: BLE001 - the call goes on, whatever the port does wrong
            self.on_bug(PASSES, bug)
            return True
        self.suspend(state, PASS, due, now)
        return PENDING

    def ask_charging(
        self, state: State, request: Reserve | Extend | Settle, now: float
    ) -> QuotaAnswer | Pending:
        """Send the outbox, then ask the charging system; what its port does wrong is no fault of the service.

        It is asked after the service waits, so that even an answer from within is taken.
        """
        if state.gone:
            state.take_outbox()
        elif state.has_outgoing:
            self.send(state, now, last=False)
        port = self.quota
        if port is None:
            return _NO_PORT
        until = request.until
        if not (state.answered or state.gone):
            until = min(until, state.started + self.answer_deadline)
        state.asked = (state.asked + 1) & 0xFF
        asked = Asked(state, QUOTA, opens=isinstance(request, Reserve) and state.session is None)
        if isinstance(request, Reserve):
            if state.session is not None and state.session != request.request.session:
                self.settle_for(state)
            state.session = request.request.session  # before the wait, which the journal has
        state.stamp(now)
        self.suspend(state, QUOTA, until, now, soon=isinstance(request, Extend))
        try:
            if isinstance(request, Reserve):
                port.reserve(request.request, asked)
            elif isinstance(request, Extend):
                port.extend(request.session, request.request, asked)
            else:
                if state.session == request.session:
                    state.session = None  # it is the charging system's from here on
                port.settle(request.session, request.usage, asked)
        except Exception as bug:  # noqa: BLE001 - the service's policy answers, whatever a port does wrong
            self.on_bug(CHARGING, bug)
            if asked.waits:
                state.resume()
                self._deadlines.forget()
                return _PORT_FAILED
        return PENDING

    def settle_for(self, state: State) -> None:
        """Settle for a service that did not."""
        session, state.session = state.session, None
        if self.quota is not None and session is not None:
            try:
                self.quota.settle(session, None, None)
            except Exception as bug:  # noqa: BLE001 - whatever a port does wrong, this costs no other call
                self.on_bug(CHARGING, bug)

    # -- waiting -------------------------------------------------------------------------------------------

    def suspend(self, state: State, wait: int, due: float, now: float, *, soon: bool = False) -> None:
        """Have the coroutine wait, for what ``wait`` says, until ``due``; ``soon``: see `Journal.commit`."""
        state.wait = wait
        state.due = due
        self._deadlines.add(due, state, now)
        self.provider.wake_at(due)
        if state.journal is not None and state.answered:
            state.journal.journal.commit(state.journal, due, now, soon=soon)

    def resume(self, state: State, value: Any, now: float) -> None:
        """End the wait, and give the coroutine ``value``."""
        state.resume()
        self._deadlines.forget()
        self.step(state, value, now)

    def store_answered(self, state: State, result: Found) -> None:
        """Resume a service with the store's answer; called from the event loop."""
        now = self.clock()
        if self.admission is not None and not state.answered:
            self.admission.store_took(now - state.started)
        self.resume(state, result, now)
        self.provider.flush()

    def port_answered(self, state: State, answer: object) -> None:
        """Resume a service with the answer to its question; called from the event loop."""
        self.resume(state, answer, self.clock())
        self.provider.flush()

    def late_answer(self, wait: int) -> StoreFailure | ChargingFailure | LocateFailure | Report | bool:
        """Return what a service gets whose wait is over without an answer."""
        if wait == QUOTA:
            return _NO_ANSWER
        if wait == PLACE:
            return LocateFailure.TIMEOUT
        if wait == PASS:
            return True
        if wait == LOOKUP:
            if self.admission is not None:
                self.admission.store_took(self.store_deadline)
            return StoreFailure.TIMEOUT
        return TIMED_OUT


def _due(state: DialogueState) -> float:
    return state.due
