"""Everything that the cases see of what they try passes here, so that a mutation run can alter one thing of it.

A case sees streams (what goes out, events) in portions, and results of calls. Each thing seen has a number in the
order of the run; `Watch.altering` alters the one with a given number. Outside of a mutation run nothing is altered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Alteration = Callable[[Any], list[Any]]
"""What there is instead of a thing seen: nothing, the same twice, another."""


@dataclass(frozen=True)
class Seen:
    """A thing that a case saw.

    Attributes:
        where: in which stream, or as the result of what.
        value: what it was; None: a portion of a stream, or a result, in which there was nothing.
        forged: something that could have been there instead of nothing; None: there can be nothing else.
        stream: whether it is one of a stream's, which can come twice.
        timely: whether it matters when it comes.
    """

    where: str
    value: Any
    forged: Any = None
    stream: bool = False
    timely: bool = False


class Watch:
    """What the case that runs sees."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._on = False
        self._altered = -1
        self._how: Alteration | None = None
        self._late = False
        self._held: dict[str, list[Any]] = {}

    @contextmanager
    def altering(
        self, number: int = -1, how: Alteration | None = None, *, late: bool = False
    ) -> Iterator[None]:
        """Alter the thing with this number for the length of the block; ``late``: it comes a portion later."""
        self.seen, self._altered, self._how, self._late, self._held = [], number, how, late, {}
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def portion(self, where: str, new: list[Any], forged: Any = None, *, timely: bool = True) -> list[Any]:
        """Return what the case is to see of what is new in a stream; the arguments are of `Seen`."""
        if not self._on:
            return new
        held = self._held.pop(where, [])
        if not new:
            return [*held, *self._pass(Seen(where, None, forged, True, timely))]
        for value in new:
            held += self._pass(Seen(where, value, forged, True, timely))
        return held

    def result(self, where: str, value: Any, forged: Any = None) -> Any:
        """Return what the case is to see as the result of a call."""
        if not self._on:
            return value
        seen = self._pass(Seen(where, value, forged))
        return seen[0] if seen else None

    def _pass(self, seen: Seen) -> list[Any]:
        number = len(self.seen)
        self.seen.append(seen)
        if number == self._altered:
            if self._late:
                self._held.setdefault(seen.where, []).append(seen.value)
                return []
            assert self._how is not None
            return self._how(seen.value)
        return [] if seen.value is None else [seen.value]


WATCH = Watch()


class Watched:
    """A layer of which some calls' results, and what is new in some of its lists after a call, are watched.

    Args:
        layer: the name of the layer.
        subject: the layer.
        results: calls with the result that could be there instead of nothing.
        streams: lists with an item that could be there.
    """

    def __init__(self, layer: str, subject: Any, results: dict[str, Any], streams: dict[str, Any]) -> None:
        self._layer = layer
        self._subject = subject
        self._results = results
        self._streams = streams

    def __len__(self) -> int:
        return len(self._subject)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        return self._call(name, found) if name in self._results else found

    def _call(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            before = {stream: len(getattr(self._subject, stream)) for stream in self._streams}
            result = call(*given, **named)
            for stream, forged in self._streams.items():
                items = getattr(self._subject, stream)
                items[before[stream] :] = WATCH.portion(
                    f"{self._layer} {stream}", items[before[stream] :], forged
                )
            forged = self._results[name]
            return WATCH.result(f"{self._layer} {name}", result, forged)

        return watched
