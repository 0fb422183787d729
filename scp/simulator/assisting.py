"""A simulated external gsmSRF: asks the gsmSCF in a dialogue of its own what to play (TS 29.078 §11.4)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, final

from scp.simulator.describe import describe_component, describe_operation
from scp.simulator.resource import Order, Resource, Said
from scp.stack import tcap_dialogue as dha
from ss7.cap.codec import FAST
from ss7.cap.contexts import BY_TEXT
from ss7.cap.interaction import AssistRequestInstructionsArg
from ss7.cap.operations import SHORT, Opcode
from ss7.isup import GenericNumber
from ss7.rose import Invoke, encode_component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.engine.signalling import Signalling
    from scp.simulator.scenario import Scenario
    from scp.stack.tcap import Indication

_CONTEXTS: Final = {
    version: BY_TEXT[text].octets
    for version, text in {2: "0.4.0.0.1.0.52.1", 3: "0.4.0.0.1.20.3.14", 4: "0.4.0.0.1.22.3.14"}.items()
}
_PLAYS: Final = bytes((0b1101_0000,))
"""iPSSPCapabilities (§5.1): plays tones and messages, and takes digits."""
_ORDERS: Final = frozenset({Opcode.PLAY_ANNOUNCEMENT, Opcode.PROMPT_AND_COLLECT_USER_INFORMATION})


@final
class AssistingResource:
    """The gsmSRF of one call, with its dialogue.

    Args:
        signalling: where TC is.
        path: to the gsmSCF.
        scenario: of the call.
        correlation: the id that the switch got.
        step: told of each message: outward, which, its components in words.
        now: the signalling's clock.

    Attributes:
        resource: plays.
    """

    def __init__(
        self,
        signalling: Signalling,
        path: object,
        scenario: Scenario,
        correlation: str,
        step: Callable[..., None],
        now: float,
    ) -> None:
        self.resource = Resource(scenario.version, length=scenario.announcement, digits=scenario.digits)
        self._signalling = signalling
        self._tcap = signalling.tcap
        self._version = scenario.version
        self._step = step
        self._dialogue = self._tcap.open(path, _CONTEXTS[scenario.version], now)
        self._dialogue.user = self
        argument = AssistRequestInstructionsArg(GenericNumber(0, correlation, 0).encode(), _PLAYS)
        component = self._invoke(Opcode.ASSIST_REQUEST_INSTRUCTIONS, argument, 2)
        self._said("TC-BEGIN", self._words(Opcode.ASSIST_REQUEST_INSTRUCTIONS, argument))
        signalling.send(path, self._tcap.begin(self._dialogue, [component], now))

    def next_deadline(self) -> float:
        """Return when `tick` is due."""
        return inf if self._dialogue.closed else self.resource.next_deadline()

    def tick(self, now: float) -> None:
        """Finish what is played."""
        if self.next_deadline() <= now:
            self._say(self.resource.tick(now), now)

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication of this dialogue."""
        words = []
        said: list[Said] = []
        for component in indication.components:
            if isinstance(component, Invoke) and component.opcode in _ORDERS:
                opcode = Opcode(int(component.opcode))
                argument = FAST.decode_argument(opcode, component.parameter, self._version)
                words.append(self._words(opcode, argument))
                said.append(self.resource.take(Order(component.invoke_id, argument), now))
            else:
                words.append(describe_component(component))
        kind = {dha.CONTINUE: "TC-CONTINUE", dha.END: "TC-END"}.get(indication.kind, "abort")
        self._step(False, f"gsmSRF: {kind}", *words)
        self._say(said, now)

    def release(self) -> None:
        """The connection to the caller is gone."""
        if not self._dialogue.closed:
            self._tcap.end(self._dialogue, [], prearranged=True)

    def _say(self, said: Iterable[Said], now: float) -> None:
        components, words = [], []
        for each in said:
            if each.report is not None:
                components.append(self._invoke(Opcode.SPECIALIZED_RESOURCE_REPORT, each.report, 4))
                words.append(self._words(Opcode.SPECIALIZED_RESOURCE_REPORT, each.report))
            if each.answer is not None:
                components.append(encode_component(each.answer))
                words.append(describe_component(each.answer))
        if components and not self._dialogue.closed:
            self._said("TC-CONTINUE", *words)
            self._signalling.send(self._dialogue.path, self._tcap.continue_(self._dialogue, components, now))

    def _invoke(self, opcode: Opcode, argument: Any, operation_class: int) -> bytes:
        parameter = FAST.encode_argument(opcode, argument, self._version)
        return self._tcap.invoke(self._dialogue, int(opcode), parameter, operation_class, SHORT)

    def _words(self, opcode: Opcode, argument: Any) -> str:
        return describe_operation(opcode, argument, self._version)

    def _said(self, message: str, *words: str) -> None:
        self._step(True, f"gsmSRF: {message}", *words)
