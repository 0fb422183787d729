"""Reads a service's own table of the configuration into its settings, with errors that begin with the key."""

from __future__ import annotations

import re
from enum import EnumMeta
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_type_hints

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Settings = TypeVar("Settings", bound=msgspec.Struct)

# How msgspec says where: a path at the end, or the field's name where the field itself is the fault.
_AT: Final = re.compile(r" - at `\$\.?(?P<key>[^`]*)`$")
_FIELD: Final = re.compile(r"(?P<fault>unknown|missing required) field `(?P<key>[^`]*)`")


def read_settings(table: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Return ``table`` as a ``kind``, a Struct that forbids unknown fields.

    Raises:
        ValueError: ``"KEY: what is wrong"``.
    """
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise ValueError(_with_key_first(str(error)) + _choice(kind, str(error))) from None


def _choice(kind: type[msgspec.Struct], text: str) -> str:
    """Return what an enumeration allows, where a word that it does not have is the fault."""
    at = _AT.search(text)
    if at is None or not text.startswith("Invalid enum value"):
        return ""
    hint = get_type_hints(kind).get(at["key"])
    for one in (hint, *get_args(hint)):
        if isinstance(one, EnumMeta):
            members: Iterable[Any] = one
            return f": one of {', '.join(str(member.value) for member in members)}"
    return ""


def _with_key_first(text: str) -> str:
    at = _AT.search(text)
    path = at["key"] if at else ""
    if at:
        text = text[: at.start()]
    field = _FIELD.search(text)
    if field:
        path = f"{path}.{field['key']}" if path else field["key"]
        text = "unknown key" if field["fault"] == "unknown" else "required, but not given"
    return f"{path}: {text}" if path else text
