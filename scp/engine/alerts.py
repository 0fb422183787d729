"""What HLRs tell a service centre: a subscriber can be reached again (alertServiceCentre, 29.002 §12.5).

In MAP v1 the operation is alertServiceCentreWithoutResult, of class 4, and its dialogue has no dialogue
portion, or the application context's first version.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Protocol, final

from scp.engine.tc import owed
from scp.services.idp import address_e164
from scp.stack import tcap_dialogue as tc
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER, SHORT_MSG_ALERT
from ss7.map.operations import Opcode
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    Invoke,
    encode_reject,
    encode_return_result,
)

if TYPE_CHECKING:
    from scp.domain.numbers import Numbering
    from scp.engine.tc import TcProvider
    from scp.stack.tcap import Dialogue, Indication

ALERT_CONTEXTS: Final = {BY_NUMBER[SHORT_MSG_ALERT, version].octets: version for version in (1, 2)}
"""MAP version by application context; without one it is 1. There is no later one than 2."""
_OPERATIONS: Final = {
    1: Opcode.ALERT_SERVICE_CENTRE_WITHOUT_RESULT,
    2: Opcode.ALERT_SERVICE_CENTRE,
}


class Alerted(Protocol):
    """What takes alerts."""

    def alert(self, msisdn: str) -> None:
        """Messages to this subscriber, E.164 digits, may be tried again."""
        ...


@final
class Alerts:
    """The TC-user for alerts.

    Args:
        provider: where answers go.
        alerted: takes them.
        numbering: of the node.
    """

    def __init__(self, provider: TcProvider, alerted: Alerted, numbering: Numbering) -> None:
        self._provider = provider
        self._alerted = alerted
        self._numbering = numbering

    def indication(self, indication: Indication, now: float) -> None:  # noqa: ARG002 - as `TcUser` has it
        """Take one TC indication; after the BEGIN nothing matters."""
        dialogue = indication.dialogue
        if indication.kind != tc.BEGIN:
            if indication.kind in (tc.NOTICE, tc.CONTINUE) and not dialogue.closed:
                self._provider.send(dialogue.path, self._provider.tcap.abort(dialogue))
            return
        first = indication.components[0] if indication.components else None
        if not isinstance(first, Invoke) or indication.rejects:
            self._end(dialogue, owed(indication))
        elif first.opcode != _OPERATIONS[ALERT_CONTEXTS.get(dialogue.context, 1)]:
            self._end(dialogue, [encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)])
        else:
            self._take(dialogue, first, ALERT_CONTEXTS.get(dialogue.context, 1))

    def _take(self, dialogue: Dialogue, invoke: Invoke, version: int) -> None:
        try:
            argument = FAST.decode_argument(int(_OPERATIONS[version]), invoke.parameter, version)
        except DecodeError:
            self._provider.discard("map", "undecodable-argument")
            self._end(dialogue, [encode_reject(invoke.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)])
            return
        self._end(dialogue, [encode_return_result(invoke.invoke_id, None, b"")] if version > 1 else [])
        msisdn = address_e164(argument.msisdn, self._numbering)
        if msisdn:
            self._alerted.alert(msisdn)

    def _end(self, dialogue: Dialogue, components: list[bytes]) -> None:
        if not dialogue.closed:
            self._provider.send(dialogue.path, self._provider.tcap.end(dialogue, components))

    def next_deadline(self) -> float:
        """Return ``inf``: nothing here has a time of its own."""
        return inf

    def tick(self, now: float) -> None:
        """Do nothing."""
