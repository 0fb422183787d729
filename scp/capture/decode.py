"""Decoded messages of a capture: all, or those of a number, an IMSI, a transaction, an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from msgspec import Struct

from scp.capture.dialogue_versions import DialogueVersions, KnownDialogue
from scp.capture.json_view import JsonDict, fault_json, message_json, octets_json
from scp.capture.tcap_view import faults_in
from scp.capture.wire.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.capture.source import MessageSource

_Request: TypeAlias = tuple[bytes, int, bytes, int, int]
"""A PDU's sender, receiver and sequence_number."""
_MOST_ASKED: Final = 65_536


class Filter(Struct, frozen=True):
    """Which messages are shown; an empty field takes all, several have to hold together.

    Attributes:
        number: digits that a number in the message contains.
        imsi: digits that its IMSI begins with.
        tid: a transaction id in hex.
        operation: ASN.1 names or codes of operations.
        reason: words of why something can't be decoded.
        faults: only what can't be decoded.
    """

    number: str = ""
    imsi: str = ""
    tid: str = ""
    operation: tuple[str, ...] = ()
    reason: str = ""
    faults: bool = False

    @property
    def empty(self) -> bool:
        """Whether everything is shown."""
        return self == Filter()

    @property
    def of_dialogues(self) -> bool:
        """Whether a match selects the rest of its dialogue, too: the answer belongs to the question."""
        return bool(self.number or self.imsi)

    def matches(self, shown: JsonDict) -> bool:
        """Return whether a message is one of those."""
        return all(
            test(self, shown)
            for wanted, test in (
                (self.number, _has_number),
                (self.imsi, _has_imsi),
                (self.tid, _has_tid),
                (self.operation, _has_operation),
                (self.reason or self.faults, _has_fault),
            )
            if wanted
        )


def _has_number(wanted: Filter, shown: JsonDict) -> bool:
    digits = wanted.number.lstrip("+").replace(" ", "")
    return any(digits in value for name, value in _texts(shown) if name == "digits")


def _has_imsi(wanted: Filter, shown: JsonDict) -> bool:
    return any(
        value.startswith(wanted.imsi) for name, value in _texts(shown, inside="iMSI") if name == "digits"
    )


def _has_tid(wanted: Filter, shown: JsonDict) -> bool:
    message = shown.get("tcap", {})
    return wanted.tid.lower() in (message.get("otid"), message.get("dtid"))


def _has_operation(wanted: Filter, shown: JsonDict) -> bool:
    operations = {
        str(value)
        for component in shown.get("components", ())
        for value in (component.get("operation"), component.get("opcode"))
    }
    if "smpp" in shown:
        operations = {shown["smpp"]["command"]}
    return not operations.isdisjoint(wanted.operation)


def _has_fault(wanted: Filter, shown: JsonDict) -> bool:
    reasons = [value for name, value in _texts(shown) if name in {"error", "reason", "note"}]
    reasons = [reason for reason in reasons if wanted.reason.lower() in reason.lower()]
    return bool(reasons) and ("fault" in shown or wanted.reason != "" or faults_in(shown) > 0)


def _texts(value: Any, name: str = "", inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and text of every leaf; with ``inside``, of those below a field of that name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, key, "" if key == inside else inside)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name, inside)
    elif isinstance(value, str) and not inside:
        yield name, value


@final
class Decoder:
    """Shows what a capture yields, each dialogue by its CAP version.

    Args:
        wanted: which messages are shown.
        version: CAP version of dialogues whose application context is not in the capture; 0: what fits.
        octets: with the octets of each message, and which of them are which field.
    """

    def __init__(self, wanted: Filter, version: int = 0, *, octets: bool = False) -> None:
        self._wanted = wanted
        self._version = version
        self._octets = octets
        self._asked: dict[_Request, None] = {}  # of SMPP, that were wanted: the responses are, too

    def show(self, capture: MessageSource) -> Iterator[JsonDict]:
        """Yield the messages and faults that the filter takes."""
        dialogues = DialogueVersions(capture, self._version)
        for item in capture:
            if not isinstance(item, Message):
                shown = fault_json(item)
                if self._wanted.matches(shown):
                    yield shown
                continue
            known = dialogues.follow(item) or KnownDialogue(0)
            shown = message_json(item, known.version, known.among)
            if (item.kind or item.smpp is not None) and faults_in(shown):
                capture.counts["decoded-in-part"] += 1
            if self._is_wanted(known, shown) or self._answers(item):
                self._ask(item)
                yield shown | octets_json(item, known.version) if self._octets else shown

    def _is_wanted(self, known: KnownDialogue, shown: JsonDict) -> bool:
        wanted = known.wanted or self._wanted.matches(shown)
        known.wanted = wanted and self._wanted.of_dialogues
        return wanted

    def _answers(self, item: Message) -> bool:
        """Whether a PDU of SMPP is the response to one that was wanted (SMPP 3.4 §3.2)."""
        pdu, way = item.smpp, item.signal.way
        if pdu is None or not pdu.is_response:
            return False
        request = way.destination, way.destination_port, way.source, way.source_port, pdu.sequence
        return self._asked.pop(request, 0) is None

    def _ask(self, item: Message) -> None:
        pdu, way = item.smpp, item.signal.way
        if pdu is None or pdu.is_response or not self._wanted.of_dialogues:
            return
        if len(self._asked) >= _MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[way.source, way.source_port, way.destination, way.destination_port, pdu.sequence] = None
