"""The shipped alerts, evaluated on this node's metrics while a console is open, with what the runbook says.

Prometheus has the whole history of all nodes, and wakes people. This shows somebody who looks at one node
what holds for it now: the same rules (deploy/prometheus/camel-scp.rules.yml), the same names and words.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

import yaml  # type: ignore[import-untyped]
from msgspec import Struct

from scp.console.promql import Moment, Samples, UnknownError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scp.console.promql import Expression, Labels, Vector
    from scp.console.sources import Collector

EVERY: Final = 10.0
"""Seconds between two samples, while a console is open."""
AT_ONCE: Final = 50
"""Samples that are taken between two turns of the event loop, as for a scrape."""
HISTORY: Final = 900.0
"""Seconds for which they are kept."""
_HOLE: Final = re.compile(r"\{\{\s*\$(labels\.(?P<label>\w+)|value)\s*(?:\|\s*(?P<form>\w+)\s*)?\}\}")
_SECONDS: Final = re.compile(r"(\d+)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SECTION: Final = re.compile(r"^### (?P<name>\w+)\n(?P<text>.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)


class Alert(Struct, frozen=True):
    """An alert whose condition holds: ``state`` is pending until it has held for as long as its rule asks.

    ``runbook`` is its section, ``page`` the page of the console that shows what it is about.
    """

    name: str
    state: str
    severity: str
    since_ms: int
    for_s: int
    summary: str
    labels: dict[str, str]
    value: float
    runbook: str
    page: str


class Section(Struct, frozen=True):
    """What the runbook says of an alert, and the page of the console that shows what it is about."""

    alert: str
    runbook: str
    page: str


class AlertList(Struct, frozen=True):
    """Alerts of this node, and the names of the rules that only Prometheus can evaluate."""

    alerts: tuple[Alert, ...]
    evaluated: int
    not_evaluated: tuple[str, ...]
    watched_s: float


class _Rule(NamedTuple):
    name: str
    expression: Expression
    for_s: int
    severity: str
    summary: str
    runbook: str
    page: str


@final
class Alerts:
    """Evaluates the rules.

    Args:
        node: the node's name, the label ``instance`` of its samples.
        collectors: its metrics.
        wall: seconds since 1970.

    Attributes:
        sections: of the runbook, by the alerts' names.
    """

    def __init__(
        self, node: str, collectors: Iterable[Collector], wall: Callable[[], float] = time.time
    ) -> None:
        self._labels = (("instance", node), ("job", "camel-scp"))
        self._collectors = tuple(collectors)
        self._wall = wall
        self._moments: deque[Moment] = deque()
        self._since: dict[tuple[str, Labels], float] = {}
        self._held: dict[str, Vector] = {}
        self._busy = False
        rules, runbook = _shipped("camel-scp.rules.yml"), _shipped("runbook.md")
        self._rules, self._unknown = _rules(rules, runbook)
        self.sections = _sections(rules, runbook)

    def forget(self) -> None:
        """Nobody looks any more: what was held since when is not known then."""
        self._moments.clear()
        self._since.clear()
        self._held = {}

    async def observe(self) -> None:
        """Take a sample, if it is time, and see which conditions hold; calls go on meanwhile."""
        now = self._wall()
        if self._busy or (self._moments and now - self._moments[-1].time < EVERY / 2):
            return
        self._busy = True
        try:
            self._moments.append(Moment(now, await self._samples()))
            while now - self._moments[0].time > HISTORY:
                self._moments.popleft()
            await self._evaluate(now)
        finally:
            self._busy = False

    async def _evaluate(self, now: float) -> None:
        moments = tuple(self._moments)
        held = {}
        for rule in self._rules:
            held[rule.name] = _as_vector(rule.expression(moments))
            await asyncio.sleep(0)
        self._held = held
        keys = [(name, labels) for name, vector in held.items() for labels in vector]
        self._since = {key: self._since.get(key, now) for key in keys}

    async def now(self) -> AlertList:
        """Return what holds."""
        await self.observe()
        if not self._moments:
            return AlertList((), len(self._rules), self._unknown, 0.0)
        now, found = self._moments[-1].time, []
        for rule in self._rules:
            for labels, value in self._held.get(rule.name, {}).items():
                since = self._since.get((rule.name, labels), now)
                firing = now - since >= rule.for_s
                plain = dict(labels)
                found.append(
                    Alert(
                        rule.name,
                        "firing" if firing else "pending",
                        rule.severity,
                        int(since * 1000),
                        rule.for_s,
                        _filled(rule.summary, plain, value),
                        plain,
                        value,
                        rule.runbook,
                        _filled(rule.page, plain, value),
                    )
                )
        found.sort(key=lambda each: (each.state != "firing", each.severity != "page", each.name))
        watched = now - self._moments[0].time
        return AlertList(tuple(found), len(self._rules), self._unknown, watched)

    async def _samples(self) -> Samples:
        found: Samples = {"up": {frozenset(self._labels): 1.0}}
        taken = 0
        for collector in self._collectors:
            for family in collector.collect():
                taken += len(family.samples)
                if taken > AT_ONCE:
                    taken = 0
                    await asyncio.sleep(0)
                for sample in family.samples:
                    labels = frozenset((*sample.labels.items(), *self._labels))
                    found.setdefault(sample.name, {})[labels] = float(sample.value)
        return found


def _as_vector(value: Any) -> Vector:
    return value if isinstance(value, dict) else {}


def _shipped(name: str) -> str:
    return resources.files("scp.console").joinpath("rules", name).read_text(encoding="utf-8")


def _sections(rules: str, runbook: str) -> dict[str, Section]:
    """Return what the runbook says of each alert, and its page without the labels that only an alert has."""
    texts = {found["name"]: found["text"].strip() for found in _SECTION.finditer(runbook)}
    named = [rule for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    return {
        rule["alert"]: Section(rule["alert"], texts.get(rule["alert"], ""), _filled(_page(rule), {}, 0.0))
        for rule in named
    }


def _page(rule: dict[str, Any]) -> str:
    """Return the console's page of a rule, as a link within the console."""
    return str(rule["annotations"].get("console", "")).removeprefix("/console")


def _rules(rules: str, runbook: str) -> tuple[tuple[_Rule, ...], tuple[str, ...]]:
    """Return the rules that can be evaluated here, and the names of the others."""
    sections = {found["name"]: found["text"].strip() for found in _SECTION.finditer(runbook)}
    known, unknown = [], []
    for group in yaml.safe_load(rules)["groups"]:
        for rule in group["rules"]:
            name = rule["alert"]
            try:
                expression = parse(rule["expr"])
            except UnknownError:
                unknown.append(name)
                continue
            length = _SECONDS.fullmatch(rule.get("for", "0s"))
            known.append(
                _Rule(
                    name,
                    expression,
                    0 if length is None else int(length[1]) * _UNITS[length[2]],
                    rule["labels"]["severity"],
                    rule["annotations"]["summary"],
                    sections.get(name, ""),
                    _page(rule),
                )
            )
    return tuple(known), tuple(unknown)


def _filled(template: str, labels: dict[str, str], value: float) -> str:
    """Return a summary with its labels and value in it."""

    def fill(found: re.Match[str]) -> str:
        if found["label"]:
            return labels.get(found["label"], "")
        if found["form"] == "humanizePercentage":
            return f"{100 * value:.3g}%"
        return f"{value:.4g}" + (" s" if found["form"] == "humanizeDuration" else "")

    return _HOLE.sub(fill, template)
