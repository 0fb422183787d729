"""Dialogues that this node begins: one MAP operation to an HLR or MSC, and what came of it.

::

    ask -> limits -> TC-BEGIN (AARQ, Invoke) -> result or error in TC-END ----------> answered
             |                    |  TC-CONTINUE: the result in it; the node ends --> answered
             |                    |  TC-U-ABORT, context not supported: the version below, if there is one
             |                    |  timer (TC-L-CANCEL), TC-NOTICE, abort ---------> answered
             +--> limited, unreachable: told at once, nothing is sent

**One in flight a number.** Who asks the same of the same number while the answer is out gets that answer too.

**Versions.** A context that the peer does not support is asked again in the version below (TS 29.002
§18.1.1, §5.3): at once, in a new dialogue, within the same time. What a destination last took is remembered,
so that only the first enquiry pays for it; where that is refused the others are asked, the highest first.

**Limits.** Enquiries to a destination have a token bucket, and all that are in flight together a ceiling. The
node serves calls first: what is too much is answered with `Outcome.LIMITED`, and nothing is sent.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from scp.common.token_buckets import TokenBuckets
from scp.domain.lookup import PENDING
from scp.domain.map_results import Outcome
from scp.stack import tcap_dialogue as tc
from scp.stack.tcap import DialogueLimitError
from ss7.ber import encode_element, read_element
from ss7.errors import DecodeError, EncodeError
from ss7.map.codec import FAST
from ss7.map.contexts import BY_NUMBER, ApplicationContext, earlier
from ss7.map.operations import BY_OPCODE, opcode_in
from ss7.rose import Invoke, Reject, ReturnError, ReturnResult
from ss7.sccp import Address, GlobalTitle
from ss7.tcap import INCORRECT_TRANSACTION_PORTION
from ss7.tcap_dialogue import CONTEXT_NOT_SUPPORTED, Aare

if TYPE_CHECKING:
    from scp.domain.lookup import Pending
    from scp.engine.tc import DialogueOpener, TcUser
    from scp.map_ports import MapTelemetry
    from scp.stack.tcap import Indication


@final
class Answer:
    """What came of an enquiry.

    Attributes:
        outcome: see `Outcome`.
        value: of a RESULT its decoded value, of an ERROR its parameter, None without.
        code: of an ERROR the MAP error code; else -1.
        version: MAP version that it came in; 0: nothing came.
    """

    __slots__ = ("code", "outcome", "value", "version")

    def __init__(self, outcome: Outcome, value: Any = None, code: int = -1, version: int = 0) -> None:
        self.outcome = outcome
        self.value = value
        self.code = code
        self.version = version


class Asker(Protocol):
    """What takes the answer of an enquiry."""

    def answered(self, answer: Answer, now: float) -> None:
        """Take it; called once, from the event loop, never from within `Enquiries.ask`."""
        ...


@final
class Question:
    """What to ask.

    Args:
        opcode: `ss7.map.operations.Opcode`.
        argument: of MAP v3.
        title: E.164 digits of the global title that it goes to.
        ssn: of the subsystem there: 6 HLR, 7 VLR, 8 MSC (TS 23.003 §8.1).
        key: whom it is about, digits: the same question about the same is asked once at a time.
        seconds: until it is given up; 0: the operation's own timer.
        own_ssn: of our side; 0: that of `Enquiries`.
        earlier: the argument in v1 and v2; None: the same.
        first: the argument in v1; None: that of v2.
    """

    __slots__ = ("argument", "earlier", "first", "key", "opcode", "own_ssn", "seconds", "ssn", "title")

    def __init__(
        self,
        opcode: int,
        argument: Any,
        title: str,
        ssn: int,
        key: str,
        seconds: float = 0.0,
        own_ssn: int = 0,
        earlier: Any = None,
        first: Any = None,
    ) -> None:
        self.opcode = int(opcode)
        self.argument = argument
        self.earlier = argument if earlier is None else earlier
        self.first = self.earlier if first is None else first
        self.title = title
        self.ssn = ssn
        self.key = key
        self.seconds = seconds
        self.own_ssn = own_ssn


@final
class _InFlight:
    """An enquiry that was sent; the user of its dialogue.

    Attributes:
        question: what was asked.
        askers: what waits for the answer.
        began: when it was asked first, seconds.
        context: application context of the present try.
        first: version of the first try.
        due: when it is given up, seconds.
        outcome: what came in before the dialogue was over, None: nothing yet.
        part: the result so far, where it comes in several components; b"": none.
    """

    __slots__ = ("askers", "began", "context", "due", "first", "outcome", "part", "question")

    def __init__(
        self, question: Question, asker: Asker, began: float, due: float, context: ApplicationContext
    ) -> None:
        self.question = question
        self.askers = [asker]
        self.began = began
        self.due = due
        self.context = context
        self.first = context.version
        self.outcome: Answer | None = None
        self.part = b""


_VERSIONS_REMEMBERED: Final = 4096
_LAST_OF_OPERATION: Final = 3
_V2: Final = 2
_SLS_VALUES: Final = 16


@final
class Enquiries:
    """The TC-user of dialogues that this node begins.

    Args:
        provider: where messages go.
        telemetry: counts.
        title: our global title, E.164 digits.
        ssn: our subsystem, 147 gsmSCF (TS 23.003 §8.2).
        otherwise: point code for titles without a translation.
        rate: enquiries a second to a destination.
        burst: that may come at once.
        most: in flight together.

    Attributes:
        title, ssn: as given.
        unstructured: takes dialogues of MAP v1 that others begin, which have no context; None: nobody does.
    """

    def __init__(
        self,
        provider: DialogueOpener,
        telemetry: MapTelemetry,
        title: str,
        ssn: int = 147,
        otherwise: int = 0,
        rate: float = 1000.0,
        burst: float = 1000.0,
        most: int = 10_000,
    ) -> None:
        self._provider = provider
        self._tcap = provider.tcap
        self._telemetry = telemetry
        self.title: Final = title
        self.ssn: Final = ssn
        self._otherwise = otherwise
        self._buckets = TokenBuckets(rate, burst)
        self._most = most
        self.unstructured: TcUser | None = None
        self._in_flight: dict[tuple[int, str], _InFlight] = {}
        self._versions: dict[tuple[int, str], int] = {}
        self._sls = 0
        self._addresses: dict[int, bytes] = {}

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._in_flight)

    def ask(self, question: Question, asker: Asker, now: float) -> Answer | Pending:
        """Ask; `PENDING`: ``asker`` is told later, what else: why nothing was sent."""
        known = self._in_flight.get((question.opcode, question.key))
        if known is not None:
            known.askers.append(asker)
            return PENDING
        if len(self._in_flight) >= self._most or not self._buckets.take(_destination(question.title), now):
            return self._told(question, Outcome.LIMITED)
        operation = BY_OPCODE[question.opcode]
        context = self._first_context(question)
        seconds = question.seconds or operation.seconds
        flight = _InFlight(question, asker, now, now + seconds, context)
        failed = self._send(flight, now)
        if failed is not None:
            return self._told(question, failed)
        self._in_flight[question.opcode, question.key] = flight
        self._provider.flush()
        return PENDING

    def reaches(self, title: str, ssn: int) -> bool:
        """Whether a question has a way now: a link, and a subsystem not known to be out of service."""
        called = Address(ssn=ssn, global_title=GlobalTitle(title)).encode()
        return self._provider.reaches(called, self._own(self.ssn), self._otherwise, ssn)

    def _told(self, question: Question, outcome: Outcome) -> Answer:
        self._telemetry.enquiry(BY_OPCODE[question.opcode].name, outcome, 0.0)
        return Answer(outcome)

    def _first_context(self, question: Question) -> ApplicationContext:
        """Return the context to begin with: the highest version, or what that destination took last."""
        context = BY_OPCODE[question.opcode].context
        found = BY_NUMBER.get((context, self._versions.get(_version_key(question), 0)))
        return _highest_context(question.opcode) if found is None else found

    def _send(self, flight: _InFlight, now: float) -> Outcome | None:
        """Begin a dialogue; return why it can't be, None: it is on its way."""
        question, version = flight.question, flight.context.version
        operation = BY_OPCODE[question.opcode]
        called = Address(ssn=question.ssn, global_title=GlobalTitle(question.title)).encode()
        calling = self._own(question.own_ssn or self.ssn)
        self._sls = (self._sls + 1) % _SLS_VALUES
        path = self._provider.path(called, calling, self._otherwise, self._sls)
        if path is None:
            return Outcome.UNREACHABLE
        opcode = opcode_in(question.opcode, version)
        value = question.argument if version > _V2 else question.earlier if version > 1 else question.first
        argument = FAST.encode_argument(opcode, value, version)
        try:  # MAP v1 has no dialogue portion (TS 29.002 §18.1.1)
            dialogue = self._tcap.open(path, flight.context.octets if version > 1 else b"", now)
        except DialogueLimitError:
            return Outcome.LIMITED
        dialogue.user = flight
        invoke = self._tcap.invoke(dialogue, opcode, argument, operation.operation_class, flight.due - now)
        octets = self._tcap.begin(dialogue, [invoke], now)
        self._provider.send(path, octets, return_on_error=True)
        return None

    def _own(self, ssn: int) -> bytes:
        """Return the octets of our address as this subsystem."""
        found = self._addresses.get(ssn)
        if found is None:
            found = Address(ssn=ssn, global_title=GlobalTitle(self.title)).encode()
            self._addresses[ssn] = found
        return found

    # -- what comes back -----------------------------------------------------------------------------------

    def indication(self, indication: Indication, now: float) -> None:
        """Take one TC indication."""
        dialogue, kind = indication.dialogue, indication.kind
        flight = dialogue.user
        if not isinstance(flight, _InFlight):
            if self.unstructured is not None and not dialogue.context:
                self.unstructured.indication(indication, now)
            elif not dialogue.closed:  # nobody asks us anything here
                self._provider.send(dialogue.path, self._tcap.abort(dialogue))
            return
        for component in indication.components:
            self._component(flight, component)
        if kind == tc.CONTINUE:
            if flight.outcome is None and not indication.rejects and _all_parts(indication):
                return  # it accepts the dialogue; the result is to come, or the rest of it
            answer = flight.outcome or Answer(Outcome.UNREADABLE)
            self._provider.send(dialogue.path, self._tcap.end(dialogue, []))
        elif refuses_context(indication):
            other = _other_context(flight)
            if other is not None and flight.due > now:
                self._again(flight, other, now)
                return
            self._versions.pop(_version_key(flight.question), None)
            answer = Answer(Outcome.CONTEXT)
        else:
            answer = self._without_result(flight, indication)
        self._over(flight, answer, now)

    def _without_result(self, flight: _InFlight, indication: Indication) -> Answer:
        """Return what the end of a dialogue means; end it here if the peer can't."""
        kind, dialogue = indication.kind, indication.dialogue
        if kind == tc.END:
            return flight.outcome or Answer(Outcome.UNREADABLE)
        if kind == tc.CANCEL:
            self._provider.send(dialogue.path, self._tcap.abort(dialogue))
            return Answer(Outcome.TIMEOUT)
        if kind == tc.NOTICE:
            self._provider.discard("sccp", "returned")
            self._tcap.end(dialogue, [], prearranged=True)
            return Answer(Outcome.UNDELIVERABLE)
        if kind != tc.TIMEOUT and flight.context.version == 1:  # a peer without v1 has no other word for it
            self._versions.pop(_version_key(flight.question), None)
        return Answer(Outcome.TIMEOUT if kind == tc.TIMEOUT else Outcome.ABORT)

    def _component(self, flight: _InFlight, component: object) -> None:
        """Take a component of the answer."""
        version = flight.context.version
        opcode = opcode_in(flight.question.opcode, version)
        if isinstance(component, ReturnResult):
            if component.opcode is not None and component.opcode != opcode:  # a bare one has none
                self._provider.discard("map", "unexpected-operation")
                return
            octets = _joined(flight.part, component.parameter) if flight.part else component.parameter
            if not component.last:
                flight.part = octets[:_MOST_RESULT]
                return
            try:
                value = FAST.decode_result(opcode, octets, version)
            except DecodeError:
                self._provider.discard("map", "undecodable-result")
                flight.outcome = Answer(Outcome.UNREADABLE, version=version)
                return
            flight.outcome = Answer(Outcome.RESULT, value, version=version)
        elif isinstance(component, ReturnError):
            code = component.error if isinstance(component.error, int) else -1
            flight.outcome = Answer(Outcome.ERROR, self._parameter(code, component, version), code, version)
        elif isinstance(component, Reject):
            flight.outcome = Answer(Outcome.REJECT, version=version)
        elif isinstance(component, Invoke):
            self._provider.discard("map", "unexpected-operation")

    def _parameter(self, code: int, component: ReturnError, version: int) -> Any:
        """Return an error's parameter; what can't be read of it does not take the error away."""
        try:
            return FAST.decode_error(code, component.parameter, version)
        except DecodeError:
            self._provider.discard("map", "undecodable-error")
            return None

    def _again(self, flight: _InFlight, other: ApplicationContext, now: float) -> None:
        """Ask in another version."""
        if len(self._versions) >= _VERSIONS_REMEMBERED:
            self._versions.clear()
        self._versions[_version_key(flight.question)] = other.version
        flight.context = other
        flight.outcome = None
        flight.part = b""
        try:
            failed = self._send(flight, now)
        except EncodeError:
            failed = Outcome.CONTEXT
        if failed is not None:
            self._over(flight, Answer(failed), now)

    def _over(self, flight: _InFlight, answer: Answer, now: float) -> None:
        question = flight.question
        self._in_flight.pop((question.opcode, question.key), None)
        self._telemetry.enquiry(BY_OPCODE[question.opcode].name, answer.outcome, now - flight.began)
        for asker in flight.askers:
            asker.answered(answer, now)

    # -- time: TCAP's invocation timers do it ---------------------------------------------------------------

    def next_deadline(self) -> float:
        """Return ``inf``: nothing here has a time of its own."""
        return inf

    def tick(self, now: float) -> None:
        """Do nothing."""


def refuses_context(indication: Indication) -> bool:
    """Whether an abort says that the application context is not supported (Q.774 §3.2.1).

    A peer of MAP v1 does not know dialogue portions, and takes one for an incorrect transaction portion.
    """
    if indication.kind == tc.P_ABORT:
        return indication.cause == INCORRECT_TRANSACTION_PORTION
    portion = indication.portion
    return (
        indication.kind == tc.U_ABORT
        and isinstance(portion, Aare)
        and portion.diagnostic == CONTEXT_NOT_SUPPORTED
    )


def _all_parts(indication: Indication) -> bool:
    """Whether all components are parts of a result, but not its last one."""
    return all(isinstance(each, ReturnResult) and not each.last for each in indication.components)


def _joined(first: bytes, second: bytes) -> bytes:
    """Return a result whose elements came in two components (Q.774 §3.2.1.1.2).

    Both have to be one constructed element; else they are not joined, and the decoder says what is wrong.
    """
    heads = [read_element(octets, 0, len(octets)) for octets in (first, second)]
    whole = all(head[3] == len(octets) for head, octets in zip(heads, (first, second), strict=True))
    tag = heads[0][0]
    if not whole or tag != heads[1][0] or tag > _ONE_OCTET or not tag & _CONSTRUCTED:
        return first + second
    contents = first[heads[0][1] : heads[0][2]] + second[heads[1][1] : heads[1][2]]
    return encode_element(tag, contents)


_ONE_OCTET: Final = 0xFF
_CONSTRUCTED: Final = 0x20
_MOST_RESULT: Final = 65_536


def _highest_context(opcode: int) -> ApplicationContext:
    """Return the context of the highest version that an operation has."""
    operation = BY_OPCODE[opcode]
    top = min(operation.until, _LAST_OF_OPERATION)
    while (operation.context, top) not in BY_NUMBER:
        top -= 1
    return BY_NUMBER[operation.context, top]


def _other_context(flight: _InFlight) -> ApplicationContext | None:
    """Return what to ask in after a refusal: from the highest version down, without that of the first try."""
    opcode = flight.question.opcode
    other: ApplicationContext | None = _highest_context(opcode)
    if flight.context.version != flight.first or other is None or other.version == flight.first:
        other = earlier(flight.context)
    if other is not None and other.version == flight.first:
        other = earlier(other)
    return None if other is None or opcode_in(opcode, other.version) < 0 else other


def _version_key(question: Question) -> tuple[int, str]:
    """Return for what a version is remembered: a node, of HLRs a network (whose titles are subscribers')."""
    title = _destination(question.title) if question.ssn == _HLR_SSN else question.title
    return BY_OPCODE[question.opcode].context, title


def _destination(title: str) -> str:
    """Return what enquiries to one network have in common: the country and network digits of the title."""
    return title[:_NETWORK_DIGITS]


_NETWORK_DIGITS: Final = 5
_HLR_SSN: Final = 6  # TS 23.003 §8.1
