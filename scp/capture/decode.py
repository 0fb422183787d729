"""``camel-scp decode FILE``: a capture's messages, all or those of some number, transaction or operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from msgspec import Struct

from scp.capture.cap_version import unsaid_version, version_of
from scp.capture.json_view import JsonDict, fault_json, message_json
from scp.capture.wire.dialogue_tracker import DialogueTracker, read_transaction
from scp.capture.wire.messages import Message
from ss7 import tcap
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.capture.source import Capture, Item


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
        """Whether a match brings the rest of its dialogue with it: who asks wants to see the answer."""
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
    return not operations.isdisjoint(wanted.operation)


def _has_fault(wanted: Filter, shown: JsonDict) -> bool:
    reasons = [value for name, value in _texts(shown) if name in {"error", "reason", "note"}]
    reasons = [reason for reason in reasons if wanted.reason.lower() in reason.lower()]
    return bool(reasons) and ("fault" in shown or wanted.reason != "" or _is_undecodable(shown))


def _is_undecodable(value: Any) -> bool:
    """Whether something in a message could not be decoded."""
    if isinstance(value, dict):
        if ("error" in value and "offset" in value) or "note" in value:
            return True
        return any(_is_undecodable(item) for item in value.values())
    return isinstance(value, list) and any(_is_undecodable(item) for item in value)


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
    """Shows what a capture yields, each dialogue with the CAP version that it was opened with."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self._tracker = DialogueTracker()

    def show(self, capture: Capture) -> Iterator[JsonDict]:
        """Yield the messages and faults that the filter takes."""
        for item in capture:
            shown, matched = self._item(item)
            if "fault" not in shown and _is_undecodable(shown):
                capture.counts["fault:message"] += 1
            if matched:
                yield shown
        self._tracker.finish()

    def _item(self, item: Item) -> tuple[JsonDict, bool]:
        if not isinstance(item, Message):
            shown = fault_json(item)
            return shown, self._wanted.matches(shown)
        transaction = read_transaction(item.tcap) if item.tcap else None
        if transaction is None or not transaction.kind:
            shown = message_json(item)
            return shown, self._wanted.matches(shown)
        _, dialogue = self._tracker.track(item, transaction)
        self._tracker.over.clear()
        if dialogue is None:
            shown = message_json(item)
            return shown, self._wanted.matches(shown)
        if dialogue.user is None:
            dialogue.user = _Known(_begun_version(dialogue.begin))
        known = dialogue.user
        assert isinstance(known, _Known)
        shown = message_json(item, known.version)
        matched = known.matched or self._wanted.matches(shown)
        if matched and self._wanted.of_dialogues:
            known.matched = True
        return shown, matched


class _Known:
    """What is known of a dialogue: its CAP version, and whether one of its messages was wanted."""

    __slots__ = ("matched", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.matched = False


def _begun_version(begin: Message) -> int:
    try:
        return version_of(tcap.decode(begin.tcap), unsaid_version(begin.unit))
    except DecodeError:
        return 0
