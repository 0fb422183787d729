"""Types of single values that several tables share: names, numbers, addresses, with their ranges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Protocol, TypeAlias, TypeVar

from msgspec import Meta

from scp.config.reader import Fault
from scp.config.values import HostPort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scp.config.values import Secret

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

Day: TypeAlias = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z", description="YYYY-MM-DD")]
NEVER_MS: Final = 1 << 62
"""A time that does not come, in milliseconds since 1970."""


def end_of_day_ms(day: str | None) -> int:
    """Return when a day is over in UTC, in milliseconds since 1970; `NEVER_MS` for none.

    Raises:
        ValueError: the calendar has no such day.
    """
    if day is None:
        return NEVER_MS
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + 86_400) * 1000


class Dated(Protocol):
    """A key that may have a last day."""

    @property
    def name(self) -> str:
        """Whose it is."""
        ...

    @property
    def until(self) -> str | None:
        """Its last day, in UTC."""
        ...

    @property
    def until_ms(self) -> int:
        """When it is not valid any more, in milliseconds since 1970."""
        ...


def expired_keys(keys: Iterable[Dated], now_ms: float) -> Iterator[str]:
    """Yield in words which keys are not valid any more."""
    for key in keys:
        if key.until_ms <= now_ms:
            yield f"the API key {key.name} has expired: its last day was {key.until} (UTC)"


class Named(Protocol):
    """A key of an API with a name and a hash of its token."""

    @property
    def name(self) -> str:
        """Whose it is."""
        ...

    @property
    def sha256(self) -> Secret:
        """Of its token, in hexadecimal digits."""
        ...


def key_faults(keys: Iterable[Named]) -> Iterator[Fault]:
    """Yield keys that have the name or the token of another: who asked could not be told apart."""
    names: dict[str, int] = {}
    tokens: dict[str, tuple[int, str]] = {}
    for index, key in enumerate(keys):
        if names.setdefault(key.name, index) != index:
            yield Fault(f"keys[{index}].name", f"{key.name} is keys[{names[key.name]}]'s name already")
        first, whose = tokens.setdefault(key.sha256.reveal().lower(), (index, key.name))
        if first != index:
            yield Fault(f"keys[{index}].sha256", f"{key.name} has the token of keys[{first}], {whose}")


def day_faults(key: str, day: str | None) -> Iterator[Fault]:
    """Yield a fault if the calendar has no such day."""
    try:
        end_of_day_ms(day)
    except ValueError:
        yield Fault(key, f"{day} is no day")


def one_or_more(value: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the values of a key that takes one or a list."""
    return value if isinstance(value, tuple) else (value,)


def each_once(key: str, values: tuple[Value, ...]) -> Iterator[Fault]:
    """Yield a fault if a list is empty or has a value twice."""
    if not values:
        yield Fault(key, "one or more are needed")
    elif len(set(values)) < len(values):
        yield Fault(key, "each once")
