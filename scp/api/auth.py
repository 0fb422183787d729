"""Authentication and rate limits: bearer tokens (RFC 6750), their scopes, requests a second."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Final, final

from scp.api.problems import MISSING_SCOPE, TOO_MANY, UNAUTHENTICATED, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from litestar.connection import ASGIConnection

    from scp.config import ApiKey, Scope
    from scp.ports import Clock

_REALM: Final = 'Bearer realm="camel-scp"'
_INVALID: Final = f'{_REALM}, error="invalid_token"'


@final
class Keyring:
    """The keys of ``[[api.keys]]``. Only hashes are kept, and every comparison takes as long as any other.

    Args:
        keys: of the configuration.
        wall: seconds since 1970.
    """

    def __init__(self, keys: Sequence[ApiKey], wall: Callable[[], float] = time.time) -> None:
        self._keys = [(bytes.fromhex(key.sha256.reveal()), key) for key in keys]
        self._wall = wall

    def holder(self, token: str) -> ApiKey | None:
        """Return the key of a token that is valid now, None if there is none."""
        key = self.known(token)
        return None if key is None or self.expired(key) else key

    def expired(self, key: ApiKey) -> bool:
        """Whether a key's last day is over."""
        return self._wall() * 1000 >= key.until_ms

    def known(self, token: str) -> ApiKey | None:
        """Return the key of a token, an expired one only if no other key has the same token.

        All keys are compared, whichever fits.
        """
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        found = None
        for expected, key in self._keys:
            if hmac.compare_digest(expected, digest) and (found is None or not self.expired(key)):
                found = key
        return found


@final
class RateLimiter:
    """A token bucket for each key: ``burst`` requests at once, ``rate`` a second in the long run."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Count a request of the key ``name``; return 0, or in how many seconds the next one is welcome."""
        now = self._clock()
        left, since = self._buckets.get(name, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._rate)
        allowed = left >= 1
        self._buckets[name] = (left - allowed, now)
        return 0.0 if allowed else (1 - left) / self._rate


def expired(name: str, until: str | None) -> str:
    """Return, in words, that the token of a key of this name has expired."""
    return f"the token of key {name} has expired: its last day was {until} (UTC)"


def bearer(header: str | None) -> str:
    """Return the token of an ``Authorization`` header, "" if it has none (its case does not matter)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def authenticate(
    connection: ASGIConnection[Any, Any, Any, Any], keyring: Keyring, limiter: RateLimiter, scope: Scope
) -> None:
    """Let a request pass, its key in ``connection.scope["auth"]`` from then on.

    Raises:
        ProblemError: no token, or one that is unknown or has expired (401; RFC 6750 §3.1 has one code for
            both, the detail says which), one without the scope (403), too many requests (429).
    """
    token = bearer(connection.headers.get("authorization"))
    if not token:
        raise ProblemError(UNAUTHENTICATED, "no bearer token", headers={"WWW-Authenticate": _REALM})
    key = keyring.known(token)
    if key is None:
        raise ProblemError(UNAUTHENTICATED, "unknown token", headers={"WWW-Authenticate": _INVALID})
    if keyring.expired(key):
        raise ProblemError(
            UNAUTHENTICATED, expired(key.name, key.until), headers={"WWW-Authenticate": _INVALID}
        )
    connection.scope["auth"] = key
    seconds = limiter.wait(key.name)
    if seconds:
        raise ProblemError(
            TOO_MANY, f"key {key.name}", headers={"Retry-After": str(max(1, round(seconds + 0.5)))}
        )
    if scope not in key.scopes:
        challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
        raise ProblemError(
            MISSING_SCOPE, f"key {key.name} lacks {scope}", headers={"WWW-Authenticate": challenge}
        )
