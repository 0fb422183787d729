"""Rescue: connects a call to the VoIP side, and to the subscriber's own line if that fails.

The gsmSCF stays in control of the call as `scp.services.call_control.TABLE` says. The subscriber's line is
the called number again, with redirection data that name it: where the switch asks for that number anew, its
InitialDP goes on (`diverted-back`), so the call can't loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from scp.domain.call import Trigger
from scp.services.api import NextReport
from scp.services.call_control import TABLE, Action, Phase, armed, event_of
from scp.services.call_progress import cause_in
from scp.services.idp import NATURE_TO_Q763
from ss7.cap.operations import Opcode
from ss7.cap.types import ConnectArg, EventReportBCSMArg, EventTypeBCSM, InitialDPArg
from ss7.cause import CauseValue
from ss7.errors import DecodeError
from ss7.isup import (
    CalledPartyNumber,
    NumberingPlan,
    OriginalCalledNumber,
    RedirectingIndicator,
    RedirectingReason,
    RedirectionInformation,
)

if TYPE_CHECKING:
    from scp.domain.call import CallFacts
    from scp.services.api import Call, Report
    from ss7.cap.types import RequestReportBCSMEventArg

MOST_REDIRECTIONS: Final = 5
"""Q.763 §3.45: the counter's greatest value."""
_UNREACHABLE: Final = frozenset({CauseValue.NO_ROUTE_TO_DESTINATION, CauseValue.SUBSCRIBER_ABSENT})
_NO_ANSWERS: Final = frozenset({EventTypeBCSM.O_NO_ANSWER, EventTypeBCSM.T_NO_ANSWER})


class RescueState(Struct, frozen=True, array_like=True, gc=False):
    """What another node needs to go on with a call: its phase, and why the VoIP side failed, if it did."""

    phase: Phase
    reason: int = 0


class Patience(NamedTuple):
    """How long a controlled call waits.

    Attributes:
        no_answer: seconds that a party may ring, 1 to 2047.
        quiet: seconds without a report after which the switch is asked whether the call is still there.
    """

    no_answer: int
    quiet: float


async def connect_and_rescue(call: Call, facts: CallFacts, connect: ConnectArg, patience: Patience) -> None:
    """Connect the call to the VoIP side and control it until it is over.

    Args:
        call: the dialogue; its decision is told.
        facts: of the call.
        connect: to the VoIP side.
        patience: how long it waits.
    """
    call.invoke(Opcode.REQUEST_REPORT_BCSM_EVENT, _armed(facts, patience))
    call.invoke(Opcode.CONNECT, connect)
    state = RescueState(Phase.VOIP)
    call.keep(state)
    await control(call, facts, connect, patience, state)


async def control(
    call: Call, facts: CallFacts, connect: ConnectArg, patience: Patience, state: RescueState
) -> None:
    """Control a call from a state on until it is over; arguments as for `connect_and_rescue`."""
    events = _armed(facts, patience)
    phase = state.phase
    target: ConnectArg | None = connect
    if phase is Phase.RESCUE:
        target = line(call.idp, facts, RedirectingReason(state.reason))
    while phase is not Phase.OVER:
        report = await NextReport(patience.quiet)
        event = event_of(report)
        row = None if event is None else TABLE.get((phase, event))
        if row is None:
            continue
        phase = row.next
        if row.action is Action.RESCUE:
            state = RescueState(phase, _reason(report))
            target = line(call.idp, facts, RedirectingReason(state.reason))
            call.invoke(Opcode.REQUEST_REPORT_BCSM_EVENT, events)
            call.invoke(Opcode.CONNECT, target)
        elif row.action is Action.CONNECT:
            call.invoke(Opcode.CONNECT, target)
        elif row.action is Action.GO_ON:
            call.invoke(Opcode.CONTINUE)
        elif row.action is Action.TEST:
            call.invoke(Opcode.ACTIVITY_TEST)
        if phase is Phase.TALKING:
            target = None  # a call is talked in for minutes
        if phase is not state.phase or row.action is Action.RESCUE:
            state = RescueState(phase, state.reason)
            call.keep(state)


def _armed(facts: CallFacts, patience: Patience) -> RequestReportBCSMEventArg:
    return armed(terminating=facts.trigger is Trigger.TERMINATING, no_answer=patience.no_answer)


def line(idp: InitialDPArg, facts: CallFacts, reason: RedirectingReason) -> ConnectArg:
    """Return the Connect to the subscriber's own line.

    Args:
        idp: the request.
        facts: of the call: the called number.
        reason: why the VoIP side failed.
    """
    nature = NATURE_TO_Q763[facts.nature]
    called = CalledPartyNumber(facts.digits, nature, NumberingPlan.ISDN, inn=False)
    subscriber = OriginalCalledNumber(facts.digits, nature, NumberingPlan.ISDN).encode()
    return ConnectArg(
        (called.encode(),),
        original_called_party_id=idp.original_called_party_id or subscriber,
        redirecting_party_id=subscriber,
        redirection_information=_redirected(idp.redirection_information, reason),
    )


def _redirected(before: bytes | None, reason: RedirectingReason) -> bytes:
    """Return the redirection information with one more redirection (Q.763 §3.45)."""
    first, counter = reason, 0
    if before is not None:
        try:
            known = RedirectionInformation.decode(before)
        except DecodeError:
            known = None
        if known is not None:
            first, counter = RedirectingReason.UNKNOWN, max(known.counter, 0)
            if known.original_reason in set(RedirectingReason):
                first = RedirectingReason(known.original_reason)
    counter = min(counter + 1, MOST_REDIRECTIONS)
    return RedirectionInformation(RedirectingIndicator.DIVERTED, first, counter, reason).encode()


def _reason(report: Report) -> RedirectingReason:
    """Return why a call failed, as redirection information says it."""
    argument = report.argument
    if not isinstance(argument, EventReportBCSMArg):
        return RedirectingReason.UNKNOWN
    if argument.event_type_bcsm in _NO_ANSWERS:
        return RedirectingReason.NO_REPLY
    cause = cause_in(argument)
    if argument.event_type_bcsm == EventTypeBCSM.ROUTE_SELECT_FAILURE or cause in _UNREACHABLE:
        return RedirectingReason.MOBILE_NOT_REACHABLE
    return RedirectingReason.USER_BUSY
