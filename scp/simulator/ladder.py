"""A call as a ladder: the messages between two or more parties as arrows, in the order of time.

Text in, text out. `Ladder` knows no protocol; `ladder_of` draws what the simulated MSC saw of a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scp.simulator.result import CallResult, Step

MAX_EVENTS: Final = 500
"""Events that a ladder keeps; further ones are counted."""
MSC: Final = "MSC (gsmSSF)"
SCF: Final = "gsmSCF"
_WITH_COMPONENTS: Final = frozenset(("TC-BEGIN", "TC-CONTINUE", "TC-END"))


class Message(Struct, frozen=True, gc=False):
    """Something that went from one party to another.

    Attributes:
        time: seconds on any clock, the same for the whole ladder.
        source: the party's name.
        target: the party's name.
        text: what stands on the arrow, e.g. ``"InitialDP"``.
        details: lines below the arrow, outermost layer first.
    """

    time: float
    source: str
    target: str
    text: str
    details: tuple[str, ...] = ()


class Note(Struct, frozen=True, gc=False):
    """Something that happened at one party: a lookup, the decision and its reason, a timer."""

    time: float
    party: str
    text: str
    details: tuple[str, ...] = ()


Event: TypeAlias = Message | Note


@final
class Ladder:
    """Collects the events of one call.

    Attributes:
        events: in the order in which they were recorded.
        dropped: how many came after `MAX_EVENTS`.
    """

    __slots__ = ("dropped", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dropped = 0

    def message(self, time: float, source: str, target: str, text: str, *details: str) -> None:
        """Record a message."""
        self._add(Message(time, source, target, text, details))

    def note(self, time: float, party: str, text: str, *details: str) -> None:
        """Record what happened at a party."""
        self._add(Note(time, party, text, details))

    def _add(self, event: Event) -> None:
        if len(self.events) < MAX_EVENTS:
            self.events.append(event)
        else:
            self.dropped += 1

    def __str__(self) -> str:
        text = render(self.events)
        return f"{text}\n… and {self.dropped} more events" if self.dropped else text


class Style(Struct, frozen=True):
    """The characters that a ladder is drawn with."""

    lifeline: str
    shaft: str
    right: str
    left: str
    note: str


UNICODE: Final = Style("│", "─", "▶", "◀", "●")
ASCII: Final = Style("|", "-", ">", "<", "*")

_TIME_WIDTH: Final = 12  # "  123.456 ms"
_LEAST_GAP: Final = 28
_INDENT: Final = 3


def render(
    events: Sequence[Event],
    parties: Iterable[str] = (),
    style: Style = UNICODE,
    least_gap: int = _LEAST_GAP,
) -> str:
    """Draw the ladder.

    Args:
        events: in order; times are shown in milliseconds since the first.
        parties: from left to right; those not named follow in the order of their appearance.
        style: `UNICODE` or `ASCII`.
        least_gap: columns between two parties, at the least.

    Returns:
        Lines without trailing blanks; "" without events.
    """
    if not events:
        return ""
    columns = _columns(events, list(parties), least_gap)
    canvas = _Canvas(columns, style)
    canvas.header()
    start = events[0].time
    for event in events:
        canvas.gap()
        time = f"{(event.time - start) * 1e3:9.3f} ms"
        if isinstance(event, Message):
            canvas.arrow(time, event)
        else:
            canvas.note(time, event)
    canvas.gap()
    return "\n".join(canvas.lines)


def _columns(events: Sequence[Event], parties: list[str], least_gap: int) -> dict[str, int]:
    """Return where each party's lifeline stands, far enough apart for what is between two neighbours."""
    for event in events:
        for party in (event.source, event.target) if isinstance(event, Message) else (event.party,):
            if party not in parties:
                parties.append(party)
    gaps = dict.fromkeys(range(len(parties)), least_gap)
    for event in events:
        if isinstance(event, Message) and event.source != event.target:
            low, high = sorted((parties.index(event.source), parties.index(event.target)))
            gaps[low] = max(gaps[low], -(-(len(event.text) + 8) // (high - low)))
    columns: dict[str, int] = {}
    at = _TIME_WIDTH + 2 + len(parties[0]) // 2
    for index, party in enumerate(parties):
        columns[party] = at
        following = len(parties[index + 1]) if index + 1 < len(parties) else 0
        at += max(gaps[index], (len(party) + following) // 2 + 3)
    return columns


@final
class _Canvas:
    """Lines with the lifelines in them."""

    def __init__(self, columns: dict[str, int], style: Style) -> None:
        self.lines: list[str] = []
        self._columns = columns
        self._style = style
        self._blank = [" "] * (max(columns.values()) + 1)
        for at in columns.values():
            self._blank[at] = style.lifeline

    def _put(self, pieces: Iterable[tuple[int, str]]) -> None:
        row = self._blank[:]
        for at, text in pieces:
            row.extend(" " * (at + len(text) - len(row)))
            row[at : at + len(text)] = text
        self.lines.append("".join(row).rstrip())

    def header(self) -> None:
        row = " " * _TIME_WIDTH
        for party, at in self._columns.items():
            row = row.ljust(max(0, at - len(party) // 2)) + party
        self.lines.append(row.rstrip())

    def gap(self) -> None:
        self._put(())

    def arrow(self, time: str, event: Message) -> None:
        """Draw an arrow with its text in the middle; a message to oneself is a note."""
        source, target = self._columns[event.source], self._columns[event.target]
        if source == target:
            self.note(time, Note(event.time, event.source, event.text, event.details))
            return
        low, high = sorted((source, target))
        style = self._style
        shaft = f"{event.text}".center(high - low - 1 - 2, "\0").replace("\0", style.shaft)
        start, end = (style.shaft, style.right) if source < target else (style.left, style.shaft)
        self._put(((0, time), (low + 1, start + shaft + end)))
        self._details(low, event.details)

    def note(self, time: str, event: Note) -> None:
        """Draw what happened at one party, right of its lifeline."""
        at = self._columns[event.party]
        self._put(((0, time), (at, f"{self._style.note} {event.text}")))
        self._details(at, event.details)

    def _details(self, at: int, details: Iterable[str]) -> None:
        for text in details:
            for line in text.splitlines():
                self._put(((at + _INDENT, line),))


def ladder_of(result: CallResult, style: Style = UNICODE, notes: Sequence[tuple[float, str]] = ()) -> str:
    """Return the call's messages as arrows with their contents, the call's outcome, and the verdict.

    ``notes``: what happened at the gsmSCF, in seconds since the InitialDP, in the order of time.
    """
    ladder = Ladder()
    last = 0.0
    said = 0
    for step in result.steps:
        while said < len(notes) and notes[said][0] <= step.seconds:
            ladder.note(*_note(notes[said]))
            said += 1
        source, target = (MSC, SCF) if step.outward else (SCF, MSC)
        if step.message.startswith("local"):
            ladder.note(step.seconds, MSC, step.message, *step.components)
        else:
            ladder.message(step.seconds, source, target, _arrow_text(step), *step.components)
        last = step.seconds
    for note in notes[said:]:
        ladder.note(*_note(note))
        last = max(last, note[0])
    ladder.note(last, MSC, result.outcome, *_counted(result))
    right = "as expected" if result.expected else "without fault (--expect says what the answer has to be)"
    verdict = right if result.passed else "NOT as expected"
    ladder.note(last, MSC, verdict, *result.faults)
    return render(ladder.events, (MSC, SCF), style)


def _note(note: tuple[float, str]) -> tuple[float, str, str]:
    seconds, text = note
    return seconds, SCF, text


def _counted(result: CallResult) -> list[str]:
    """Return what a charged call took by the switch's own count."""
    if not result.periods:
        return []
    connections = [" + ".join(f"{seconds:.1f} s" for seconds in each) for each in result.talked]
    return [f"talked {', then '.join(connections) or '0 s'} ({result.periods} charged periods)"]


def _arrow_text(step: Step) -> str:
    """Return the primitive, and the operations of one that brings components."""
    if step.message not in _WITH_COMPONENTS:
        return step.message
    names = " + ".join(words.split(" ", 1)[0] for words in step.components)
    return f"{step.message} {names}".rstrip()
