"""Text messages by MAP: the node is a service centre with its gateway MSC (TS 29.002 §23, TS 23.040 §10).

The HLR says which node serves the subscriber (sendRoutingInfoForSM), that node delivers (mt-ForwardSM) and so
answers for it: a message is delivered when it says so, and there are no receipts. Where it says that the
subscriber is absent the HLR is told (reportSM-DeliveryStatus); it alerts the service centre when he is back
(`scp.engine.alerts`), and what waited for him is sent at once.

Parts to one subscriber follow each other: his node takes one at a time.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from scp.config.messages import SMSC_SSN
from scp.domain.lookup import Pending
from scp.domain.map_results import Outcome
from scp.engine.enquiries import Answer, Question
from scp.message_ports import Submission, Taken
from ss7.address import AddressString
from ss7.errors import EncodeError
from ss7.map.errors import (
    ErrorCode,
    SMDeliveryFailure,
    SMDeliveryFailureCause,
    SMDeliveryFailureV2,
    error_name,
)
from ss7.map.messages import (
    SMRPDA,
    SMRPOA,
    ForwardSMArg,
    MTForwardSMArg,
    ReportSMDeliveryStatusArg,
    ReportSMDeliveryStatusArgV2,
    RoutingInfoForSMArg,
    SMDeliveryOutcome,
)
from ss7.map.operations import Opcode
from ss7.sms.parts import Concatenation, coded, split
from ss7.sms.tpdu import ALPHANUMERIC, Deliver, SmsAddress, Timestamp, encode, user_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.domain.message import Message
    from scp.engine.enquiries import Enquiries
    from scp.message_ports import TextMessagesUser

HLR_SSN: Final = 6
ROUTE_SECONDS: Final = 10.0
DELIVERY_SECONDS: Final = 60.0
"""For mt-ForwardSM: TS 29.002 §17.1.2 has 1 to 10 minutes; less than the time after which it is in doubt."""
MOST_HASTENED: Final = 1000
"""Alerts that are heeded at once; the messages of others wait for their next attempt."""
FRESH_SECONDS: Final = 5.0
"""How long what the HLR, or the serving node, has said of a subscriber holds for the parts that follow."""

_FOR_GOOD: Final = frozenset(
    {
        *(ErrorCode.UNKNOWN_SUBSCRIBER, ErrorCode.UNIDENTIFIED_SUBSCRIBER, ErrorCode.ILLEGAL_SUBSCRIBER),
        *(ErrorCode.TELESERVICE_NOT_PROVISIONED, ErrorCode.CALL_BARRED, ErrorCode.FACILITY_NOT_SUPPORTED),
    }
)
_ABSENT: Final = frozenset({ErrorCode.ABSENT_SUBSCRIBER, ErrorCode.ABSENT_SUBSCRIBER_SM})
# What an enquiry without an answer means; the first column of one that delivers nothing.
_UNANSWERED: Final = {
    Outcome.LIMITED: (Taken.BUSY, Taken.BUSY),
    Outcome.UNREACHABLE: (Taken.AWAY, Taken.AWAY),
    Outcome.UNDELIVERABLE: (Taken.LATER, Taken.LATER),  # SCCP gave it back
    Outcome.CONTEXT: (Taken.REFUSED, Taken.REFUSED),
    Outcome.REJECT: (Taken.REFUSED, Taken.REFUSED),
}
_IN_DOUBT: Final = (Taken.LATER, Taken.DOUBT)


class Route(NamedTuple):
    """Where a subscriber is served: his IMSI, coded, and the node's E.164 digits."""

    imsi: bytes
    node: str


@final
class _Turn:
    """Whose turn it is to have a part delivered to one subscriber, and how many want it.

    Attributes:
        alerted: the HLR has said meanwhile that he is back: a refusal that comes now is older than that.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
        self.alerted = False


@final
class _Waiting:
    """An `scp.engine.enquiries.Asker` that somebody awaits."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, answer: Answer, now: float) -> None:
        """Take an answer."""
        del now
        if not self.answer.done():
            self.answer.set_result(answer)


@final
class MapMessages:
    """`scp.message_ports.TextMessages` by MAP; see the module.

    Args:
        service_centre: our address as a service centre, E.164 digits.
        hlr: global title of the HLR; "": the subscriber's own number.
        window: parts on their way at once.
        wall: milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        service_centre: str,
        hlr: str,
        window: int,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._service_centre = AddressString(service_centre).encode()
        self._hlr = hlr
        self._window = window
        self._wall = wall
        self._enquiries: Enquiries | None = None
        self._clock: Callable[[], float] = time.monotonic
        self._active: Callable[[], bool] = lambda: False
        self._user: TextMessagesUser | None = None
        self._turns: dict[str, _Turn] = {}
        self._known: dict[str, tuple[Route | Submission, float]] = {}  # the one that is over first is first
        self._hastening: dict[str, asyncio.Task[None]] = {}

    def attach(self, enquiries: Enquiries, clock: Callable[[], float], active: Callable[[], bool]) -> None:
        """Ask by these from now on.

        Args:
            enquiries: begin dialogues.
            clock: their time.
            active: whether an association can take one.
        """
        self._enquiries, self._clock, self._active = enquiries, clock, active

    # --- scp.message_ports.TextMessages ---

    async def start(self, user: TextMessagesUser) -> None:
        """Know whom to tell."""
        self._user = user

    async def close(self) -> None:
        """Let what was begun be over."""
        await asyncio.gather(*self._hastening.values(), return_exceptions=True)

    def usable(self) -> str:
        """Return "" if the network can be asked now."""
        return "" if self._enquiries is not None and self._active() else "no ASP is active"

    @property
    def window(self) -> int:
        """How many parts it takes at once."""
        return self._window

    def parts(self, text: str) -> int:
        """Return how many parts it sends a text in."""
        return len(split(*coded(text)))

    async def submit(self, message: Message, number: int) -> Submission:
        """Deliver a part; see the module."""
        turn = self._turns.setdefault(message.recipient, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                return await self._deliver(message, number)
        except EncodeError as error:
            return Submission(Taken.REFUSED, reason=error.reason)
        finally:
            if turn.alerted:
                self._known.pop(message.recipient, None)
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[message.recipient]

    async def _deliver(self, message: Message, number: int) -> Submission:
        route = await self._route(message)
        if isinstance(route, Submission):
            return route
        tpdu = self.deliver_tpdu(message, number)
        last = number == len(message.parts) - 1
        to, sender = SMRPDA("imsi", route.imsi), SMRPOA("serviceCentreAddressOA", self._service_centre)

        wanted = (to, sender, tpdu, not last)
        key = f"{message.id}:{number}:{message.attempts}"  # never one for two: each is to be delivered
        question = Question(
            Opcode.MT_FORWARD_SM,
            MTForwardSMArg(*wanted),
            route.node,
            SMSC_SSN,
            key,
            DELIVERY_SECONDS,
            SMSC_SSN,
            ForwardSMArg(*wanted),
        )
        answer = await self._ask(question)
        if answer.outcome is Outcome.RESULT:
            return Submission(Taken.DELIVERED, reference=key)
        result = self._failed(answer, delivers=True)
        if answer.outcome is Outcome.ERROR:
            self._learn(message.recipient, result)
            outcome = _outcome_of(answer)
            if outcome is not None:
                await self._absence(message, outcome, getattr(answer.value, "diagnostic", None))
        return result

    def deliver_tpdu(self, message: Message, number: int) -> bytes:
        """Return the SMS-DELIVER of a part; raises `EncodeError`."""
        coding, octets = coded(message.text)
        pieces = split(coding, octets)
        total = len(pieces)
        if total != len(message.parts):
            raise EncodeError(f"it takes {total} parts by now, and {len(message.parts)} were begun")
        part = None if total == 1 else Concatenation(message.reference & 0xFF, total, number + 1)
        name = not message.sender.isdigit()
        sender = SmsAddress(message.sender, ALPHANUMERIC, 0) if name else SmsAddress(message.sender)
        at = datetime.fromtimestamp(message.created_ms / 1000, UTC)
        sent = Timestamp(at.year % 100, at.month, at.day, at.hour, at.minute, at.second)
        return encode(Deliver(sender, user_data(coding, pieces[number], part), sent, more=number < total - 1))

    # --- where the subscriber is ---

    async def _route(self, message: Message) -> Route | Submission:
        """Return where to deliver, or why not; what was learnt just now holds for the next part."""
        known = self._known.get(message.recipient)
        if known is not None and known[1] > self._clock():
            return known[0]
        msisdn = AddressString(message.recipient).encode()
        argument = RoutingInfoForSMArg(msisdn, True, self._service_centre)
        question = Question(
            Opcode.SEND_ROUTING_INFO_FOR_SM,
            argument,
            self._hlr or message.recipient,
            HLR_SSN,
            message.recipient,
            ROUTE_SECONDS,
            SMSC_SSN,
        )
        answer = await self._ask(question)
        found: Route | Submission
        if answer.outcome is Outcome.RESULT and answer.value is not None:
            route = _route_of(answer.value)
            unreadable = Answer(Outcome.UNREADABLE)
            found = route if route.node.isdigit() else self._failed(unreadable, delivers=False)
        else:
            found = self._failed(answer, delivers=False)
        self._learn(message.recipient, found)
        return found

    def _learn(self, recipient: str, said: Route | Submission) -> None:
        """Know what was said of a subscriber for a while; what is over goes."""
        now = self._clock()
        self._known.pop(recipient, None)
        for each, (_, until) in [*itertools.islice(self._known.items(), 2)]:
            if until <= now:
                del self._known[each]
        self._known[recipient] = (said, now + FRESH_SECONDS)

    def _failed(self, answer: Answer, *, delivers: bool) -> Submission:
        if answer.outcome is Outcome.ERROR:
            taken = Taken.REFUSED if answer.code in _FOR_GOOD else Taken.LATER
            return Submission(taken, reason=f"map: {error_name(answer.code)}")
        taken = _UNANSWERED.get(answer.outcome, _IN_DOUBT)[delivers]
        what = "mt-ForwardSM" if delivers else "sendRoutingInfoForSM"
        return Submission(taken, reason=f"map: {what}: {answer.outcome.value}")

    async def _absence(self, message: Message, outcome: SMDeliveryOutcome, diagnostic: int | None) -> None:
        """Have the HLR remember that a message waits (§23.5): it alerts us when it can be delivered."""
        msisdn = AddressString(message.recipient).encode()
        told = (msisdn, self._service_centre, outcome)
        await self._ask(
            Question(
                Opcode.REPORT_SM_DELIVERY_STATUS,
                ReportSMDeliveryStatusArg(*told, diagnostic=diagnostic),
                self._hlr or message.recipient,
                HLR_SSN,
                message.recipient,
                ROUTE_SECONDS,
                SMSC_SSN,
                ReportSMDeliveryStatusArgV2(*told),
                ReportSMDeliveryStatusArgV2(*told[:2]),  # it has no outcome in v1 (§17.7.6)
            )
        )

    async def _ask(self, question: Question) -> Answer:
        assert self._enquiries is not None
        waiting = _Waiting()
        answer = self._enquiries.ask(question, waiting, self._clock())
        return await waiting.answer if isinstance(answer, Pending) else answer

    def alert(self, msisdn: str) -> None:
        """A subscriber is back: what waits for him is sent now, whichever node was told that he is away."""
        self._known.pop(msisdn, None)
        turn = self._turns.get(msisdn)
        if turn is not None:
            turn.alerted = True
        if self._user is None or msisdn in self._hastening or len(self._hastening) >= MOST_HASTENED:
            return
        task = asyncio.ensure_future(self._user.hasten(msisdn))
        self._hastening[msisdn] = task
        task.add_done_callback(lambda _: self._hastening.pop(msisdn, None))


def _outcome_of(answer: Answer) -> SMDeliveryOutcome | None:
    """Return what the HLR is told of a delivery that failed so (§23.5), None if it would not help.

    A subscriber is absent in three forms: absentSubscriberSM of MAP v3, which has a diagnostic, and
    absentSubscriber, whose parameter is a reason in v3, and before whether messages wait.
    """
    if answer.code in _ABSENT:
        return SMDeliveryOutcome.ABSENT_SUBSCRIBER
    if answer.code == ErrorCode.SM_DELIVERY_FAILURE:
        cause: Any = answer.value
        while isinstance(cause, SMDeliveryFailure | SMDeliveryFailureV2):
            cause = cause.cause if isinstance(cause, SMDeliveryFailure) else cause.value
        if cause is SMDeliveryFailureCause.MEMORY_CAPACITY_EXCEEDED:
            return SMDeliveryOutcome.MEMORY_CAPACITY_EXCEEDED
    return None


def _route_of(value: Any) -> Route:
    """Return where a result of sendRoutingInfoForSM says that the subscriber is served, in any version."""
    place = value.location_info_with_lmsi
    octets = getattr(place, "network_node_number", None)
    if octets is None:
        octets = place.location_info.value
    return Route(value.imsi, AddressString.decode(octets).digits)
