"""Announcements to the caller of a suspended call, and digits from them: for services to await.

The switch plays them by a gsmSRF of its own: ConnectToResource, PlayAnnouncement (or
PromptAndCollectUserInformation), and its report or result. Then DisconnectForwardConnection is in the outbox
ahead of what the service says: the gsmSRF may not leave by itself (disconnectFromIPForbidden), since whether
it does so after an error is not said anywhere, and one order too many has the rest of a message discarded
(TS 29.078 §14.1.1.2). A switch that has no gsmSRF says so by an error, and the call goes on without.

An announcement with an external gsmSRF (`Announcement.srf`) is reached by EstablishTemporaryConnection: the
switch connects the caller to it, and it asks by AssistRequestInstructions, in a dialogue of its own, what to
play (§11.4, §11.17). The correlation id that both have tells which call it is for; what it reports comes as
if the switch had said it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scp.domain.outcome import Action, Decision
from scp.services.api import NextReport, Release, Report, ReportKind
from scp.services.charging_policy import denial
from ss7.cap.interaction import (
    CollectedDigits,
    CollectedInfo,
    ConnectToResourceArg,
    EstablishTemporaryConnectionArg,
    InbandInfo,
    InformationToSend,
    MessageID,
    PlayAnnouncementArg,
    PromptAndCollectUserInformationArg,
    ReceivedInformationArg,
    ResourceAddress,
    SpecializedResourceReportArg,
)
from ss7.cap.operations import Opcode
from ss7.errors import DecodeError
from ss7.isup import EncodingScheme, GenericDigits, GenericNumber, NatureOfAddress

if TYPE_CHECKING:
    from scp.domain.announcement import Announcement
    from scp.domain.reason import Reason
    from scp.services.api import Call
    from scp.services.charging_policy import ChargingPolicy
    from scp.services.held_call import Plan

__all__ = ["ANNOUNCES_SINCE", "Collected", "Heard", "announce", "collect", "deny", "put_through"]

ANNOUNCES_SINCE: Final = 2
"""The CAP version that has ConnectToResource."""
_CONNECT: Final = ConnectToResourceArg(ResourceAddress("none", True))
_REACHING: Final = (Opcode.CONNECT_TO_RESOURCE, Opcode.ESTABLISH_TEMPORARY_CONNECTION)
_ADDITIONAL_NUMBER: Final = 1  # Q.763 §3.26: additional called number
_REFUSED: Final = frozenset({ReportKind.ERROR, ReportKind.REJECT})
_RELEASED: Final = frozenset({ReportKind.END, ReportKind.ABORT})


class Heard(Enum):
    """What became of an announcement."""

    ALL = "heard"  # to its end
    NOT = "not heard"  # the switch can't, or did not in time: the call waits for instructions all the same
    OVER = "over"  # the dialogue is over, or somebody has the call released: there is no more to do


class Collected(NamedTuple):
    """What came of a prompt; ``digits`` "" where the caller keyed in none, or too few."""

    heard: Heard
    digits: str = ""


async def announce(call: Call, announcement: Announcement) -> Heard:
    """Have the caller hear an announcement; what is in the outbox leaves with it.

    The call has to be suspended (it is until the first Connect or Continue), and stays so.
    """
    if call.context.version < ANNOUNCES_SINCE:
        return Heard.NOT
    argument = PlayAnnouncementArg(_information(announcement))
    if not _reached(call, announcement, Opcode.PLAY_ANNOUNCEMENT, argument):
        return Heard.NOT
    report = await _answer(call, announcement, Opcode.PLAY_ANNOUNCEMENT)
    return _heard(call, report)


async def collect(call: Call, prompt: Announcement, least: int, most: int) -> Collected:
    """Have the caller hear a prompt, and return what they key in; otherwise like `announce`.

    Args:
        call: the call.
        prompt: what they hear; they need not wait for its end.
        least: how many digits at least, 1 to 30.
        most: how many end the input, 1 to 30.
    """
    if call.context.version < ANNOUNCES_SINCE:
        return Collected(Heard.NOT)
    argument = PromptAndCollectUserInformationArg(
        CollectedInfo("collectedDigits", CollectedDigits(most, least)),
        information_to_send=_information(prompt),
    )
    if not _reached(call, prompt, Opcode.PROMPT_AND_COLLECT_USER_INFORMATION, argument):
        return Collected(Heard.NOT)
    report = await _answer(call, prompt, Opcode.PROMPT_AND_COLLECT_USER_INFORMATION)
    heard = _heard(call, report)
    received = report.argument
    if heard is not Heard.ALL or not isinstance(received, ReceivedInformationArg):
        return Collected(heard)
    try:
        return Collected(heard, GenericDigits.decode(received.value).digits)
    except DecodeError:
        return Collected(heard)


async def deny(call: Call, plan: Plan, policy: ChargingPolicy, reason: Reason) -> None:
    """Release a call that is not to be connected, once the caller has heard why."""
    call.decided(Decision(Action.RELEASE, reason))
    cause = policy.denial_cause
    if plan.denied is not None:
        if await announce(call, plan.denied) is Heard.OVER:
            return
        cause = plan.denied.cause or cause
    call.invoke(Opcode.RELEASE_CALL, denial(cause))


async def put_through(call: Call, plan: Plan) -> Heard:
    """Have the caller hear that the call is being put through, if they are to."""
    return Heard.NOT if plan.connecting is None else await announce(call, plan.connecting)


def _reached(call: Call, announcement: Announcement, opcode: Opcode, argument: Any) -> bool:
    """Have the caller connected to what plays; False: nothing can, and nothing is in the outbox."""
    if not announcement.srf:
        call.invoke(Opcode.CONNECT_TO_RESOURCE, _CONNECT)
        call.invoke(opcode, argument)
        return True
    correlation = call.assist(opcode, argument, call.now + announcement.patience_s)
    if not correlation:
        return False
    scheme = EncodingScheme.BCD_ODD if len(correlation) & 1 else EncodingScheme.BCD_EVEN
    temporary = EstablishTemporaryConnectionArg(
        GenericNumber(_ADDITIONAL_NUMBER, announcement.srf, NatureOfAddress.INTERNATIONAL).encode(),
        GenericDigits(0, scheme, correlation).encode(),
    )
    call.invoke(Opcode.ESTABLISH_TEMPORARY_CONNECTION, temporary)
    return True


def _information(announcement: Announcement) -> InformationToSend:
    """Return the message; an interval goes with repetitions only (TS 29.078 §11.23.1.1)."""
    repeats = announcement.repetitions > 1
    return InformationToSend(
        "inbandInfo",
        InbandInfo(
            MessageID("elementaryMessageID", announcement.id),
            announcement.repetitions,
            announcement.duration_s,
            announcement.interval_s if repeats else None,
        ),
    )


async def _answer(call: Call, announcement: Announcement, opcode: Opcode) -> Report:
    """Return the report that ends the wait for an announcement or prompt."""
    until = call.now + announcement.patience_s
    while True:
        report = await NextReport(until=until)
        if report.kind in _RELEASED or report.kind is ReportKind.TOLD:
            return report
        if report.kind is ReportKind.INVOKE:
            if report.opcode == Opcode.SPECIALIZED_RESOURCE_REPORT and _complete(report):
                return report
        elif report.kind is ReportKind.TIMEOUT or report.opcode in (*_REACHING, opcode):
            return report


def _complete(report: Report) -> bool:
    """Whether a SpecializedResourceReport tells of the end: before CAP v4 it always does."""
    told = report.argument
    return not isinstance(told, SpecializedResourceReportArg) or told.name != "firstAnnouncementStarted"


def _heard(call: Call, report: Report) -> Heard:
    """Return what a report means, and have the call wait for instructions where it doesn't (§11.13.2.1)."""
    kind = report.kind
    if kind in _RELEASED:
        return Heard.OVER
    if report.opcode in _REACHING and kind in _REFUSED:
        return Heard.NOT  # and what followed it was discarded
    call.invoke(Opcode.DISCONNECT_FORWARD_CONNECTION)
    if kind is ReportKind.INVOKE or kind is ReportKind.RESULT:
        return Heard.ALL
    if kind is ReportKind.TOLD:
        told = report.argument
        assert isinstance(told, Release)
        call.invoke(Opcode.RELEASE_CALL, told.cause)
        return Heard.OVER
    return Heard.NOT
