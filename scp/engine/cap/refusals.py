"""Answers to a BEGIN that no service serves: refused, or let go on.

Errors and rejects go in TC-END, since a gsmSSF aborts a dialogue that brings them in TC-CONTINUE
(29.078 §14.1.2.2.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.engine.cap.callgap import call_gap
from scp.engine.cap.components_in import peer_of
from scp.engine.return_path import ReturnPath
from ss7.cap.codec import UnusualError
from ss7.cap.contexts import BY_OCTETS, CAP_V1
from ss7.cap.operations import BY_OPCODE, Opcode
from ss7.errors import DecodeError, EncodeError
from ss7.rose import INVOKE_PROBLEM, MISTYPED_PARAMETER, encode_invoke, encode_reject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scp.engine.admission import Admission
    from scp.engine.cap.components_in import Arguments
    from scp.engine.observers import ObserverHub
    from scp.engine.tc import TcProvider
    from scp.ports import Telemetry
    from scp.stack.tcap import Dialogue
    from ss7.cap.types import InitialDPArg
    from ss7.rose import Invoke

NO_SERVICE: Final = "none"
"""The service name of calls that reached none."""

MOST_REJECTS: Final = 64
"""In one message: a message full of bad components must not make an answer that is too long to be sent."""

_ERRORS: Final = frozenset({Reason.UNKNOWN_SERVICE_KEY, Reason.CRITICAL_EXTENSION})


@final
class Refusals:
    """Answers of the CAP TC-user where no service runs.

    Args:
        signalling: where answers go.
        telemetry: counts answers.
        observers: shows answers to the observers.
        arguments: reads InitialDPs.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        signalling: TcProvider,
        telemetry: Telemetry,
        observers: ObserverHub,
        arguments: Arguments,
        clock: Callable[[], float],
    ) -> None:
        self._signalling = signalling
        self._tcap = signalling.tcap
        self._telemetry = telemetry
        self._observers = observers
        self._arguments = arguments
        self._clock = clock

    def refuse(
        self,
        dialogue: Dialogue,
        components: list[bytes],
        reason: Reason,
        now: float,
        idp: InitialDPArg | None = None,
    ) -> None:
        """End a dialogue that reaches no service: with what is owed, or a user abort if nothing is."""
        tcap = self._tcap
        octets = tcap.end(dialogue, components[:MOST_REJECTS]) if components else tcap.abort(dialogue)
        self._signalling.send(dialogue.path, octets)
        self._observers.tell(dialogue, NO_SERVICE, idp, Decision(Action.ERROR, reason), now)
        self._signalling.discard("cap", str(reason))
        outcome = "error" if reason in _ERRORS else "reject"
        self._telemetry.dialogue_closed(outcome if components else "aborted-by-us")

    def go_on(
        self,
        dialogue: Dialogue,
        service: str,
        idp: InitialDPArg | None,
        reason: Reason,
        now: float,
        before: tuple[bytes, ...] = (),
        after: Sequence[bytes] = (),
    ) -> None:
        """Let a call go on that no service runs for.

        Args:
            dialogue: whose InitialDP is answered.
            service: name of the service that would have run.
            idp: the request, None if it was not read.
            reason: why no service runs.
            now: seconds.
            before: operations that go ahead of Continue.
            after: rejects and errors that are owed for what came beside the InitialDP. They have to go in
                TC-END (29.078 §14.1.2.2.1), which may carry operations as well (§14.1.2.1.2). With Continue
                ahead of them the call does not hang on the subscriber's default call handling, which may
                be to release it.
        """
        invoke_id = self._tcap.next_invoke_id(dialogue)
        going_on = encode_invoke(invoke_id, Opcode.CONTINUE)
        octets = self._tcap.end(dialogue, [*before, going_on, *after[:MOST_REJECTS]])
        self._signalling.send(dialogue.path, octets)
        self._telemetry.operation(Opcode.CONTINUE, "out")
        self._observers.tell(dialogue, service, idp, Decision(Action.CONTINUE, reason), now)
        self._telemetry.dialogue_closed("ended")

    def let_by(self, admission: Admission, dialogue: Dialogue, first: Invoke, now: float) -> bool:
        """Let a new call go on at once if it is not admitted; nothing of it is read that needs not be."""
        path = dialogue.path
        peer, caller = (path.link.name, path.called) if isinstance(path, ReturnPath) else ("", b"")
        clock = self._clock()
        reason = admission.admit(peer, caller, clock)
        if reason is None:
            return False
        gap: tuple[bytes, ...] = ()
        if reason is Reason.OVERLOAD and admission.gap_due(caller, clock):
            gap = self._call_gap(dialogue, first, admission.limits.gap_duration)
        self.go_on(dialogue, NO_SERVICE, None, reason, now, gap)
        return True

    def _call_gap(self, dialogue: Dialogue, first: Invoke, seconds: float) -> tuple[bytes, ...]:
        """Return the operation that asks the switch for fewer of these calls; CAP v1 and v2 have none."""
        version = BY_OCTETS.get(dialogue.context, CAP_V1).version
        if version < BY_OPCODE[Opcode.CALL_GAP].since:
            return ()
        try:
            idp = self._arguments.codec.decode_argument(Opcode.INITIAL_DP, first.parameter, version)
        except DecodeError:
            return ()
        parameter = self._arguments.codec.encode_argument(
            Opcode.CALL_GAP, call_gap(idp.service_key, seconds), version
        )
        self._telemetry.operation(Opcode.CALL_GAP, "out")
        return (encode_invoke(self._tcap.next_invoke_id(dialogue), Opcode.CALL_GAP, parameter),)

    def read_otherwise(
        self, fault: DecodeError, dialogue: Dialogue, first: Invoke, now: float, admission: Admission | None
    ) -> InitialDPArg | None:
        """Read an InitialDP that the codec could not read, or answer it and return None.

        TS 29.078 §14.1.1.4.1 has it rejected (mistypedParameter), and then the subscriber's default call
        handling may release the call. Unless the configuration wants that, the call goes on.
        """
        arguments = self._arguments
        slow = isinstance(fault, UnusualError) or not arguments.strict
        if slow and admission is not None and not admission.may_read(peer_of(dialogue), self._clock()):
            self.go_on(dialogue, NO_SERVICE, None, Reason.RATE_LIMITED, now)
            return None
        version = BY_OCTETS.get(dialogue.context, CAP_V1).version
        try:
            idp: InitialDPArg = arguments.read_otherwise(
                fault, dialogue, Opcode.INITIAL_DP, first.parameter, version
            )
        except DecodeError:
            if arguments.strict:
                reject = encode_reject(first.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)
                self.refuse(dialogue, [reject], Reason.UNDECODABLE_ARGUMENT, now)
            else:
                self._signalling.discard("cap", str(Reason.UNREADABLE_PARAMETER))
                self.go_on(dialogue, NO_SERVICE, None, Reason.UNREADABLE_PARAMETER, now)
            return None
        return idp

    def plain(self, idp: InitialDPArg, version: int) -> bytes:
        """Return an InitialDP in octets that the codec reads back as it is; b"" if it has none."""
        try:
            return self._arguments.codec.encode_argument(Opcode.INITIAL_DP, idp, version)
        except EncodeError:
            return b""
