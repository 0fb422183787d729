"""The gsmSRF of a simulated switch, without I/O: announcements out, digits in (TS 29.078 §11.23, §11.25).

It is relayed by its gsmSSF: what it says goes out in the call's own dialogue (§14.1.3.1.1).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from ss7.cap.codec import FAST
from ss7.cap.errors import ErrorCode
from ss7.cap.interaction import (
    PlayAnnouncementArg,
    PromptAndCollectUserInformationArg,
    ReceivedInformationArg,
    SpecializedResourceReportArg,
    Tone,
)
from ss7.cap.operations import Opcode
from ss7.isup import EncodingScheme, GenericDigits
from ss7.rose import ReturnError, ReturnResult

if TYPE_CHECKING:
    from ss7.cap.interaction import InformationToSend

_COLLECT: Final = Opcode.PROMPT_AND_COLLECT_USER_INFORMATION
_FROM_FOURTH: Final = 4
"""The CAP version from which SpecializedResourceReport says which report it is."""


class Order(NamedTuple):
    """An announcement to play, or digits to collect."""

    invoke_id: int
    argument: PlayAnnouncementArg | PromptAndCollectUserInformationArg


class Said(NamedTuple):
    """What the gsmSRF has to say.

    Attributes:
        report: SpecializedResourceReport's argument, None: none.
        answer: the order's result or error, None: none.
        leaves: whether the gsmSRF disconnects itself.
    """

    report: Any = None
    answer: ReturnResult | ReturnError | None = None
    leaves: bool = False


@final
class Resource:
    """The gsmSRF while it is connected to one call.

    Attributes:
        heard: the announcements that were played to their end, in words.
    """

    def __init__(self, version: int, *, length: float, digits: str) -> None:
        """Begin without orders.

        Args:
            version: CAP version of the dialogue.
            length: seconds that a message takes that does not say for how long.
            digits: what the party keys in, in ISUP's alphabet, right after a prompt.
        """
        self.heard: list[str] = []
        self._version = version
        self._length = length
        self._digits = digits
        self._orders: list[Order] = []
        self._done = inf

    def take(self, order: Order, now: float) -> Said:
        """Begin with an order, or queue it behind others (§11.23.2.1)."""
        self._orders.append(order)
        if len(self._orders) > 1:
            return Said()
        return self._begin(now)

    def _begin(self, now: float) -> Said:
        argument = self._orders[0].argument
        self._done = now + seconds_of(argument.information_to_send, self._length)
        return Said(self._report("firstAnnouncementStarted") if self._tells_start(argument) else None)

    def _tells_start(self, argument: PlayAnnouncementArg | PromptAndCollectUserInformationArg) -> bool:
        return argument.request_announcement_started_notification and self._version >= _FROM_FOURTH

    def _report(self, name: str) -> Any:
        """Return the report's argument: a NULL before CAP v4 (§6.3.1)."""
        return SpecializedResourceReportArg(name, True) if self._version >= _FROM_FOURTH else True

    def next_deadline(self) -> float:
        """Return when the present order is done, ``inf`` for never."""
        return self._done

    def tick(self, now: float) -> list[Said]:
        """Finish the present order, and begin with the next one."""
        order = self._orders.pop(0)
        argument = order.argument
        self._done = inf
        self.heard.append(words_of(argument.information_to_send))
        leaves = not argument.disconnect_from_ip_forbidden
        if isinstance(argument, PromptAndCollectUserInformationArg):
            said = [Said(answer=self._collected(order.invoke_id, argument), leaves=leaves)]
        else:
            wanted = argument.request_announcement_complete_notification
            said = [Said(self._report("allAnnouncementsComplete") if wanted else None, leaves=leaves)]
        if self._orders and not leaves:
            said.append(self._begin(now))
        return said

    def _collected(
        self, invoke_id: int, argument: PromptAndCollectUserInformationArg
    ) -> ReturnResult | ReturnError:
        """Return the digits, or that they are too few (§11.25.1.1)."""
        wanted = argument.collected_info.value
        digits = self._digits[: wanted.maximum_nb_of_digits]
        if len(digits) < wanted.minimum_nb_of_digits:
            return ReturnError(invoke_id, int(ErrorCode.IMPROPER_CALLER_RESPONSE))
        scheme = EncodingScheme.BCD_ODD if len(digits) & 1 else EncodingScheme.BCD_EVEN
        response = ReceivedInformationArg("digitsResponse", GenericDigits(0, scheme, digits).encode())
        return ReturnResult(
            invoke_id, int(_COLLECT), FAST.encode_result(int(_COLLECT), response, self._version)
        )

    def cancel(self, invoke_id: int, now: float) -> list[Said] | None:
        """Stop an order (§11.8.1); None if there is none of this invocation."""
        for at, order in enumerate(self._orders):
            if order.invoke_id == invoke_id:
                del self._orders[at]
                said = [Said(answer=ReturnError(invoke_id, int(ErrorCode.CANCELED)))]
                if at == 0:
                    self._done = inf
                    if self._orders:
                        said.append(self._begin(now))
                return said
        return None


def seconds_of(information: InformationToSend | None, length: float) -> float:
    """Return how long a party listens; a message without a duration takes ``length`` each time."""
    if information is None:
        return 0.0
    sent = information.value
    duration = float(sent.duration or inf)
    if isinstance(sent, Tone):
        return duration if duration < inf else length
    repetitions = sent.number_of_repetitions
    pauses = (sent.interval or 0) * ((repetitions or 1) - 1)
    played = (repetitions or 1) * length + pauses
    if repetitions is None and duration < inf:
        return duration
    return min(duration, played)


def words_of(information: InformationToSend | None) -> str:
    """Return what is played: its message ids, its text, or the tone."""
    if information is None:
        return "nothing"
    sent = information.value
    if isinstance(sent, Tone):
        return f"tone {sent.tone_id}"
    message = sent.message_id
    if message.name == "text":
        return f"text {message.value.message_content!r}"
    if message.name == "variableMessage":
        return f"message {message.value.elementary_message_id} with variable parts"
    ids = message.value if isinstance(message.value, tuple) else (message.value,)
    return f"message {' '.join(map(str, ids))}"
