"""TCAP messages through pycrate (Q.773): `ss7.tcap.TcapCodec` for ``codec = "reference"``.

pycrate says what is in a good message. What to answer to a bad one (which P-Abort cause, which problem of
which component) it can't say, so bad messages are classified by `ss7.tcap`, and so are the forms that
pycrate has no octets for: user information, and dialogue portions in a user's own syntax. Not for two
threads at once.
"""

from __future__ import annotations

from typing import Any, Final, final

from pycrate_asn1dir import TCAP_RAW
from pycrate_asn1rt.asnobj import logger
from pycrate_asn1rt.err import PycrateErr

from ss7 import tcap
from ss7.ber import encode_element, read_element
from ss7.errors import EncodeError
from ss7.tcap import (
    Aare,
    Aarq,
    Abrt,
    Audt,
    Component,
    DialoguePortion,
    Invoke,
    Malformed,
    Message,
    Reject,
    ReturnError,
    ReturnResult,
    oid_octets,
    oid_text,
)
from ss7.tcap_dialogue import (
    DIALOGUE_AS,
    SERVICE_PROVIDER,
    SERVICE_USER,
    UNIDIALOGUE_AS,
    VERSION_1,
    External,
    MalformedDialogue,
)

logger.setLevel("CRITICAL")  # else every bad message writes a line; who uses this counts them

_MESSAGE: Final = TCAP_RAW.TCAP_Messages.TCAP_Message
REFUSALS: Final = (
    PycrateErr,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,  # its message for a tag of many octets names a variable that is not there
    RecursionError,
    TypeError,
    ValueError,
)
"""What pycrate raises for octets or values that do not fit: its own error, and what its code runs into."""
_KINDS: Final = {name: kind for kind, name in tcap.KIND_NAMES.items()}
_PROBLEMS: Final = ("general", "invoke", "returnResult", "returnError")
_SOURCES: Final = {"dialogue-service-user": SERVICE_USER, "dialogue-service-provider": SERVICE_PROVIDER}


class UnrepresentableError(Exception):
    """Something that pycrate's values don't hold, or pycrate refuses."""


def _oid(arcs: tuple[int, ...]) -> bytes:
    return oid_octets(".".join(map(str, arcs)))


def _arcs(octets: bytes) -> tuple[int, ...]:
    return tuple(map(int, oid_text(octets).split(".")))


def _parameter(value: tuple[str, bytes] | None) -> bytes:
    """Return the whole element of an open type, which pycrate names ``_unk_<class><form><number>``."""
    if value is None:
        return b""
    name, contents = value
    if not name.startswith("_unk_"):
        raise UnrepresentableError(name)
    first = int(name[5]) << 6 | int(name[6]) << 5
    number = int(name[7:])
    if number < 0x1F:
        tag = bytes((first | number,))
    elif number < 0x80:
        tag = bytes((first | 0x1F, number))
    else:
        raise UnrepresentableError(name)
    return encode_element(int.from_bytes(tag, "big"), contents)


def _open(parameter: bytes) -> tuple[str, bytes]:
    """Return pycrate's value of a whole element."""
    tag, start, stop, after = read_element(parameter, 0, len(parameter))
    if after != len(parameter):
        raise UnrepresentableError("no single element")
    first = tag if tag <= 0xFF else tag >> 8
    number = tag & 0x1F if tag <= 0xFF else tag & 0x7F
    if tag > 0xFFFF:
        raise UnrepresentableError("tag number of 128 or more")
    return f"_unk_{first >> 6}{first >> 5 & 1}{number}", parameter[start:stop]


def _code(value: tuple[str, Any]) -> int | bytes:
    kind, code = value
    return int(code) if kind == "local" else _oid(code)


def _code_value(code: int | bytes) -> tuple[str, Any]:
    return ("local", code) if isinstance(code, int) else ("global", _arcs(code))


def _invoke_id(value: tuple[str, int]) -> int | None:
    return value[1] if value[0] == "present" else None


def _component(value: tuple[str, Any]) -> Component:
    """Return the component of pycrate's value."""
    outer, inner = value
    kind, fields = inner if outer == "basicROS" else ("returnResultNotLast", inner)
    invoke_id = _invoke_id(fields["invokeId"])
    if kind == "reject":
        name, problem = fields["problem"]
        return Reject(invoke_id, _PROBLEMS.index(name), problem)
    if invoke_id is None:
        raise UnrepresentableError("no invoke id")
    if kind == "invoke":
        linked = fields.get("linkedId")
        return Invoke(
            invoke_id,
            _code(fields["opcode"]),
            _parameter(fields.get("argument")),
            None if linked is None else _invoke_id(linked),
        )
    if kind == "returnError":
        return ReturnError(invoke_id, _code(fields["errcode"]), _parameter(fields.get("parameter")))
    result = fields.get("result")
    last = kind == "returnResult"
    if result is None:
        return ReturnResult(invoke_id, last=last)
    return ReturnResult(invoke_id, _code(result["opcode"]), _parameter(result["result"]), last)


def _component_value(component: Component) -> tuple[str, Any]:
    """Return pycrate's value of a component."""
    if isinstance(component, Malformed):
        raise EncodeError("a malformed component has no octets", "Q.773 §4.2.2")
    fields: dict[str, Any] = {
        "invokeId": ("absent", 0) if component.invoke_id is None else ("present", component.invoke_id)
    }
    if isinstance(component, Reject):
        fields["problem"] = (_PROBLEMS[component.problem_type], component.problem)
        return "basicROS", ("reject", fields)
    if isinstance(component, Invoke):
        if component.linked_id is not None:
            fields["linkedId"] = ("present", component.linked_id)
        fields["opcode"] = _code_value(component.opcode)
        if component.parameter:
            fields["argument"] = _open(component.parameter)
        return "basicROS", ("invoke", fields)
    if isinstance(component, ReturnError):
        fields["errcode"] = _code_value(component.error)
        if component.parameter:
            fields["parameter"] = _open(component.parameter)
        return "basicROS", ("returnError", fields)
    if component.opcode is not None:
        fields["result"] = {"opcode": _code_value(component.opcode), "result": _open(component.parameter)}
    return ("basicROS", ("returnResult", fields)) if component.last else ("returnResultNotLast", fields)


def _version(fields: dict[str, Any]) -> bytes:
    if "protocol-version" not in fields:
        return b""
    bits: int
    count: int
    bits, count = fields["protocol-version"]
    unused = -count % 8
    return bytes((unused,)) + (bits << unused).to_bytes((count + unused) // 8, "big")


def _dialogue(value: dict[str, Any] | None) -> DialoguePortion | None:
    """Return the dialogue portion of pycrate's value."""
    if value is None:
        return None
    encoding, content = value["encoding"]
    if encoding != "single-ASN1-type" or not isinstance(content[1], tuple):
        raise UnrepresentableError(encoding)
    kind, fields = content[1]
    if "user-information" in fields:
        raise UnrepresentableError("user information")
    if kind == "dialogueAbort":
        return Abrt(fields["abort-source"])
    context = _oid(fields["application-context-name"])
    if kind == "dialogueRequest":
        return Aarq(context, _version(fields))
    if kind == "unidialoguePDU":
        return Audt(context, _version(fields))
    source, diagnostic = fields["result-source-diagnostic"]
    return Aare(context, fields["result"], _SOURCES[source], diagnostic, _version(fields))


def _dialogue_value(dialogue: DialoguePortion) -> dict[str, Any]:
    """Return pycrate's value of a dialogue portion."""
    if isinstance(dialogue, (External, MalformedDialogue)) or dialogue.user_information:
        raise UnrepresentableError("user information")
    syntax = DIALOGUE_AS
    if isinstance(dialogue, Abrt):
        apdu: tuple[str, Any] = ("dialogueAbort", {"abort-source": dialogue.source})
    else:
        fields: dict[str, Any] = {"application-context-name": _arcs(dialogue.context)}
        if dialogue.version == VERSION_1:
            fields["protocol-version"] = (1, 1)
        elif dialogue.version:
            raise UnrepresentableError("protocol version")
        if isinstance(dialogue, Aare):
            source = next(name for name, code in _SOURCES.items() if code == dialogue.source)
            fields["result"] = dialogue.result
            fields["result-source-diagnostic"] = (source, dialogue.diagnostic)
            apdu = ("dialogueResponse", fields)
        elif isinstance(dialogue, Aarq):
            apdu = ("dialogueRequest", fields)
        else:
            raise UnrepresentableError(UNIDIALOGUE_AS.hex())
    return {"direct-reference": _arcs(syntax), "encoding": ("single-ASN1-type", ("DialoguePDU", apdu))}


def read(octets: bytes) -> Message:
    """Return the message as pycrate alone reads it.

    Raises:
        UnrepresentableError: pycrate refuses it, or its values don't hold it.
    """
    try:
        _MESSAGE.from_ber(octets)
        name, fields = _MESSAGE.get_val()
        kind = _KINDS[name]
        reason, cause = fields.get("reason", ("", None))
        portion = cause if reason == "u-abortCause" else fields.get("dialoguePortion")
        return Message(
            kind,
            fields.get("otid", b""),
            fields.get("dtid", b""),
            _dialogue(portion),
            [_component(item) for item in fields.get("components", ())],
            p_abort_cause=cause if reason == "p-abortCause" else -1,
        )
    except REFUSALS as error:
        raise UnrepresentableError(str(error)) from None


def write(message: Message) -> bytes:
    """Return the octets that pycrate alone writes.

    Raises:
        UnrepresentableError: pycrate refuses it, or its values don't hold it.
    """
    fields: dict[str, Any] = {}
    if message.otid:
        fields["otid"] = message.otid
    if message.dtid:
        fields["dtid"] = message.dtid
    try:
        if message.kind == tcap.ABORT:
            if message.p_abort_cause >= 0:
                fields["reason"] = ("p-abortCause", message.p_abort_cause)
            elif message.dialogue is not None:
                fields["reason"] = ("u-abortCause", _dialogue_value(message.dialogue))
        elif message.dialogue is not None:
            fields["dialoguePortion"] = _dialogue_value(message.dialogue)
        if message.components:
            fields["components"] = [_component_value(component) for component in message.components]
        _MESSAGE.set_val((tcap.KIND_NAMES[message.kind], fields))
        return bytes(_MESSAGE.to_ber())
    except EncodeError:
        raise
    except REFUSALS as error:
        raise UnrepresentableError(str(error)) from None


@final
class ReferenceTcap:
    """`ss7.tcap.TcapCodec` by pycrate."""

    def decode(self, octets: bytes) -> Message:
        """Return the message; raise `ss7.tcap.TcapError` if its transaction portion is unusable.

        pycrate passes quietly over what it does not expect: its reading counts if it writes the same octets.
        """
        classified = tcap.decode(octets)
        if any(isinstance(component, Malformed) for component in classified.components):
            return classified  # pycrate takes invoke ids and codes of any length
        try:
            message = read(octets)
            return message if write(message) == octets else classified
        except UnrepresentableError:
            return classified

    def encode(self, message: Message) -> bytes:
        """Return the octets; raise `EncodeError` for a value that has none."""
        try:
            return write(message)
        except UnrepresentableError:
            return tcap.encode(message)


REFERENCE_TCAP: Final = ReferenceTcap()
