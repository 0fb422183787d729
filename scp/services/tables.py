"""Reads a table of the configuration into a Struct and reports every fault, not only the first.

msgspec stops at the first error, so this walks the declarations itself and lets msgspec judge single values.
A Struct may have a method ``faults()`` that yields `Fault`s (paths relative to it) on how its values fit
together; it is asked once all of them are there.
"""

from __future__ import annotations

import enum
import types
import typing
from difflib import get_close_matches
from typing import Annotated, Any, Final, NamedTuple, Protocol, final, runtime_checkable

import msgspec

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Fault(NamedTuple):
    """One thing wrong: the key's path (``m3ua.peers[0].role``), and what, with what is allowed."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class ConfigError(ValueError):
    """The configuration can't be used; ``faults`` are all that were found."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))


class AbsentError(ValueError):
    """What a value refers to is not there; ``stand_in`` is used while the rest is checked."""

    def __init__(self, reason: str, stand_in: object) -> None:
        super().__init__(reason)
        self.stand_in = stand_in


@runtime_checkable
class Checked(Protocol):
    """A Struct whose values must fit together."""

    def faults(self) -> Iterator[Fault]:
        """Yield what does not fit."""
        ...


@final
class _Bad:
    """In place of a value that could not be read."""


BAD: Final = _Bad()
_SEQUENCES: Final[dict[Any, Callable[[list[Any]], Any]]] = {tuple: tuple, frozenset: frozenset, list: list}
_NATURAL: Final[dict[Any, str]] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
}


class TableReader:
    """Reads values of declared types out of what tomllib returned; ``faults`` gathers what is wrong.

    Args:
        parsers: of types that msgspec knows nothing of: they raise `ValueError` in words.
    """

    def __init__(self, parsers: Mapping[Any, Callable[[object], object]]) -> None:
        self.faults: list[Fault] = []
        self._parsers = parsers
        self._absent: set[str] = set()

    def struct(self, kind: type[msgspec.Struct], table: object, path: str) -> Any:
        """Return a ``kind``, or `BAD`."""
        if not isinstance(table, dict):
            self._fault(path, f"must be a table, not {_shown(table)}")
            return BAD
        names = kind.__struct_fields__
        for key in table:
            if key not in names:
                self._fault(_join(path, key), f"unknown key{did_you_mean(key, names)}")
        hints = typing.get_type_hints(kind, include_extras=True)
        values: dict[str, Any] = {}
        for field in msgspec.structs.fields(kind):
            at = _join(path, field.name)
            if field.name in table:
                values[field.name] = self.value(hints[field.name], table[field.name], at)
            elif field.required:
                self._fault(at, "required, but not given")
                values[field.name] = BAD
        if BAD in values.values():
            return BAD
        return self._built(kind, values, path)

    def _built(self, kind: type[msgspec.Struct], values: dict[str, Any], path: str) -> Any:
        try:
            built = kind(**values)
        except ValueError as error:
            self._fault(path, str(error))
            return BAD
        if isinstance(built, Checked):
            for fault in built.faults():
                self._fault(_join(path, fault.path), fault.reason)
        return built

    def value(self, hint: Any, value: object, path: str) -> Any:
        """Return ``value`` as what ``hint`` declares, or `BAD`."""
        plain = _member(hint, value)
        bare = typing.get_args(plain)[0] if typing.get_origin(plain) is Annotated else plain
        origin = typing.get_origin(bare)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            return self.struct(bare, value, path)
        if origin in _SEQUENCES:
            return self._sequence(origin, typing.get_args(bare)[0], value, path)
        if origin is dict:
            return self._tables(typing.get_args(bare)[1], value, path)
        try:
            if bare in self._parsers:
                return self._parsers[bare](value)
            return msgspec.convert(value, plain)
        except msgspec.ValidationError as error:
            self._fault(path, f"{_shown(value)} is not allowed: {_allowed(plain, bare, str(error))}")
        except AbsentError as error:
            self._fault(path, str(error))
            self._absent.add(path)
            return error.stand_in
        except ValueError as error:
            self._fault(path, str(error))
        return BAD

    def _sequence(self, container: Any, item: Any, value: object, path: str) -> Any:
        if not isinstance(value, list):
            self._fault(path, f"must be a list{_as_list(item, value, path)}, not {_shown(value)}")
            return BAD
        items = [self.value(item, one, f"{path}[{index}]") for index, one in enumerate(value)]
        return BAD if BAD in items else _SEQUENCES[container](items)

    def _tables(self, item: Any, value: object, path: str) -> Any:
        if not isinstance(value, dict):
            self._fault(path, f"must be a table, not {_shown(value)}")
            return BAD
        if item is Any:
            return value
        tables = {key: self.value(item, one, _join(path, key)) for key, one in value.items()}
        return BAD if BAD in tables.values() else tables

    def _fault(self, path: str, reason: str) -> None:
        if path not in self._absent:
            self.faults.append(Fault(path, reason))


def _member(hint: Any, value: object) -> Any:
    """Return the member of a union that ``value`` is to be read as: a list as a sequence, else the first.

    TOML has no null, so None is never the one. (And msgspec.convert must not be given a union of a
    constrained string and a sequence: 0.22 frees memory twice when it lets go of such a type.)
    """
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    rest = [one for one in typing.get_args(hint) if one is not type(None)]
    lists = [one for one in rest if typing.get_origin(one) in _SEQUENCES]
    return lists[0] if lists and isinstance(value, list) else rest[0]


def _allowed(hint: Any, bare: Any, otherwise: str) -> str:
    """Say which values ``hint`` allows: its description, an enumeration, a range, or what msgspec says."""
    meta = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, msgspec.Meta)), None)
    if meta is not None and meta.description:
        return meta.description
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return "one of " + ", ".join(str(one.value) for one in bare)
    if typing.get_origin(bare) is typing.Literal:
        return "one of " + ", ".join(str(one) for one in typing.get_args(bare))
    natural = _NATURAL.get(bare)
    if natural is None or (meta is not None and (meta.pattern or meta.max_length)):
        return otherwise.partition(" - at ")[0][0].lower() + otherwise.partition(" - at ")[0][1:]
    if meta is None:
        return natural
    low = meta.ge if meta.ge is not None else meta.gt
    high = meta.le if meta.le is not None else meta.lt
    return natural + (f" from {low}" if low is not None else "") + (f" to {high}" if high is not None else "")


def _as_list(item: Any, value: object, path: str) -> str:
    """Say how ``value`` is written where a list of ``item`` is wanted: what people leave out are brackets."""
    if isinstance(item, type) and issubclass(item, msgspec.Struct):
        return f" of tables, each under [[{path}]]" if isinstance(value, dict) else ""
    return f", [{_shown(value)}]" if isinstance(value, (str, int)) else ""


def did_you_mean(key: str, names: tuple[str, ...]) -> str:
    """Return what follows on "there is no such key": the name that is nearest, else all that there are."""
    close = get_close_matches(key, names, 1, 0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are: {', '.join(names)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _shown(value: object) -> str:
    """A value for an error message, short. Secrets never come here: their own parser refuses them."""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else f"{text[:57]}…"
