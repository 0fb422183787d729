"""As much of PromQL as the shipped alerts need, on the samples of one node.

Selectors with matchers, ``rate`` and ``increase``, ``sum``, ``max``, ``min`` and ``count`` ``by``,
arithmetic, comparisons, ``and`` and ``or`` with ``on`` (Prometheus's manual, "Querying"). What else there is
(quantiles, offsets) raises `UnknownError` when it is read. ``rate`` and ``increase`` are of what was sampled,
without extrapolation.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]
Samples: TypeAlias = dict[str, Vector]
Expression: TypeAlias = "Callable[[Sequence[Moment]], Vector | float]"

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w.]))|(?P<name>[A-Za-z_:][\w:]*)|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<range>\[\d+[smhd]\])|(?P<op>=~|!~|!=|==|>=|<=|[-+*/(){}=,<>]))"
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ARITHMETIC: Final = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_COMPARISONS: Final = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_AGGREGATIONS: Final[dict[str, Callable[[list[float]], float]]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "count": lambda values: float(len(values)),
}


class UnknownError(ValueError):
    """The expression has something that this evaluator does not know."""


class Moment(NamedTuple):
    """The samples of a moment, in seconds."""

    time: float
    samples: Samples


class _Matching(NamedTuple):
    """How the elements of two vectors find each other: by these labels; None: by all."""

    labels: tuple[str, ...] | None

    def key(self, labels: Labels) -> Labels:
        return labels if self.labels is None else frozenset(each for each in labels if each[0] in self.labels)


def parse(text: str) -> Expression:
    """Return what evaluates an expression on moments, the latest last; raises `UnknownError`."""
    parser = _Parser(text)
    found = parser.either()
    if parser.peek():
        raise UnknownError(f"{parser.peek()!r}")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        text = text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise UnknownError(f"{text[at : at + 20]!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self, kind: str = "") -> str:
        if self._at == len(self._tokens):
            raise UnknownError("it ends too early")
        found, text = self._tokens[self._at]
        if kind and found != kind:
            raise UnknownError(f"{text!r} where {kind} was expected")
        self._at += 1
        return text

    def _take(self, text: str) -> bool:
        if self.peek() != text:
            return False
        self._at += 1
        return True

    def _must(self, text: str) -> None:
        if not self._take(text):
            raise UnknownError(f"{self.peek()!r} where {text!r} was expected")

    def _matching(self) -> _Matching:
        labels = self._labels() if self._take("on") else None
        self._take("group_left")
        return _Matching(labels)

    def _labels(self) -> tuple[str, ...]:
        self._must("(")
        found = []
        while not self._take(")"):
            found.append(self._next("name"))
            self._take(",")
        return tuple(found)

    def either(self) -> Expression:
        found = self._both()
        while self._take("or"):
            found = _or(found, self._both())
        return found

    def _both(self) -> Expression:
        found = self._compared()
        while self._take("and"):
            matching = self._matching()
            found = _and(found, self._compared(), matching)
        return found

    def _compared(self) -> Expression:
        found = self._sum()
        while self.peek() in _COMPARISONS:
            compare = _COMPARISONS[self._next()]
            matching = self._matching()
            found = _binary(found, self._sum(), matching, compare, keeps=True)
        return found

    def _sum(self) -> Expression:
        found = self._product()
        while self.peek() in ("+", "-"):
            combine = _ARITHMETIC[self._next()]
            matching = self._matching()
            found = _binary(found, self._product(), matching, combine, keeps=False)
        return found

    def _product(self) -> Expression:
        found = self._unit()
        while self.peek() in ("*", "/"):
            combine = _ARITHMETIC[self._next()]
            matching = self._matching()
            found = _binary(found, self._unit(), matching, combine, keeps=False)
        return found

    def _unit(self) -> Expression:
        if self._take("("):
            found = self.either()
            self._must(")")
            return found
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind == "number":
            self._at += 1
            number = float(text)
            return lambda _: number
        name = self._next("name")
        if name in _AGGREGATIONS:
            return self._aggregation(_AGGREGATIONS[name])
        if name in ("rate", "increase"):
            self._must("(")
            selector = self._selector(self._next("name"))
            window = self._next("range")
            self._must(")")
            return _change(*selector, int(window[1:-2]) * _UNITS[window[-2]], per_second=name == "rate")
        if self.peek() == "(":
            raise UnknownError(f"the function {name}")
        series, matches = self._selector(name)
        if self.peek() == "offset":
            raise UnknownError("offset")
        return lambda moments: _selected(moments[-1], series, matches)

    def _aggregation(self, combine: Callable[[list[float]], float]) -> Expression:
        by: tuple[str, ...] = ()
        if self._take("by"):
            by = self._labels()
        self._must("(")
        inner = self.either()
        self._must(")")
        matching = _Matching(by)

        def aggregated(moments: Sequence[Moment]) -> Vector:
            groups: dict[Labels, list[float]] = {}
            for labels, value in _vector(inner(moments)).items():
                groups.setdefault(matching.key(labels), []).append(value)
            return {labels: combine(values) for labels, values in groups.items()}

        return aggregated

    def _selector(self, name: str) -> tuple[str, Callable[[Labels], bool]]:
        wanted: list[tuple[str, Callable[[str], bool]]] = []
        if self._take("{"):
            while not self._take("}"):
                label, compare = self._next("name"), self._next("op")
                wanted.append((label, _fits(compare, self._next("string")[1:-1])))
                self._take(",")
        return name, lambda labels: all(fits(dict(labels).get(label, "")) for label, fits in wanted)


def _fits(compare: str, wanted: str) -> Callable[[str], bool]:
    """Return what says whether a label's value fits; patterns are compiled now, not while calls run."""
    if compare in ("=", "!="):
        return lambda value: (value == wanted) is (compare == "=")
    if compare in ("=~", "!~"):
        try:
            whole = re.compile(wanted).fullmatch
        except re.error as error:
            raise UnknownError(f"{wanted}: {error}") from None
        return lambda value: (whole(value) is not None) is (compare == "=~")
    raise UnknownError(compare)


def _selected(moment: Moment, name: str, matches: Callable[[Labels], bool]) -> Vector:
    return {labels: value for labels, value in moment.samples.get(name, {}).items() if matches(labels)}


def _change(name: str, matches: Callable[[Labels], bool], window: float, *, per_second: bool) -> Expression:
    def changed(moments: Sequence[Moment]) -> Vector:
        now = moments[-1]
        first = next(each for each in moments if each.time >= now.time - window)
        seconds = now.time - first.time
        if seconds <= 0:
            return {}
        before = first.samples.get(name, {})
        return {
            labels: (value - before.get(labels, 0.0)) / (seconds if per_second else 1.0)
            for labels, value in _selected(now, name, matches).items()
        }

    return changed


def _vector(value: Vector | float) -> Vector:
    return value if isinstance(value, dict) else {frozenset(): value}


def _binary(
    left: Expression,
    right: Expression,
    matching: _Matching,
    combine: Callable[[float, float], Any],
    *,
    keeps: bool,
) -> Expression:
    """Return an operation of two; a comparison ``keeps`` what it holds for, with the left side's value."""

    def combined(moments: Sequence[Moment]) -> Vector:
        one, other = left(moments), right(moments)
        found: Vector = {}
        partners = {matching.key(labels): value for labels, value in _vector(other).items()}
        for labels, value in _vector(one).items():
            partner = other if not isinstance(other, dict) else partners.get(matching.key(labels))
            if partner is None or (combine is operator.truediv and not partner):
                continue
            result = combine(value, partner)
            if not keeps:
                found[labels] = result
            elif result:
                found[labels] = value
        return found

    return combined


def _and(left: Expression, right: Expression, matching: _Matching) -> Expression:
    def both(moments: Sequence[Moment]) -> Vector:
        there = {matching.key(labels) for labels in _vector(right(moments))}
        return {
            labels: value for labels, value in _vector(left(moments)).items() if matching.key(labels) in there
        }

    return both


def _or(left: Expression, right: Expression) -> Expression:
    return lambda moments: {**_vector(right(moments)), **_vector(left(moments))}
