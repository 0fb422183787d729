"""Values that TOML has no type for: point codes, addresses with a port, secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from scp.services.tables import AbsentError
from ss7.errors import EncodeError
from ss7.pointcode import format_point_code, parse_point_code

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
class PointCode(int):
    """A signalling point code, 0..16383 (Q.704 §2.2: 14 bits); shown as ``zone-area-point`` (Q.708 §2)."""

    @classmethod
    def parse(cls, value: object) -> PointCode:
        """Read ``"0-23-1"`` or an integer; raises `ValueError`."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError(f"{value!r} is not a point code: write zone-area-point or an integer")  # noqa: TRY004
        try:
            return cls(parse_point_code(value))
        except EncodeError as error:
            raise ValueError(error.reason) from None

    def __str__(self) -> str:
        return format_point_code(self)

    def __repr__(self) -> str:
        return f"PointCode({str(self)!r})"


_HOST: Final = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<name>[A-Za-z0-9._-]*)")


@final
class HostPort:
    """Where to listen: ``127.0.0.1:8080``, ``[::1]:8080``, or ``:8080`` for every address.

    Attributes:
        host: the address or name, "" for every address.
        port: 0..65535; 0 lets the system choose.
    """

    __slots__ = ("host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    @classmethod
    def parse(cls, value: object) -> HostPort:
        """Read ``HOST:PORT``; raises `ValueError`."""
        if isinstance(value, str):
            host, colon, port = value.rpartition(":")
            found = _HOST.fullmatch(host)
            if colon and found and port.isascii() and port.isdigit() and int(port[:6]) <= 65535:
                return cls(found["v6"] or found["name"] or "", int(port))
        raise ValueError(f"{value!r} is not HOST:PORT with a port from 0 to 65535, e.g. 127.0.0.1:8080")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"HostPort({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostPort) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))


_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^/@]*?:)?[^/@]*@")


@final
class Secret:
    """A string that must not be shown. ``str`` and ``repr`` never contain it; `reveal` does.

    Attributes:
        origin: where it came from: ``env:NAME``, ``file:PATH`` or "" for the configuration itself.
    """

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "") -> None:
        self._value = value
        self.origin = origin

    @classmethod
    def parse(cls, value: object, environ: Mapping[str, str]) -> Secret:
        """Read a string, ``env:NAME`` or ``file:PATH``.

        Raises:
            AbsentError: there is no such variable or file.
            ValueError: it is no string or no text. No error shows the value.
        """
        if not isinstance(value, str):
            raise ValueError("must be a string, env:NAME or file:PATH")  # noqa: TRY004 - a fault of the file
        scheme, _, name = value.partition(":")
        if scheme == "env":
            if name not in environ:
                raise AbsentError(f"the environment has no variable {name}", cls("", value))
            return cls(environ[name], value)
        if scheme == "file":
            try:
                return cls(Path(name).read_text(encoding="utf-8").rstrip("\r\n"), value)
            except OSError as error:
                raise AbsentError(f"{name}: {error.strerror}", cls("", value)) from None
            except UnicodeDecodeError:
                raise ValueError(f"{name}: not UTF-8 text") from None
        return cls(value)

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    @property
    def url(self) -> str:
        """The secret as a URL fit to be shown: without user and password."""
        return _PASSWORD.sub("***@", self._value)

    def __str__(self) -> str:
        return self.origin or "***"

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)
