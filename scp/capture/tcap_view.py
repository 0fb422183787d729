"""TCAP messages as JSON: dialogue portions, components, and CAP's arguments, results and error parameters.

What a CAP argument is depends on the CAP version. Where nothing says it, `try_versions` takes the one that
fits the octets best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from scp.capture.cap_version import MAP, MAP_BY_VERSION, OTHER, VERSIONS, map_version, version_of_portion
from ss7 import rose, tcap
from ss7.cap.codec import ALONE, FAST, UnusualError
from ss7.cap.contexts import BY_OCTETS, CAP_V1
from ss7.cap.errors import CapError
from ss7.cap.lenient import read_argument
from ss7.cap.operations import BY_OPCODE, operation_name
from ss7.cap.render import argument_to_json, error_to_json, result_to_json, user_information_to_json
from ss7.errors import DecodeError
from ss7.map import render as map_render
from ss7.map.codec import FAST as MAP_FAST
from ss7.map.contexts import BY_OCTETS as MAP_CONTEXTS
from ss7.map.errors import error_name
from ss7.map.operations import BY_OPCODE as MAP_OPERATIONS
from ss7.map.operations import operation_name as map_operation_name
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
    from collections.abc import Callable, Sequence

    from ss7.rose import Component
    from ss7.tcap_dialogue import DialoguePortion

JsonDict: TypeAlias = dict[str, Any]


def tcap_json(
    octets: bytes, version: int = 0, otherwise: int = 0, among: Sequence[int] = VERSIONS
) -> JsonDict:
    """Return a TCAP message and its components.

    Args:
        octets: the message.
        version: CAP version of its dialogue, `MAP` or `OTHER`, if the message has no context of its own.
        otherwise: what it is if that is 0, too; 0: of ``among`` the version that fits.
        among: CAP versions that it can have.
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
    version = version_of_portion(message.dialogue) or version or otherwise
    if not version and message.kind == tcap.BEGIN and message.dialogue is None:
        version = CAP_V1.version  # the only one without dialogue portion (GSM 09.78 §6.1)
    elif version == MAP and message.kind == tcap.BEGIN and message.dialogue is None:
        version = MAP_BY_VERSION[1]  # nor has MAP v1 (TS 29.002 §18.1.1)
    return {"tcap": shown, **components_json(message.components, version, among)}


def components_json(
    components: Sequence[Component], version: int, among: Sequence[int] = VERSIONS
) -> JsonDict:
    """Return components, and their CAP version where it was assumed and another would change them."""
    if version:
        return {"components": [component_json(each, version) for each in components]}
    tried = try_versions(components, among)
    shown: JsonDict = {"components": tried.shown}
    if not tried.matters:
        return shown
    return {"cap_version": tried.version, "cap_version_reason": tried.reason(), **shown}


class Tried(NamedTuple):
    """The CAP version that the octets of components fit.

    Attributes:
        version: the latest that fits; if none does, the one that leaves least undecoded.
        fitting: all that fit, the latest first.
        matters: whether they read differently in another version.
        shown: the components, by that version.
    """

    version: int
    fitting: tuple[int, ...]
    matters: bool
    shown: list[JsonDict]

    def reason(self) -> str:
        """Return why the version was taken, as a clause for people."""
        others = ", ".join(f"v{each}" for each in self.fitting if each != self.version)
        what = f"{others} would fit too" if others else "it alone fits" if self.fitting else "none fits"
        return f"assumed: {what}, and no application context was seen; --cap-version sets another"


def try_versions(components: Sequence[Component], among: Sequence[int] = VERSIONS) -> Tried:
    """Read components by each CAP version, and take the one that fits.

    Args:
        components: of one message whose dialogue's application context nobody has seen.
        among: versions to choose from, the latest first.
    """
    shown = {version: [component_json(each, version) for each in components] for version in VERSIONS}
    ranks = {version: _rank(components, shown[version], version) for version in among}
    best = min(ranks.values())
    fitting = tuple(version for version in among if ranks[version] == best)
    matters = any(each != shown[fitting[0]] for each in shown.values())
    return Tried(fitting[0], fitting if not best[0] else (), matters, shown[fitting[0]])


def _rank(components: Sequence[Component], shown: list[JsonDict], version: int) -> tuple[int, int]:
    """Return how much of components does not fit a version: what can't be decoded, what has unusual forms."""
    later = sum(_is_later(each, version) for each in components)
    return faults_in(shown) + later, sum(_is_unusual(each, version) for each in components)


def _is_later(component: Component, version: int) -> bool:
    """Whether a component is of an operation that a version does not have yet."""
    if not isinstance(component, (rose.Invoke, rose.ReturnResult)) or not isinstance(component.opcode, int):
        return False
    operation = BY_OPCODE.get(component.opcode)
    return operation is not None and operation.since > version


def _is_unusual(component: Component, version: int) -> bool:
    if not isinstance(component, rose.Invoke) or not isinstance(component.opcode, int):
        return False
    try:
        ALONE.decode_argument(component.opcode, component.parameter, version)
    except UnusualError:
        return True
    except DecodeError:
        pass
    return False


def faults_in(shown: Any) -> int:
    """Return how much of a message's JSON stands for octets that can't be decoded."""
    if isinstance(shown, dict):
        own = is_error(shown) or "note" in shown
        return own + sum(faults_in(item) for item in shown.values())
    return sum(faults_in(item) for item in shown) if isinstance(shown, list) else 0


def is_error(shown: JsonDict) -> bool:
    """Whether JSON stands for octets that a decoder refused, as `error_json` has it."""
    return "error" in shown and "offset" in shown


def error_json(error: DecodeError, octets: bytes) -> JsonDict:
    """Return what a decoder refused: why, where, by which clause, and the octets."""
    return {"error": error.reason, "offset": error.offset, "clause": error.clause, "octets": octets.hex()}


def dialogue_json(portion: DialoguePortion) -> JsonDict:
    """Return a dialogue portion, with the user information in it."""
    shown = _portion_json(portion)
    if isinstance(portion, (Aarq, Aare, Abrt, Audt)) and portion.user_information:
        shown["user_information"] = _decoded(portion.user_information, user_information_to_json)
    return shown


def _portion_json(portion: DialoguePortion) -> JsonDict:
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
    known = BY_OCTETS.get(context) or MAP_CONTEXTS.get(context)
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
    of_map = map_version(version)
    if of_map and opcode in MAP_OPERATIONS and isinstance(opcode, int):
        return shown | {"argument": _map_argument(opcode, component.parameter, of_map)}
    if version < 0 or not isinstance(opcode, int) or opcode not in BY_OPCODE:
        return shown | _octets(component.parameter)
    try:
        argument = argument_to_json(
            opcode, FAST.decode_argument(opcode, component.parameter, version), version
        )
    except DecodeError as error:
        return shown | _in_part(opcode, component.parameter, version, error)
    return shown if argument is None else shown | {"argument": argument}


def _map_argument(opcode: int, parameter: bytes, version: int) -> Any:
    return _decoded(
        parameter,
        lambda octets: map_render.argument_to_json(
            opcode, MAP_FAST.decode_argument(opcode, octets, version), version
        ),
    )


def _map_result(opcode: int, parameter: bytes, version: int) -> Any:
    return _decoded(
        parameter,
        lambda octets: map_render.result_to_json(
            opcode, MAP_FAST.decode_result(opcode, octets, version), version
        ),
    )


def _map_error(code: int, parameter: bytes, version: int) -> JsonDict:
    """Return a MAP error's name, and its parameter."""
    shown: JsonDict = {"error": error_name(code)}
    if parameter:
        shown["parameter"] = _decoded(
            parameter,
            lambda octets: map_render.error_to_json(
                code, MAP_FAST.decode_error(code, octets, version), version
            ),
        )
    return shown


def _in_part(opcode: int, parameter: bytes, version: int, error: DecodeError) -> JsonDict:
    """Return what can be read of an argument that the codecs refuse, and each fault in it."""
    value, faults = read_argument(opcode, parameter, version, partial=True)
    argument = None if value is None else argument_to_json(opcode, value, version)
    if not argument or not faults:
        return {"argument": error_json(error, parameter)}
    return {
        "argument": argument,
        "faults": [
            {
                "parameter": fault.parameter,
                "error": fault.reason,
                "offset": fault.offset,
                "clause": fault.clause,
            }
            for fault in faults
        ],
        "octets": parameter.hex(),
    }


def _octets(parameter: bytes) -> JsonDict:
    """Return the octets of a parameter of which nobody knows the type."""
    return {"parameter": parameter.hex()} if parameter else {}


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
    of_map = map_version(version)
    if of_map and opcode in MAP_OPERATIONS and isinstance(opcode, int):
        return shown | {"result": _map_result(opcode, component.parameter, of_map)}
    if version < 0 or not isinstance(opcode, int) or opcode not in BY_OPCODE:
        return shown | _octets(component.parameter)
    return shown | {
        "result": _decoded(
            component.parameter,
            lambda octets: result_to_json(opcode, FAST.decode_result(opcode, octets, version), version),
        )
    }


def _error(component: rose.ReturnError, version: int) -> JsonDict:
    code = component.error
    shown: JsonDict = {"type": "returnError", "invoke_id": component.invoke_id}
    if not isinstance(code, int):
        return shown | {"error_code": _oid(code)} | _octets(component.parameter)
    shown["error_code"] = code
    of_map = map_version(version)
    if of_map:
        return shown | _map_error(code, component.parameter, of_map)
    if version < 0:
        return shown | {"error": f"{_PREFIXES[version]}error-{code}"} | _octets(component.parameter)
    shown["error"] = CapError(code).name
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


_PREFIXES: Final = {OTHER: ""}
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
    of_map = map_version(version)
    if of_map:
        return {"opcode": code, "operation": map_operation_name(code, of_map)}
    name = operation_name(code) if version > 0 else f"{_PREFIXES[version] or 'operation-'}{code}"
    return {"opcode": code, "operation": name}


def _decoded(octets: bytes, show: Callable[[bytes], Any]) -> Any:
    """Return what octets decode to, or why they don't."""
    try:
        return show(octets)
    except DecodeError as error:
        return error_json(error, octets)
