"""Types of single values that several tables share: names, numbers, addresses, with their ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

from msgspec import Meta

from scp.config.reader import Fault
from scp.config.values import HostPort

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = TypeVar("Value", int, str, HostPort)

NAME: Final = r"^[A-Za-z0-9._-]{1,64}\Z"
NAME_WORDS: Final = "1 to 64 letters, digits, '.', '_' and '-'"
Name: TypeAlias = Annotated[str, Meta(pattern=NAME, description=NAME_WORDS)]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
UInt32: TypeAlias = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.01, le=3600, description="seconds, from 0.01 to 3600")]
Address: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9A-Za-z:.%_-]{1,255}\Z", description="an IP address or a host name")
]
Ssn: TypeAlias = Annotated[int, Meta(ge=2, le=254)]
GlobalTitle: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{1,15}\Z", description="1 to 15 digits (E.164, without +)")
]
Caller: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,15}|[0-7]-[0-9]{1,3}-[0-7])\Z",
        description="the first digits of a global title, or a point code as zone-area-point",
    ),
]


def one_or_more(value: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values of a key that takes one or a list."""
    return value if isinstance(value, tuple) else (value,)


def each_once(key: str, values: tuple[Value, ...]) -> Iterator[Fault]:
    """Yield a fault if a list is empty or has a value twice."""
    if not values:
        yield Fault(key, "one or more are needed")
    elif len(set(values)) < len(values):
        yield Fault(key, "each once")
