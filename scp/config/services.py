"""``[services]``: checks that need no service to be loaded."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from scp.config.reader import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SERVICE_KEY: Final = 2**31 - 1  # 29.078 §5.1: ServiceKey is MAP's Integer4
MARKED_SERVICES: Final = frozenset({"voip-forwarding"})
BUILT_IN: Final = ("controlled", "voip-forwarding")


def default_services() -> dict[str, dict[str, Any]]:
    """Return what ``[services]`` is without the table: numbers marked with 99, for service key 100."""
    return {"voip-forwarding": {"service_keys": [100], "prefix": "99"}}


def _meant(name: str, tables: dict[str, Any]) -> str:
    """Return which service a table without service keys is perhaps meant for: its name has a typing error."""
    near = difflib.get_close_matches(name, sorted({*BUILT_IN, *tables} - {name}), n=1)
    return f"; did you mean services.{near[0]}?" if near and name not in BUILT_IN else ""


def service_faults(tables: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with ``[services]`` as far as it can be told without the services themselves."""
    owners: dict[int, str] = {}
    for name, table in tables.items():
        path = f"services.{name}"
        if not isinstance(table, dict):
            yield Fault(path, "must be a table")
            continue
        keys = table.get("service_keys")
        if not isinstance(keys, list) or not keys:
            yield Fault(
                f"{path}.service_keys", "a list of one or more service keys is needed" + _meant(name, tables)
            )
            keys = []
        for index, key in enumerate(keys):
            at = f"{path}.service_keys[{index}]"
            if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key <= MAX_SERVICE_KEY:
                yield Fault(at, f"{key!r} is not allowed: an integer from 0 to {MAX_SERVICE_KEY}")
            elif key in owners:
                again = "given twice" if owners[key] == name else f"bound to services.{owners[key]} already"
                yield Fault(at, f"service key {key} is {again}")
            else:
                owners[key] = name
        if name in MARKED_SERVICES:
            yield from _mark_faults(path, table)


def _mark_faults(path: str, table: dict[str, Any]) -> Iterator[Fault]:
    """Exactly one mark, of address signals that Q.763 §3.9 has."""
    given = [key for key in ("prefix", "suffix") if table.get(key, "") != ""]
    if len(given) != 1:
        yield Fault(f"{path}.prefix", "give either prefix or suffix, one of them")
    for key in given:
        value = table[key]
        if not isinstance(value, str) or re.fullmatch(r"[0-9A*#DE]{1,16}", value, re.ASCII) is None:
            yield Fault(
                f"{path}.{key}", f"{value!r} is not allowed: 1 to 16 digits (or *, #, A, D, E, Q.763 §3.9)"
            )
