"""The simulated HLR, with a VLR's end: answers questions as its script says, and tells of subscribers.

It serves the application contexts of MAP that a gsmSCF or a service centre opens, each in the versions of
`Script.versions`, and knows the subscribers of the script. A subscriber that is not there is unknown to it.
"""

from __future__ import annotations

from collections import Counter, deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, final

from scp.engine.network import Ss7Network
from scp.engine.signalling import Signalling
from scp.engine.status import StatusBoard
from scp.engine.timers import Deadlines
from scp.simulator.hlr_script import Script, note_mm_event, result_of
from scp.stack import tcap_dialogue as tc
from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import SccpSettings
from scp.stack.tcap import Tcap
from scp.stack.tcap_portions import CONTEXT_NOT_SUPPORTED
from scp.stack.tcap_settings import TcapSettings
from scp.telemetry.null import NullTelemetry
from ss7.address import AddressString
from ss7.errors import DecodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER, BY_OCTETS, MM_EVENT_REPORTING, SHORT_MSG_ALERT
from ss7.map.messages import AlertServiceCentreArg, AlertServiceCentreWithoutResultArg
from ss7.map.operations import BY_OPCODE, Opcode, operation_name
from ss7.rose import (
    INVOKE_PROBLEM,
    MISTYPED_PARAMETER,
    UNRECOGNIZED_OPERATION,
    Invoke,
    Reject,
    ReturnError,
    ReturnResult,
    encode_reject,
    encode_return_error,
    encode_return_result,
)
from ss7.sccp import Address, GlobalTitle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from random import Random

    from scp.engine.scheduler import TimeSource
    from scp.simulator.hlr_script import Subscriber
    from scp.stack.tcap import Dialogue, Indication

HLR_SSN: Final = 6
VLR_SSN: Final = 7
MSC_SSN: Final = 8
_SSNS: Final = (HLR_SSN, VLR_SSN, MSC_SSN)
NAME: Final = "hlr"
_REMEMBERED: Final = 1000
_EVENT_SECONDS: Final = 20.0


@final
class _Asked:
    """A question that its answer waits for."""

    __slots__ = ("argument", "dialogue", "due", "invoke_id", "opcode", "subscriber", "version")

    def __init__(
        self, dialogue: Dialogue, invoke: Invoke, argument: Any, version: int, subscriber: Subscriber | None
    ) -> None:
        self.dialogue = dialogue
        self.invoke_id = invoke.invoke_id
        self.opcode = int(invoke.opcode) if isinstance(invoke.opcode, int) else -1
        self.argument = argument
        self.version = version
        self.subscriber = subscriber
        self.due = inf


@final
class Hlr:
    """The TC-user.

    Args:
        signalling: a stack whose user it becomes.
        script: what it knows and does; may be changed while it runs.
        title: E.164 digits of its own global title.

    Attributes:
        counts: how often what was asked, told and answered, by words.
        script: see above.
        delivered: TPDUs of the short messages that came and were not refused.
        asked: the last arguments that came.
    """

    def __init__(self, signalling: Signalling, script: Script, title: str) -> None:
        self.signalling = signalling
        self.script = script
        self.title = title
        self.counts: Counter[str] = Counter()
        self.delivered: list[bytes] = []
        self.asked: deque[Any] = deque(maxlen=_REMEMBERED)
        self._waiting: Deadlines[_Asked] = Deadlines(lambda asked: asked.due)
        self._told: dict[Dialogue, asyncio.Future[str] | None] = {}
        signalling.user = self

    # -- what is asked -------------------------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication."""
        dialogue = indication.dialogue
        if indication.kind == tc.BEGIN:
            self._begun(indication, now)
        elif dialogue in self._told:
            self._tell(indication)
        elif indication.kind == tc.CONTINUE:
            self._send(dialogue, self.signalling.tcap.abort(dialogue))

    def _begun(self, indication: Indication, now: float) -> None:
        dialogue = indication.dialogue
        context = BY_OCTETS.get(dialogue.context) if dialogue.structured else None
        version = 1 if not dialogue.structured else context.version if context is not None else 0
        if version not in self.script.versions:
            self.counts["context refused"] += 1
            self._send(dialogue, self.signalling.tcap.abort(dialogue, CONTEXT_NOT_SUPPORTED))
            return
        first = indication.components[0] if indication.components else None
        if not isinstance(first, Invoke) or first.opcode not in BY_OPCODE:
            self.counts["not understood"] += 1
            if isinstance(first, Invoke):
                reject = encode_reject(first.invoke_id, INVOKE_PROBLEM, UNRECOGNIZED_OPERATION)
                self._send(dialogue, self.signalling.tcap.end(dialogue, [reject]))
            else:
                self._send(dialogue, self.signalling.tcap.abort(dialogue))
            return
        opcode = int(first.opcode)
        try:
            argument = FAST.decode_argument(opcode, first.parameter, version)
        except DecodeError:
            self.counts["not understood"] += 1
            reject = encode_reject(first.invoke_id, INVOKE_PROBLEM, MISTYPED_PARAMETER)
            self._send(dialogue, self.signalling.tcap.end(dialogue, [reject]))
            return
        self.counts[operation_name(opcode, version)] += 1
        self.asked.append(argument)
        subscriber = self.script.find(argument)
        asked = _Asked(dialogue, first, argument, version, subscriber)
        dialogue.user = asked
        if self.script.silent or (subscriber is not None and subscriber.silent):
            return
        delay = self.script.delay if subscriber is None or subscriber.delay < 0 else subscriber.delay
        if delay <= 0:
            self._answer(asked)
            return
        asked.due = now + delay
        self._waiting.add(asked.due, asked, now)
        self.signalling.wake_at(asked.due)

    def _answer(self, asked: _Asked) -> None:
        """Answer, unless the asker has gone."""
        dialogue = asked.dialogue
        if dialogue.closed:
            return
        code, value = result_of(asked.opcode, asked.argument, asked.subscriber, asked.version)
        if asked.opcode in (Opcode.MT_FORWARD_SM, Opcode.MO_FORWARD_SM) and code < 0:
            self.delivered.append(asked.argument.sm_rp_ui)
        if code >= 0:
            parameter = FAST.encode_error(code, value, asked.version)
            components = [encode_return_error(asked.invoke_id, code, parameter)]
        else:
            parameter = FAST.encode_result(asked.opcode, value, asked.version)
            opcode = asked.opcode if parameter else None
            components = [encode_return_result(asked.invoke_id, opcode, parameter)]
        tcap = self.signalling.tcap
        if self.script.accepts_first:
            self._send(dialogue, tcap.continue_(dialogue, components, self.signalling.clock()))
        else:
            self._send(dialogue, tcap.end(dialogue, components))

    def _send(self, dialogue: Dialogue, octets: bytes) -> None:
        self.signalling.send(dialogue.path, octets)

    def next_deadline(self) -> float:
        """Return when the next answer is due."""
        return self._waiting.next()

    def tick(self, now: float) -> None:
        """Answer what is due."""
        for asked in self._waiting.due(now):
            asked.due = inf
            self._answer(asked)

    # -- what it tells -------------------------------------------------------------------------------------

    def note(
        self,
        subscriber: Subscriber,
        event: bytes,
        *,
        to: str,
        point_code: int,
        sender: str = "",
        ssn: int = 147,
        future: asyncio.Future[str] | None = None,
    ) -> Dialogue:
        """Send a noteMM-Event, as the VLR of the subscriber.

        Args:
            subscriber: whom it is about, and where he is.
            event: MM-Code.
            to: global title of the gsmSCF.
            point_code: where that is.
            sender: global title of the VLR; "": the one that the event names, else our own.
            ssn: of the gsmSCF.
            future: gets "result", "error NAME", "reject", "abort" or "timeout".
        """
        now = self.signalling.clock()
        called = Address(ssn=ssn, global_title=GlobalTitle(to)).encode()
        title = sender or subscriber.vlr or self.title
        calling = Address(ssn=VLR_SSN, global_title=GlobalTitle(title)).encode()
        path = self.signalling.path(called, calling, point_code, self.counts["told"] % 16)
        if path is None:
            raise TimeoutError("no association is active")
        tcap = self.signalling.tcap
        dialogue = tcap.open(path, BY_NUMBER[MM_EVENT_REPORTING, 3].octets, now)
        argument = FAST.encode_argument(Opcode.NOTE_MM_EVENT, note_mm_event(subscriber, event), 3)
        invoke = tcap.invoke(dialogue, Opcode.NOTE_MM_EVENT, argument, 1, _EVENT_SECONDS)
        self._told[dialogue] = future
        self.counts["told"] += 1
        self._send(dialogue, tcap.begin(dialogue, [invoke], now))
        self.signalling.flush()
        return dialogue

    def alert(
        self,
        msisdn: str,
        *,
        to: str,
        point_code: int,
        ssn: int = MSC_SSN,
        version: int = 2,
        with_context: bool = True,
        future: asyncio.Future[str] | None = None,
    ) -> Dialogue:
        """Send alertServiceCentre: a subscriber can be reached again. Arguments as those of `note`.

        In MAP v1 (``version`` 1) there is no result, and without ``with_context`` no application context.
        """
        now = self.signalling.clock()
        called = Address(ssn=ssn, global_title=GlobalTitle(to)).encode()
        calling = Address(ssn=HLR_SSN, global_title=GlobalTitle(self.title)).encode()
        path = self.signalling.path(called, calling, point_code, self.counts["told"] % 16)
        if path is None:
            raise TimeoutError("no association is active")
        tcap = self.signalling.tcap
        context = BY_NUMBER[SHORT_MSG_ALERT, version].octets if with_context or version > 1 else b""
        dialogue = tcap.open(path, context, now)
        told = (AddressString(msisdn).encode(), AddressString(to).encode())
        opcode, operation_class = Opcode.ALERT_SERVICE_CENTRE, 1
        argument: Any = AlertServiceCentreArg(*told)
        if version == 1:
            opcode = Opcode.ALERT_SERVICE_CENTRE_WITHOUT_RESULT
            argument, operation_class = AlertServiceCentreWithoutResultArg(*told), 4
        octets = FAST.encode_argument(opcode, argument, version)
        invoke = tcap.invoke(dialogue, opcode, octets, operation_class, _EVENT_SECONDS)
        self._told[dialogue] = future
        self.counts["told"] += 1
        self._send(dialogue, tcap.begin(dialogue, [invoke], now))
        self.signalling.flush()
        return dialogue

    def _tell(self, indication: Indication) -> None:
        """Take what the gsmSCF said to an event."""
        dialogue = indication.dialogue
        words = _words(indication)
        if not dialogue.closed:
            self.signalling.tcap.end(dialogue, [], prearranged=True)
        self.counts[f"told: {words}"] += 1
        future = self._told.pop(dialogue)
        if future is not None and not future.done():
            future.set_result(words)


def _words(indication: Indication) -> str:
    """Return in words what came of an event."""
    for component in indication.components:
        if isinstance(component, ReturnResult):
            return "result"
        if isinstance(component, ReturnError):
            return f"error {component.error!r}"
        if isinstance(component, Reject):
            return "reject"
    return {tc.CANCEL: "timeout", tc.NOTICE: "returned", tc.END: "end"}.get(indication.kind, "abort")


def stack(
    source: TimeSource,
    random: Random,
    *,
    point_code: int,
    indicator: int = 0,
    on_link: Callable[[str, str, bool], None] | None = None,
    max_message: int = 268,
) -> Signalling:
    """Return the HLR's stack, without a link.

    Args:
        source: the clock.
        random: transaction ids start at random.
        point_code: its own.
        indicator: network indicator.
        on_link: told of the association's state: name, what, whether it is trouble.
        max_message: octets of the longest SCCP message; less has longer ones segmented.
    """
    settings = SccpSettings(point_codes=(point_code,), ssns=_SSNS, max_message=max_message)
    network = Ss7Network(Sccp(settings), indicator)
    tcap = Tcap(TcapSettings(first_id=random.randrange(1 << 24), default_context=b""))
    board = StatusBoard(lambda: 0.0, on_link or (lambda *_: None))
    board.expect(NAME)
    return Signalling(source, [network], tcap, NullTelemetry(), board)
