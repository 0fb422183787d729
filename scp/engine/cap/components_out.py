"""A service's outbox as CAP components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ss7.cap.operations import BY_OPCODE
from ss7.errors import EncodeError
from ss7.rose import encode_invoke, encode_return_error

if TYPE_CHECKING:
    from scp.engine.cap.dialogue import CapDialogue
    from scp.ports import Telemetry
    from scp.stack.tcap import Tcap
    from ss7.cap.codec import Codec

MOST_OCTETS: Final = 2400
"""Of the components of one message: the 2560 octets of §14.2.2.1.5 less TCAP's own."""

_INVOKE_OVERHEAD: Final = 14  # tags, lengths, invoke id and operation code


def encoded(call: CapDialogue, codec: Codec, tcap: Tcap, telemetry: Telemetry, *, last: bool) -> list[bytes]:
    """Return a call's outbox as components, and empty it. In a TC-END nothing is awaited or registered.

    Args:
        call: the call.
        codec: of arguments.
        tcap: gives invoke ids.
        telemetry: told of each operation.
        last: whether they go in a TC-END.

    Raises:
        EncodeError: an argument can't be encoded, or they are too long for one message.
    """
    version = call.version
    if last and call.error is not None:
        error = call.error
        parameter = codec.encode_error(error.code, error.parameter, version)
        return [encode_return_error(call.invoke_id, error.code, parameter)]
    dialogue = call.dialogue
    components = []
    size = 0
    outbox = call.take_outbox()
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
            outgoing.invoke_id = dialogue.last_id
    for outgoing in outbox:
        telemetry.operation(outgoing.opcode, "out")
    return components
