"""Components between engine and TCAP: a service's outbox on its way out, what is owed, what is critical."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ss7.cap.common import CriticalityType
from ss7.cap.operations import BY_OPCODE
from ss7.errors import EncodeError
from ss7.rose import encode_invoke, encode_return_error

if TYPE_CHECKING:
    from scp.engine.dialogue_state import DialogueState
    from scp.ports import Telemetry
    from scp.stack.tcap import Indication, Tcap
    from ss7.cap.codec import Codec

MOST_OCTETS: Final = 2400
"""Of the components of one message: the 2560 octets of §14.2.2.1.5 less TCAP's own."""

_INVOKE_OVERHEAD: Final = 14  # tags, lengths, invoke id and operation code


def encoded(
    conversation: DialogueState, codec: Codec, tcap: Tcap, telemetry: Telemetry, *, last: bool
) -> list[bytes]:
    """Return a call's outbox as components, and empty it. In a TC-END nothing is awaited or registered.

    Args:
        conversation: whose.
        codec: of arguments.
        tcap: gives invoke ids.
        telemetry: told of each operation.
        last: whether they go in a TC-END.

    Raises:
        EncodeError: an argument can't be encoded, or they are too long for one message.
    """
    version = conversation.context.version
    if last and conversation.error is not None:
        error = conversation.error
        parameter = codec.encode_error(error.code, error.parameter, version)
        return [encode_return_error(conversation.invoke_id, error.code, parameter)]
    dialogue = conversation.dialogue
    components = []
    size = 0
    outbox = conversation.take_outbox()
    for outgoing in outbox:
        opcode = outgoing.opcode
        parameter = codec.encode_argument(opcode, outgoing.argument, version)
        size += _INVOKE_OVERHEAD + len(parameter)
        if size > MOST_OCTETS:
            raise EncodeError(f"more than {MOST_OCTETS} octets for one message", "29.078 §14.2.2.1.5")
        if last:
            components.append(encode_invoke(tcap.next_invoke_id(dialogue), opcode, parameter))
        else:
            operation = BY_OPCODE[opcode]
            components.append(
                tcap.invoke(dialogue, opcode, parameter, operation.operation_class, operation.seconds)
            )
    for outgoing in outbox:
        telemetry.operation(outgoing.opcode, "out")
    return components


def critical(argument: Any) -> bool:
    """Whether an argument has an extension that must not be ignored; there is none that we know.

    CriticalityType "abort" forbids to execute the operation (Q.1400); of the errors that InitialDP can have,
    unexpectedParameter says so (§10.1.14).
    """
    return any(field.criticality is CriticalityType.ABORT for field in argument.extensions)


def owed(indication: Indication) -> list[bytes]:
    """Return the Reject components that TCAP wants sent."""
    return [reject.octets for reject in indication.rejects if reject.octets]


def opcode_of(code: int | bytes | None) -> int:
    """Return a local operation code; -1 for a global one, which CAP has none of, or none at all."""
    return code if isinstance(code, int) else -1
