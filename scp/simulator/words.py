"""One line for an operation or report: its name and what an engineer looks for in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.simulator.vocabulary import Answered, ChargingReport, EventReport, InformationReport, Refused
from ss7.address import CalledPartyBCDNumber
from ss7.cap.errors import CapError
from ss7.cap.operations import Opcode, operation_name
from ss7.cause import Cause
from ss7.errors import DecodeError
from ss7.isup import CalledPartyNumber, CallingPartyNumber
from ss7.rose import Malformed, Reject, ReturnError, ReturnResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.simulator.vocabulary import Sending
    from ss7.rose import Component


def component_words(opcode: int, argument: Any) -> str:
    """Return an operation's name and what matters of its argument."""
    describe = _DETAILS.get(opcode)
    name = operation_name(opcode)
    if describe is None:
        return name
    try:
        return f"{name} {describe(argument)}"
    except DecodeError as error:
        return f"{name} ({error})"


def answer_words(component: Component) -> str:
    """Return what a component says that is no operation that CAP has."""
    if isinstance(component, ReturnError):
        error = component.error
        name = CapError(error).name if isinstance(error, int) else error.hex()
        return f"error {name} to invocation {component.invoke_id}"
    if isinstance(component, ReturnResult):
        return f"result of invocation {component.invoke_id}"
    if isinstance(component, Reject):
        return f"reject, problem {component.problem} of type {component.problem_type}"
    if isinstance(component, Malformed):
        return f"malformed component: {component.reason}"
    return f"operation {component.opcode.hex() if isinstance(component.opcode, bytes) else component.opcode}"


def sending_words(report: Sending) -> str:
    """Return what the gsmSSF sends."""
    if isinstance(report, EventReport):
        asks = "request" if report.interrupted else "notification"
        cause = f", cause {report.cause}" if report.cause >= 0 else ""
        return f"eventReportBCSM {report.event.identifier} leg {report.leg}, {asks}{cause}"
    if isinstance(report, ChargingReport):
        state = "leg active" if report.active else "final"
        return f"applyChargingReport {report.elapsed:.1f} s, {state}"
    if isinstance(report, InformationReport):
        return f"callInformationReport leg {report.leg}, {report.connected:.1f} s connected"
    if isinstance(report, Answered):
        return f"result of invocation {report.invoke_id}"
    assert isinstance(report, Refused)
    return f"error {CapError(report.code).name} to invocation {report.invoke_id}"


def _initial_dp(argument: Any) -> str:
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


def _connect(argument: Any) -> str:
    number = CalledPartyNumber.decode(argument.destination_routing_address[0])
    return f"{number.digits}, nature {number.nature}"


def _release(argument: Any) -> str:
    return f"cause {Cause.decode(getattr(argument, 'all_call_segments', argument)).value}"


def _events(argument: Any) -> str:
    armed = [(event.event_type_bcsm, event.monitor_mode.identifier) for event in argument.bcsm_events]
    return ", ".join(f"{getattr(event, 'identifier', event)} {mode}" for event, mode in armed)


_DETAILS: Final[dict[int, Callable[[Any], str]]] = {
    Opcode.INITIAL_DP: _initial_dp,
    Opcode.CONNECT: _connect,
    Opcode.RELEASE_CALL: _release,
    Opcode.REQUEST_REPORT_BCSM_EVENT: _events,
    Opcode.RESET_TIMER: lambda argument: f"{argument.timervalue} s",
}
