"""One line of text for an operation or another component: its name, and what an engineer looks for in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.simulator.expect import release_cause
from scp.simulator.resource import words_of
from ss7.address import CalledPartyBCDNumber
from ss7.cap.charging import TimeDurationCharging, decode_contained
from ss7.cap.codec import FAST
from ss7.cap.contexts import LATEST
from ss7.cap.errors import CapError
from ss7.cap.events import MessageType
from ss7.cap.operations import Opcode, operation_name
from ss7.cause import Cause
from ss7.errors import DecodeError
from ss7.isup import CalledPartyNumber, CallingPartyNumber, GenericDigits
from ss7.rose import PROBLEM_NAMES, Malformed, Reject, ReturnError, ReturnResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from ss7.cap.events import EventReportBCSMArg, RequestReportBCSMEventArg
    from ss7.cap.interaction import PlayAnnouncementArg, PromptAndCollectUserInformationArg
    from ss7.cap.types import (
        ApplyChargingArg,
        CallInformationReportArg,
        ConnectArg,
        InitialDPArg,
        ReleaseCallArg,
    )
    from ss7.rose import Component


def describe_operation(opcode: int, argument: Any, version: int) -> str:
    """Return an operation's name and the main contents of its argument.

    Args:
        opcode: CAP operation code.
        argument: decoded, of `ss7.cap.types`.
        version: CAP version, for octets inside the argument.
    """
    details = _DETAILS.get(opcode)
    name = operation_name(opcode)
    if details is None:
        return name
    try:
        return f"{name} {details(argument, version)}".rstrip()
    except DecodeError as error:
        return f"{name} ({error})"


def describe_component(component: Component) -> str:
    """Return what a component says that invokes no operation of CAP."""
    if isinstance(component, ReturnError):
        error = component.error
        name = CapError(error).name if isinstance(error, int) else error.hex()
        return f"error {name} to invocation {component.invoke_id}"
    if isinstance(component, ReturnResult):
        if component.opcode == Opcode.PROMPT_AND_COLLECT_USER_INFORMATION:
            return f"result of invocation {component.invoke_id}: digits {_collected(component.parameter)}"
        return f"result of invocation {component.invoke_id}"
    if isinstance(component, Reject):
        return f"reject {problem_name(component)}"
    if isinstance(component, Malformed):
        return f"malformed component: {component.reason}"
    return f"operation {component.opcode.hex() if isinstance(component.opcode, bytes) else component.opcode}"


def problem_name(reject: Reject) -> str:
    """Return the standard's name of a Reject's problem (Q.773 §4.2.2.6), or its numbers."""
    numbers = reject.problem_type, reject.problem
    return PROBLEM_NAMES.get(numbers) or f"problem {reject.problem} of type {reject.problem_type}"


def _initial_dp(argument: InitialDPArg, version: int) -> str:  # noqa: ARG001 - one signature for all
    if argument.called_party_bcd_number is not None:
        called = CalledPartyBCDNumber.decode(argument.called_party_bcd_number).digits
    elif argument.called_party_number is not None:
        called = CalledPartyNumber.decode(argument.called_party_number).digits
    else:
        called = "no number"
    calling = argument.calling_party_number
    caller = CallingPartyNumber.decode(calling).digits if calling is not None else "unknown"
    event = getattr(argument.event_type_bcsm, "identifier", "no event")
    return f"{event} {caller} → {called}, service key {argument.service_key}"


def _connect(argument: ConnectArg, version: int) -> str:  # noqa: ARG001
    number = CalledPartyNumber.decode(argument.destination_routing_address[0])
    return f"{number.digits}, nature {number.nature}"


def _release(argument: ReleaseCallArg, version: int) -> str:  # noqa: ARG001
    return f"cause {release_cause(argument)}"


def _armed(argument: RequestReportBCSMEventArg, version: int) -> str:  # noqa: ARG001
    armed: dict[str, dict[str, None]] = {}  # of each mode the events, once for both legs
    for event in argument.bcsm_events:
        name = str(getattr(event.event_type_bcsm, "identifier", event.event_type_bcsm))
        armed.setdefault(event.monitor_mode.identifier, {})[name] = None
    return "; ".join(f"{mode} {', '.join(events)}" for mode, events in armed.items())


def _event_report(argument: EventReportBCSMArg, version: int) -> str:  # noqa: ARG001
    event = getattr(argument.event_type_bcsm, "identifier", argument.event_type_bcsm)
    leg = argument.leg_id.value[0] if argument.leg_id is not None else "unknown"
    request = argument.misc_call_info.message_type is MessageType.REQUEST
    return f"{event} leg {leg}, {'request' if request else 'notification'}{_event_cause(argument)}"


def _event_cause(argument: EventReportBCSMArg) -> str:
    """Return ", cause N" where the event has one: failure, busy, disconnect."""
    specific = argument.event_specific_information_bcsm
    for name in ("failure_cause", "busy_cause", "release_cause"):
        octets = getattr(specific.value, name, None) if specific is not None else None
        if octets is not None:
            return f", cause {Cause.decode(octets).value}"
    return ""


def _charging_report(argument: bytes, version: int) -> str:
    result = decode_contained("CAMEL-CallResult", argument, version).value
    time = result.time_information.value
    how = "leg active" if result.leg_active else "final"
    if isinstance(time, int):
        return f"{time / 10:.1f} s, {how}"
    interval = f", {time.tariff_switch_interval / 10:.1f} s before it" if time.tariff_switch_interval else ""
    return f"{time.time_since_tariff_switch / 10:.1f} s since the tariff switch{interval}, {how}"


def _charging(argument: ApplyChargingArg, version: int) -> str:
    octets = argument.ach_billing_charging_characteristics
    time = decode_contained("CAMEL-AChBillingChargingCharacteristics", octets, version).value
    released = time.release_if_duration_exceeded or time.release_v2 is not None
    tone = time.tone or (time.release_v2 is not None and time.release_v2.tone) or _audible(time)
    switch = time.tariff_switch_interval
    return (
        f"{time.max_call_period_duration / 10:.1f} s"
        f"{', then release' if released else ''}{', with a tone' if tone else ''}"
        f"{f', tariff switch in {switch} s' if switch is not None else ''}"
    )


def _audible(time: TimeDurationCharging) -> bool:
    return time.audible_indicator.name == "burstList" or bool(time.audible_indicator.value)


def _announcement(argument: PlayAnnouncementArg | PromptAndCollectUserInformationArg, version: int) -> str:  # noqa: ARG001
    return words_of(argument.information_to_send)


def _resource_report(argument: Any, version: int) -> str:  # noqa: ARG001
    return "" if argument is True else str(argument.name)


def _collected(parameter: bytes) -> str:
    """Return the digits of PromptAndCollectUserInformation's result."""
    try:
        result = FAST.decode_result(int(Opcode.PROMPT_AND_COLLECT_USER_INFORMATION), parameter, LATEST)
        return GenericDigits.decode(result.value).digits
    except DecodeError as error:
        return str(error)


def _information_report(argument: CallInformationReportArg, version: int) -> str:  # noqa: ARG001
    values = [each.requested_information_value for each in argument.requested_information_list]
    times = [value.value / 10 for value in values if value.name == "callConnectedElapsedTimeValue"]
    connected = "".join(f", {seconds:.1f} s connected" for seconds in times)
    return f"leg {argument.leg_id.value[0]}{connected}"


_DETAILS: Final[dict[int, Callable[[Any, int], str]]] = {
    Opcode.INITIAL_DP: _initial_dp,
    Opcode.CONNECT: _connect,
    Opcode.RELEASE_CALL: _release,
    Opcode.REQUEST_REPORT_BCSM_EVENT: _armed,
    Opcode.RESET_TIMER: lambda argument, _: f"{argument.timervalue} s",
    Opcode.EVENT_REPORT_BCSM: _event_report,
    Opcode.APPLY_CHARGING: _charging,
    Opcode.APPLY_CHARGING_REPORT: _charging_report,
    Opcode.PLAY_ANNOUNCEMENT: _announcement,
    Opcode.PROMPT_AND_COLLECT_USER_INFORMATION: _announcement,
    Opcode.SPECIALIZED_RESOURCE_REPORT: _resource_report,
    Opcode.CALL_INFORMATION_REPORT: _information_report,
}
