"""The report of a replay: counts, and in full the dialogues that differ."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, final

from scp.capture.initial_dp import message_numbers
from scp.capture.json_view import at, message_json, octets_json
from scp.capture.octet_tree import tcap_tree
from scp.capture.tcap_view import tcap_json
from scp.capture.text import component_words
from scp.domain.call import Trigger
from scp.domain.reason import explain
from scp.replay.compare import Verdict, differences, verdict_of
from scp.replay.explain import explain_message, explain_request, rules_of
from scp.services.idp import called_number, calling_digits, imsi_digits, trigger_of
from scp.services.message_facts import to_mobile
from ss7.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scp.capture.json_view import JsonDict
    from scp.ports import SubscriberLookup
    from scp.replay.dialogues import ReplayedDialogue
    from scp.services.api import Service

KEPT: Final = 500
"""Dialogues of each verdict that are kept in full."""
NO_ANSWER: Final = "no answer"
WE: Final = "we"
NODE: Final = "the node"


@final
class Report:
    """Takes dialogues as they come.

    Args:
        services: by service key, to explain decisions.
        store: likewise.
        each: shown every dialogue as JSON, if given: what ``--json`` prints.
        wanted: digits that the called or calling number of a shown dialogue contains; "" takes all.
        reason: reason of a shown dialogue; "" takes all.
        full: keep the dialogues' messages, for a page.
        who: the answering side: "we", or "the node".

    Attributes:
        verdicts: how many dialogues have each.
        who: as given.
        decisions: how many dialogues were decided so: (action, reason); where no service of ours decided, the
            operations of the answer stand for the action.
        fields: how many dialogues differ in each field.
        kept: dialogues in full, at most `KEPT` of each verdict.
        left_out: how many are not there for that.
        unwanted: how many dialogues are none of those that are shown.
    """

    def __init__(
        self,
        services: Mapping[int, Service],
        store: SubscriberLookup,
        *,
        each: Callable[[JsonDict], object] | None = None,
        wanted: str = "",
        reason: str = "",
        full: bool = False,
        who: str = WE,
    ) -> None:
        self.who = who
        self._services = services
        self._store = store
        self._each = each
        self._wanted = wanted.lstrip("+")
        self._reason = reason
        self._full = full
        self.verdicts: Counter[Verdict] = Counter()
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.fields: Counter[str] = Counter()
        self.kept: list[JsonDict] = []
        self.left_out = 0
        self.unwanted = 0
        self._kept: Counter[Verdict] = Counter()

    @property
    def unanswered(self) -> bool:
        """Whether there were dialogues, and we, or the node, had no answer to any of them."""
        return bool(self.decisions) and all(answer == NO_ANSWER for answer, _ in self.decisions)

    def take(self, replayed: ReplayedDialogue) -> None:
        """Take a dialogue that is over."""
        decision = replayed.decision
        if not self._is_wanted(replayed):
            self.unwanted += 1
            return
        verdict = verdict_of(replayed)
        self.verdicts[verdict] += 1
        if decision is None:
            answer = operations(replayed.ours[0], replayed.version) if replayed.ours else NO_ANSWER
            self.decisions[answer, ""] += 1
        else:
            self.decisions[decision.action, decision.reason] += 1
        shown: JsonDict | None = None
        if verdict is not Verdict.SAME or self._each is not None:
            shown = self.as_json(replayed, verdict)
            for field in dict.fromkeys(each["field"] for each in shown["differences"]):
                self.fields[field] += 1
        if self._each is not None and shown is not None:
            self._each(shown)
        self._keep(replayed, verdict, shown)

    def _is_wanted(self, replayed: ReplayedDialogue) -> bool:
        decision = replayed.decision
        if self._reason and (decision is None or decision.reason != self._reason):
            return False
        return not self._wanted or any(self._wanted in number for number in numbers(replayed))

    def _keep(self, replayed: ReplayedDialogue, verdict: Verdict, shown: JsonDict | None) -> None:
        if verdict is Verdict.SAME and not self._full:
            return
        if self._kept[verdict] >= KEPT:
            self.left_out += 1
            return
        self._kept[verdict] += 1
        shown = shown or self.as_json(replayed, verdict)
        self.kept.append(shown)

    def as_json(self, replayed: ReplayedDialogue, verdict: Verdict) -> JsonDict:
        """Return what ``--json`` shows of a dialogue."""
        begin, decision = replayed.begin, replayed.decision
        a_number, b_number, imsi = numbers(replayed)
        idp, sms = replayed.idp, replayed.sms
        asked = idp if sms is None else sms
        shown: JsonDict = {
            "dialogue": replayed.number,
            "frame": begin.signal.frame,
            "time": at(begin.signal.time),
            "cap_version": replayed.version or None,
            "service_key": None if asked is None else asked.service_key,
            "trigger": trigger_name(replayed),
            "a_number": a_number,
            "b_number": b_number,
            "imsi": imsi,
            "verdict": str(verdict),
            "theirs": [summary(octets, replayed.version) for octets in replayed.theirs],
            "ours": [summary(octets, replayed.version) for octets in replayed.ours],
            "service": replayed.service,
        }
        if decision is not None:
            shown |= {
                "action": str(decision.action),
                "number": decision.number,
                "reason": str(decision.reason),
                "explanation": explain(decision.reason),
            }
        shown["differences"] = (
            [
                {"field": each.field, "theirs": each.theirs, "ours": each.ours}
                for each in differences(replayed)
            ]
            if replayed.theirs
            else []
        )
        shown["path"] = self._path(replayed)
        if replayed.seconds >= 0:
            shown["answer_ms"] = round(replayed.seconds * 1000, 3)
        for name, words in (("bugs", replayed.bugs), ("notes", replayed.notes)):
            if words:
                shown[name] = words
        if self._full:
            version = replayed.version
            shown["messages"] = [
                {"from_switch": forward, **message_json(message, version), **octets_json(message, version)}
                for forward, message in replayed.messages
            ]
            shown["ours_messages"] = [
                {**tcap_json(octets, version), "octets": octets.hex(), "parts": tcap_tree(octets, version)}
                for octets in replayed.ours
            ]
        return shown

    def _path(self, replayed: ReplayedDialogue) -> list[Any]:
        idp, sms = replayed.idp, replayed.sms
        if sms is not None:
            rules = next((found for each in self._services.values() if (found := rules_of(each))), None)
            return [] if rules is None else explain_message(sms, rules, self._store).as_json()["path"]
        rules = None if idp is None else rules_of(self._services.get(idp.service_key))
        if idp is None or rules is None:
            return []
        steps: list[Any] = explain_request(idp, rules, self._store).as_json()["path"]
        return steps


def numbers(replayed: ReplayedDialogue) -> tuple[str, str, str]:
    """Return the digits of A-number, B-number and IMSI, "" for what is not there or can't be read."""
    idp = replayed.idp
    if replayed.sms is not None:
        return message_numbers(replayed.sms)
    if idp is None:
        return "", "", ""
    try:
        called = called_number(idp, trigger_of(idp))[0]
    except DecodeError:
        called = ""
    return calling_digits(idp), called, imsi_digits(idp)


def trigger_name(replayed: ReplayedDialogue) -> str | None:
    """Return which trigger asked about a call or a message, None if neither can be read."""
    if replayed.sms is not None:
        return str(Trigger.TERMINATING if to_mobile(replayed.sms) else Trigger.ORIGINATING)
    return None if replayed.idp is None else str(trigger_of(replayed.idp))


def operations(octets: bytes, version: int) -> str:
    """Return what a TCAP message asks for, without numbers: ``connect``; ``end`` if it has no components."""
    shown = tcap_json(octets, version)
    parts = [
        str(each.get("operation") or f"{each['type']} {each.get('error', '')}".rstrip())
        for each in shown.get("components", ())
    ]
    return " + ".join(parts) or str(shown["tcap"].get("type", "undecodable"))


def summary(octets: bytes, version: int) -> str:
    """Return a TCAP message in a few words: ``end: connect 990011234567``."""
    shown = tcap_json(octets, version)
    message = shown["tcap"]
    if "error" in message:
        return f"undecodable: {message['error']}"
    words = [component_words(component) for component in shown["components"]]
    if "p_abort_cause" in message:
        words.append(str(message["p_abort_cause"]))
    if message.get("result") == "reject-permanent":
        words.append(f"refused: {message['diagnostic']}")
    return f"{message['type']}: {' + '.join(words)}" if words else str(message["type"])
