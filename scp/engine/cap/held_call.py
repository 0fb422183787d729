"""From a CAP dialogue to the record of its call, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.domain.decision import Action, Decision
from scp.domain.numbers import Nature
from scp.domain.reason import Reason
from scp.engine.cap.dialogue import CapDialogue
from scp.engine.cap.held_record import MSGPACK, VERSION, HeldRecord, code, encode, short, whole
from scp.engine.return_path import ReturnPath
from scp.engine.tc import opcode_of
from ss7 import tcap
from ss7.cap.contexts import BY_OCTETS, CAP_V1
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.rose import Invoke
from ss7.tcap import TcapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.domain.cdr import Progress
    from scp.engine.cap.held_record import StoredRecord
    from scp.engine.dialogue_runner import DialogueRunner
    from scp.engine.journal import Journalled
    from scp.stack.tcap import Dialogue, Tcap
    from scp.stack.tcap_dialogue import Operations
    from ss7.cap.codec import Codec
    from ss7.cap.types import InitialDPArg
    from ss7.rose import Component


_ACTION_CODES: Final = {each: code(each) for each in Action}
_REASON_CODES: Final = {each: code(each) for each in Reason}
_NATURE_CODES: Final = {each: code(each) for each in Nature}
_ACTIONS: Final = {number: each for each, number in _ACTION_CODES.items()}
_REASONS: Final = {number: each for each, number in _REASON_CODES.items()}
_NATURES: Final = {number: each for each, number in _NATURE_CODES.items()}


def recorded(
    state: CapDialogue, entry: Journalled, machine: Tcap, progress: Progress | None, now: float
) -> bytes:
    """Return the record of a held call.

    Args:
        state: the dialogue.
        entry: what the journal has of it.
        machine: knows its operations.
        progress: for its CDR.
        now: seconds of the runner's clock.
    """
    dialogue = state.dialogue
    path = dialogue.path
    assert isinstance(path, ReturnPath)
    decision: Decision = entry.decision
    value = entry.value
    return encode(
        HeldRecord(
            VERSION,
            dialogue.remote_tid,
            dialogue.context,
            path.link.name,
            path.network.name,
            path.network.indicator,
            path.opc,
            path.dpc,
            path.sls,
            path.context,
            path.called,
            path.calling,
            dialogue.next_id,
            tuple([(each[0], opcode_of(each[1])) for each in machine.live_operations(dialogue, now)]),
            state.service,
            state.invoke_id,
            state.octets,
            state.began_ms,
            entry.took_us,
            "" if state.session is None else short(state.session, state.id),
            _ACTION_CODES[decision.action],
            _REASON_CODES[decision.reason],
            decision.number,
            _NATURE_CODES[decision.nature],
            progress if progress is None or progress.charge is not None else progress[:-1],
            entry.heard,
            tuple([octets for octets, _ in entry.outgoing]),
            value if isinstance(value, MSGPACK) else value.values(),
        )
    )


def operations_of(record: StoredRecord) -> Operations:
    """Return a record's operations as TCAP has them."""
    found = []
    for invoke_id, opcode in record.operations:
        operation = BY_OPCODE.get(opcode)
        if operation is not None:
            found.append((invoke_id, opcode, operation.operation_class, operation.seconds))
    return tuple(found)


def invoked_last(components: Sequence[Component]) -> int:
    """Return the invoke id of the last operation among components, -1 if there is none."""
    for component in reversed(components):
        if type(component) is Invoke:
            return component.invoke_id
    return -1


def answered_already(record: StoredRecord, octets: bytes) -> bool:
    """Whether a TCAP message led to the state of a record, and the record has its answer."""
    if not record.outgoing or record.heard < 0:
        return False
    try:
        return invoked_last(tcap.decode(octets).components) == record.heard
    except TcapError:
        return False


def invoked_in(record: StoredRecord) -> frozenset[int]:
    """Return the invoke ids of the operations in a record's answer."""
    components = [each for octets in record.outgoing for each in tcap.decode(octets).components]
    return frozenset([each.invoke_id for each in components if type(each) is Invoke])


def rebuilt(
    runner: DialogueRunner[Any], dialogue: Dialogue, record: StoredRecord, codec: Codec
) -> tuple[CapDialogue, tuple[float, str, InitialDPArg | None, Decision, float]]:
    """Return the state of an adopted dialogue, and what `CallWatcher.adopted` is told of its first answer."""
    context = BY_OCTETS.get(record.context, CAP_V1)
    idp: InitialDPArg = codec.decode_argument(Opcode.INITIAL_DP, record.idp, context.version)
    # Half a millisecond more: what is rounded down to milliseconds again is the same.
    started = (record.began_ms + 0.5) / 1000 - runner.epoch
    call = CapDialogue(runner, dialogue, idp, context, record.idp, record.service, record.invoke_id, started)
    call.answered = True
    call.session = whole(record.session, call.id) or None
    call.compact()
    call.decision = Decision(
        _ACTIONS[record.action], _REASONS[record.reason], record.number, _NATURES[record.nature]
    )
    took = record.took_us / 1e6
    return call, (record.began_ms / 1000 + took, record.service, idp, call.decision, took)
