"""Comparison of the replay's answers with those of the capture's SCP, field by field.

Transaction and invoke ids are each side's own and are not compared.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from scp.capture.tcap_view import tcap_json
from scp.capture.wire.transaction import with_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scp.replay.dialogues import ReplayedDialogue


class Verdict(StrEnum):
    """How the two answers compare."""

    SAME = "same"
    DIFFERENT = "different"
    UNANSWERED = "unanswered"  # the capture has no answer: its SCP was silent, or the capture misses it
    SILENT = "silent"  # we have none


class Difference(Struct, frozen=True):
    """One field that is not the same; "" where a side does not have it.

    Attributes:
        field: path into what ``decode --json`` shows of the answer.
        theirs: value in the answer of the capture's SCP.
        ours: value in the answer of our service.
    """

    field: str
    theirs: str
    ours: str


_ID: Final = b"\0\0\0\0"
_NOT_COMPARED: Final = frozenset({"otid", "dtid", "invoke_id"})
_NAMES: Final = frozenset({"operation", "opcode", "error", "error_code"})
_COMPONENT: Final = "@"
_MAX_DIFFERENCES: Final = 50


def verdict_of(replayed: ReplayedDialogue) -> Verdict:
    """Return how the answers compare; equal octets are not decoded."""
    ours, theirs = replayed.ours, replayed.theirs
    if not theirs:
        return Verdict.UNANSWERED
    if ours == theirs:
        return Verdict.SAME
    if not ours:
        return Verdict.SILENT
    return Verdict.DIFFERENT if differences(replayed) else Verdict.SAME


def differences(replayed: ReplayedDialogue) -> list[Difference]:
    """Return every field in which the two sequences of answers differ.

    Components are compared with those of the same operation; which ones there are is a field of its own.
    """
    found: list[Difference] = []
    for index in range(max(len(replayed.theirs), len(replayed.ours))):
        theirs, ours = _at(replayed.theirs, index), _at(replayed.ours, index)
        prefix = f"answer[{index + 1}]." if index else ""
        found += between(theirs, ours, replayed.version, prefix)
        if len(found) >= _MAX_DIFFERENCES:
            break
    return found[:_MAX_DIFFERENCES]


def between(theirs: bytes, ours: bytes, version: int, prefix: str = "") -> list[Difference]:
    """Return the fields in which two messages of a dialogue of this CAP version differ; b"" has none."""
    if theirs and ours and _without_ids(theirs) == _without_ids(ours):
        return []
    found: list[Difference] = []
    one, other = dict(_flat(theirs, version)), dict(_flat(ours, version))
    for field in {**one, **other}:
        part = field.partition(".")[0]
        if part[:1] == _COMPONENT and not (part in one and part in other):
            continue
        if one.get(field, "") != other.get(field, ""):
            name = prefix + field.lstrip(_COMPONENT)
            found.append(Difference(name, one.get(field, ""), other.get(field, "")))
    return found


def _at(messages: Sequence[bytes], index: int) -> bytes:
    return messages[index] if index < len(messages) else b""


def _without_ids(octets: bytes) -> bytes:
    return with_ids(octets, _ID, _ID)


def _flat(octets: bytes, version: int) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a message, those of a component behind a mark and its name."""
    if not octets:
        return
    shown = tcap_json(octets, version)
    message = dict(shown["tcap"])
    yield "message", str(message.pop("type", "undecodable"))
    names: list[str] = []
    for component in shown.get("components", ()):
        name = str(component.get("operation") or component.get("error") or component["type"])
        number = sum(each == name for each in names) + 1
        names.append(name)
        mark = _COMPONENT + (name if number == 1 else f"{name}[{number}]")
        yield mark, ""
        yield from leaves({key: item for key, item in component.items() if key not in _NAMES}, mark)
    yield "components", " + ".join(names)
    yield from leaves(message, "tcap")


def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every leaf of a JSON value, save ids."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in _NOT_COMPARED:
                yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index + 1}]")
    else:
        yield path, "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
