"""Script calls that go as lookups do: those of one turn share a system call, none makes a task or a future.

A call of a Lua script through redis-py costs the node 30 µs, here it costs 3: see `scp.store.redis_lookup`.
"""

from __future__ import annotations

import asyncio
from hashlib import sha1
from typing import TYPE_CHECKING, Final, final

import hiredis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.store.redis_deployment import Deployment
    from scp.store.redis_requests import Reply, Requests

_DIGEST: Final = 40


@final
class HotScript:
    """A script as octets of RESP: what comes before its arguments, and before its keys.

    Args:
        text: in Lua.
        keys: how many it has.
        arguments: how many it has.
    """

    def __init__(self, text: str, keys: int, arguments: int) -> None:
        octets = text.encode()
        digest = sha1(octets, usedforsecurity=False).hexdigest().encode()
        self.call = b"$7\r\nEVALSHA\r\n$%d\r\n%b\r\n" % (_DIGEST, digest)
        self.whole = b"$4\r\nEVAL\r\n$%d\r\n%b\r\n" % (len(octets), octets)
        self.head = b"*%d\r\n%b%b" % (3 + keys + arguments, self.call, bulk(b"%d" % keys))

    def with_keys(self, keys: Sequence[bytes]) -> bytes:
        """Return what comes before the arguments of a call with these keys."""
        return self.head + b"".join([bulk(key) for key in keys])


def bulk(octets: bytes) -> bytes:
    """Return one word of a command."""
    return b"$%d\r\n%b\r\n" % (len(octets), octets)


class HotCall:
    """A script call on its way, a `scp.store.redis_lookup.Lookup`: a subclass takes its reply.

    Args:
        calls: through which it goes.
        script: which is called.
        bucket: whose link it takes.
        octets: of the whole command.
    """

    __slots__ = ("bucket", "calls", "octets", "redirects", "script")

    def __init__(self, calls: HotCalls, script: HotScript, bucket: int, octets: bytes) -> None:
        self.calls = calls
        self.script = script
        self.bucket = bucket
        self.octets: bytes = octets
        self.redirects: int = 0

    def reply(self, value: Reply) -> None:
        """See `Lookup`: an error may be a redirection, or say that the server does not have the script."""
        if type(value) is hiredis.ReplyError:
            text = str(value)
            if not self.calls.again(self, text):
                self.failed(text)
        else:
            self.answered(value)

    def answered(self, value: Reply) -> None:
        """Take the script's answer."""
        raise NotImplementedError

    def lost(self) -> None:
        """Note that the connection went down first."""
        raise NotImplementedError

    def failed(self, error: str) -> None:
        """Take the server's error."""
        raise NotImplementedError


@final
class HotCalls:
    """Sends script calls over a deployment's links, one a bucket.

    Args:
        deployment: whose links are spread over the buckets.
        most: calls that may wait for their replies on one connection.
    """

    def __init__(self, deployment: Deployment, most: int) -> None:
        self._deployment = deployment
        self._most = most

    def send(self, call: HotCall) -> bool:
        """Send a call with this turn's others; False: no connection, or too many wait on it."""
        links = self._deployment.links
        connection = links[call.bucket].connection if links else None
        if connection is None:
            return False
        requests: Requests = connection.requests
        if len(requests.pending) >= self._most:
            return False
        requests.send(call.octets, call)
        return True

    def again(self, call: HotCall, error: str) -> bool:
        """Follow a redirection, or send the script's text to a server that does not have it; else False."""
        script = call.script
        if error.startswith("NOSCRIPT") and script.call in call.octets:
            call.octets = call.octets.replace(script.call, script.whole, 1)
            if not self.send(call):
                asyncio.get_running_loop().call_soon(call.lost)
            return True
        return self._deployment.redirect(call, error)
