"""Messages as JSON: what ``decode --json`` prints, and what trees, lines and reports are made of."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from scp.capture.cap_version import MAP, subsystem, unsaid_version, version_of
from scp.capture.wire.values import ADAPTATION_NAMES
from ss7 import m3ua, rose, tcap
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_OCTETS, LATEST
from ss7.cap.errors import CapError
from ss7.cap.operations import BY_OPCODE, operation_name
from ss7.cap.render import argument_to_json, error_to_json, generic_to_json
from ss7.errors import DecodeError
from ss7.m3ua_parameters import PARAMETERS
from ss7.pointcode import format_point_code
from ss7.scmg import Management
from ss7.tcap import KIND_NAMES, P_ABORT_NAMES
from ss7.tcap_dialogue import (
    Aare,
    Aarq,
    Abrt,
    Audt,
    External,
    MalformedDialogue,
    oid_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.capture.wire.messages import Message
    from scp.capture.wire.values import Fault, Way
    from ss7.rose import Component
    from ss7.tcap_dialogue import DialoguePortion

JsonDict = dict[str, Any]

NETWORK_INDICATORS: Final = ("international", "spare", "national", "reserved")
_MANAGEMENT: Final = 1


def at(time: float) -> str:
    """Return a capture's time as people and JSON have it, in UTC with microseconds."""
    try:
        return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")
    except (OverflowError, ValueError, OSError):
        return f"{time:.6f}"


def host(address: bytes) -> str:
    """Return an IP address; "" for none."""
    return str(ipaddress.ip_address(address)) if len(address) in {4, 16} else ""


def socket(address: bytes, port: int) -> str:
    """Return address and port."""
    text = host(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}" if port >= 0 else text


def way_json(way: Way) -> JsonDict:
    """Return between whom a message went; nothing for a capture without IP."""
    if way.source_port < 0 and not way.source:
        return {}
    return {
        "source": socket(way.source, way.source_port),
        "destination": socket(way.destination, way.destination_port),
    }


def message_json(message: Message, version: int = 0) -> JsonDict:
    """Return a message of a capture with every layer that it has.

    Args:
        message: what was read.
        version: CAP version of its dialogue, where that is known; 0: what the message itself says.
    """
    signal = message.signal
    shown: JsonDict = {"frame": signal.frame, "time": at(signal.time), **way_json(signal.way)}
    if signal.stream >= 0:
        shown["stream"] = signal.stream
    name = ADAPTATION_NAMES[signal.adaptation]
    if message.management is not None:
        shown["m3ua"] = management_json(message.management)
    elif message.data is not None and name != "sccp":
        shown[name] = data_json(message.data)
    if message.unit is not None:
        shown["sccp"] = message.unit.as_dict()
    if message.tcap and message.unit is not None:
        shown |= user_json(message.tcap, message.unit, version)
    return shown


def data_json(data: m3ua.Data) -> JsonDict:
    """Return the routing label of an MTP3 user message."""
    shown: JsonDict = {
        "type": "DATA",
        "opc": format_point_code(data.opc),
        "dpc": format_point_code(data.dpc),
        "si": data.si,
        "ni": NETWORK_INDICATORS[data.ni] if 0 <= data.ni < 4 else data.ni,
        "mp": data.mp,
        "sls": data.sls,
    }
    optional = {
        "routing_context": data.routing_context,
        "network_appearance": data.network_appearance,
        "correlation_id": data.correlation_id,
    }
    return shown | {name: value for name, value in optional.items() if value >= 0}


def management_json(message: m3ua.Message) -> JsonDict:
    """Return an M3UA message that is no DATA: its name and its parameters by theirs."""
    shown: JsonDict = {"type": message.name}
    for tag, value in message.params.items():
        shown[PARAMETERS[tag].name.lower().replace(" ", "_")] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def user_json(octets: bytes, unit: Any, version: int) -> JsonDict:
    """Return what an SCCP message carries: SCCP management, or TCAP."""
    if subsystem(unit.called_raw, unit) == _MANAGEMENT:
        try:
            return {"scmg": Management.decode(octets).as_dict()}
        except DecodeError as error:
            return {"scmg": error_json(error, octets)}
    return tcap_json(octets, version, unsaid_version(unit))


def error_json(error: DecodeError, octets: bytes) -> JsonDict:
    """Return what a decoder refused: why, where, by which clause, and the octets."""
    return {"error": error.reason, "offset": error.offset, "clause": error.clause, "octets": octets.hex()}


def fault_json(fault: Fault) -> JsonDict:
    """Return a fault of a capture."""
    return {
        "frame": fault.frame,
        "time": at(fault.time),
        "fault": {
            "layer": fault.layer,
            "reason": fault.reason,
            "offset": fault.offset,
            "clause": fault.clause,
            "octets": fault.octets.hex(),
        },
    }


# -- TCAP ------------------------------------------------------------------------------------------------


def tcap_json(octets: bytes, version: int = 0, otherwise: int = LATEST) -> JsonDict:
    """Return a TCAP message and its components.

    Args:
        octets: the message.
        version: CAP version of its dialogue, or `MAP`; 0: what the message itself says.
        otherwise: what it is if it does not say it.
    """
    try:
        message = tcap.decode(octets)
    except DecodeError as error:
        return {"tcap": error_json(error, octets)}
    shown: JsonDict = {"type": KIND_NAMES[message.kind]}
    if message.otid:
        shown["otid"] = message.otid.hex()
    if message.dtid:
        shown["dtid"] = message.dtid.hex()
    if message.dialogue is not None:
        shown |= dialogue_json(message.dialogue)
    if message.p_abort_cause >= 0:
        shown["p_abort_cause"] = P_ABORT_NAMES.get(message.p_abort_cause, message.p_abort_cause)
    version = version or version_of(message, otherwise)
    return {"tcap": shown, "components": [component_json(each, version) for each in message.components]}


def dialogue_json(portion: DialoguePortion) -> JsonDict:
    """Return a dialogue portion."""
    if isinstance(portion, (Aarq, Audt)):
        return {"dialogue": type(portion).__name__.upper(), **_context_json(portion.context)}
    if isinstance(portion, Aare):
        return {
            "dialogue": "AARE",
            **_context_json(portion.context),
            "result": "accepted" if portion.result == 0 else "reject-permanent",
            "diagnostic": _DIAGNOSTICS.get((portion.source, portion.diagnostic), portion.diagnostic),
        }
    if isinstance(portion, Abrt):
        return {"dialogue": "ABRT", "abort_source": "provider" if portion.source else "user"}
    if isinstance(portion, External):
        return {"dialogue": "EXTERNAL", "reference": _oid(portion.reference), "octets": portion.octets.hex()}
    assert isinstance(portion, MalformedDialogue)
    return {
        "dialogue": "malformed",
        "error": portion.reason,
        "offset": portion.offset,
        "clause": "Q.773 §4.2.3",
    }


_DIAGNOSTICS: Final = {
    (1, 0): "null",
    (1, 1): "no-reason-given",
    (1, 2): "application-context-name-not-supported",
    (2, 0): "null",
    (2, 1): "no-reason-given",
    (2, 2): "no-common-dialogue-portion",
}


def _context_json(context: bytes) -> JsonDict:
    known = BY_OCTETS.get(context)
    shown: JsonDict = {"application_context": known.text if known is not None else _oid(context)}
    return shown if known is None else shown | {"application_context_name": known.name}


def _oid(octets: bytes) -> str:
    try:
        return oid_text(octets)
    except DecodeError:
        return octets.hex()


# -- components ------------------------------------------------------------------------------------------


def component_json(component: Component, version: int) -> JsonDict:
    """Return a component with its argument, result or error parameter decoded for a CAP version."""
    return _COMPONENTS[type(component)](component, version)


def _invoke(component: rose.Invoke, version: int) -> JsonDict:
    shown: JsonDict = {"type": "invoke", "invoke_id": component.invoke_id}
    if component.linked_id is not None:
        shown["linked_id"] = component.linked_id
    shown |= _operation(component.opcode, version)
    opcode = component.opcode
    if version != MAP and isinstance(opcode, int) and opcode in BY_OPCODE:
        argument = _decoded(
            component.parameter,
            lambda octets: argument_to_json(opcode, FAST.decode_argument(opcode, octets, version), version),
        )
        return shown if argument is None else shown | {"argument": argument}
    return shown | ({"parameter": component.parameter.hex()} if component.parameter else {})


def _result(component: rose.ReturnResult, version: int) -> JsonDict:
    shown: JsonDict = {
        "type": "returnResultLast" if component.last else "returnResultNotLast",
        "invoke_id": component.invoke_id,
    }
    opcode = component.opcode
    if opcode is None:
        return shown
    shown |= _operation(opcode, version)
    if not component.parameter:
        return shown
    if version == MAP or not isinstance(opcode, int):
        return shown | {"parameter": component.parameter.hex()}
    return shown | {
        "result": _decoded(
            component.parameter, lambda octets: generic_to_json(FAST.decode_result(opcode, octets, version))
        )
    }


def _error(component: rose.ReturnError, version: int) -> JsonDict:
    code = component.error
    shown: JsonDict = {"type": "returnError", "invoke_id": component.invoke_id}
    if not isinstance(code, int):
        return shown | {"error_code": _oid(code)}
    if version == MAP:
        shown |= {"error_code": code, "error": f"map-error-{code}"}
        return shown | ({"parameter": component.parameter.hex()} if component.parameter else {})
    shown |= {"error_code": code, "error": CapError(code).name}
    if component.parameter:
        shown["parameter"] = _decoded(
            component.parameter, lambda octets: error_to_json(code, FAST.decode_error(code, octets, version))
        )
    return shown


def _reject(component: rose.Reject, version: int) -> JsonDict:  # noqa: ARG001 - as the others
    problem = (component.problem_type, component.problem)
    return {
        "type": "reject",
        "invoke_id": component.invoke_id,
        "problem_type": _PROBLEM_TYPES.get(component.problem_type, component.problem_type),
        "problem": rose.PROBLEM_NAMES.get(problem, component.problem),
    }


def _malformed(component: rose.Malformed, version: int) -> JsonDict:  # noqa: ARG001 - as the others
    return {
        "type": "malformed",
        "invoke_id": component.invoke_id,
        "error": component.reason,
        "offset": component.offset,
        "clause": "Q.773 §4.2.2",
    }


_PROBLEM_TYPES: Final = {0: "general", 1: "invoke", 2: "returnResult", 3: "returnError"}
_COMPONENTS: Final[dict[type, Callable[[Any, int], JsonDict]]] = {
    rose.Invoke: _invoke,
    rose.ReturnResult: _result,
    rose.ReturnError: _error,
    rose.Reject: _reject,
    rose.Malformed: _malformed,
}


def _operation(code: int | bytes, version: int) -> JsonDict:
    if not isinstance(code, int):
        return {"opcode": _oid(code), "operation": "global"}
    return {"opcode": code, "operation": f"map-{code}" if version == MAP else operation_name(code)}


def _decoded(octets: bytes, show: Callable[[bytes], Any]) -> Any:
    """Return what octets decode to, or why they don't."""
    try:
        return show(octets)
    except DecodeError as error:
        return error_json(error, octets)
