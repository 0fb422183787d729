"""M3UA over SCTP: connecting to a peer and being connected to, with several addresses on either side."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, final

from scp.net.accept import AccessControl
from scp.net.addresses import plain, resolve
from scp.net.reconnect import Backoff, DialError, Reconnect
from scp.net.sctp_association import QUIET, SctpAssociation, Watcher, error_text
from scp.net.sctp_socket import SctpSettings, SctpSocket, family_of, open_socket
from scp.net.tcp import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from scp.net.accept import Contend
    from scp.ports import TransportUser

ACCEPTS: Final = 16
BACKLOG: Final = 64


@final
class Connector(Reconnect["tuple[str, ...]"]):
    """The connecting side: keeps one association up, to a host with one or several addresses.

    All its addresses are tried within one attempt (the kernel's INIT goes to the next when one is silent),
    and each attempt begins with the one after that of the attempt before.

    Args:
        name: the peer's name in logs and metrics.
        remotes: addresses (or host names) of the one peer.
        port: the port of all of them.
        user: is told of associations and messages; stays the same over reconnections.
        random: for the jitter of the back-off.
        local: our addresses of the association; empty: all that the system has.
        local_port: 0: the system chooses.
        backoff: between rounds of attempts.
        failed: called with the reason, in words, of each attempt that failed.
        settings: protocol parameters.
        watcher: told what the association goes through.
        connect_timeout: seconds that one attempt may take.
    """

    def __init__(
        self,
        name: str,
        remotes: Sequence[str],
        port: int,
        user: TransportUser,
        *,
        random: Random,
        local: Sequence[str] = (),
        local_port: int = 0,
        backoff: Backoff | None = None,
        failed: Callable[[str], None] | None = None,
        settings: SctpSettings | None = None,
        watcher: Watcher = QUIET,
        connect_timeout: float = 5.0,
    ) -> None:
        self.name = name
        self._port = port
        self._user = user
        self._local = local
        self._local_port = local_port
        self._settings = settings or SctpSettings()
        self._watcher = watcher
        self._connect_timeout = connect_timeout
        rotations = [tuple(remotes[first:]) + tuple(remotes[:first]) for first in range(len(remotes))]
        super().__init__(rotations, self._connect, random, backoff=backoff, failed=failed)

    async def _connect(self, remotes: tuple[str, ...]) -> SctpAssociation:
        whom = f"{', '.join(remotes)} port {self._port}"
        try:
            async with asyncio.timeout(self._connect_timeout):
                addresses = await resolve(remotes)
                local = await resolve(self._local)
                return await self._set_up(addresses, local)
        except TimeoutError:
            raise DialError(f"{whom}: no answer in {self._connect_timeout:g} s") from None
        except OSError as error:
            raise DialError(f"{whom}: {error_text(error)}") from error

    async def _set_up(self, addresses: list[str], local: list[str]) -> SctpAssociation:
        endpoint = open_socket(family_of((*addresses, *local)), self._settings)
        try:
            endpoint.bind(local, self._local_port)
            endpoint.connect(addresses, self._port)
            await _writable(endpoint)
            endpoint.check()
        except (OSError, asyncio.CancelledError):
            endpoint.close()
            raise
        association = SctpAssociation(self.name, endpoint, self._user, Limits(), self._watcher)
        association.begin(self._port, [plain(each) for each in addresses])
        return association


@final
class Listener:
    """The listening side: accepts associations and gives each its own user.

    Args:
        name: the name in logs and metrics; an association is called ``name/address``.
        addresses: local addresses, all of them part of every association; empty: all.
        port: the port; 0 takes a free one, see `port`.
        user_factory: makes the user of an association, given the remote address; None refuses it.
        allowed: addresses or host names that may set one up; empty: all.
        refused: called with the remote address of each association that was refused, and why.
        contend: see `AccessControl`.
        settings: protocol parameters.
        watcher: told what the associations go through.
    """

    def __init__(
        self,
        name: str,
        addresses: Sequence[str],
        port: int,
        user_factory: Callable[[str], TransportUser | None],
        *,
        allowed: Sequence[str] = (),
        refused: Callable[[str, str], None] | None = None,
        contend: Contend | None = None,
        settings: SctpSettings | None = None,
        watcher: Watcher = QUIET,
    ) -> None:
        self.name = name
        self._reception: AccessControl[SctpAssociation] = AccessControl(
            user_factory, allowed, refused, contend
        )
        self._addresses = addresses
        self._port = port
        self._settings = settings or SctpSettings()
        self._watcher = watcher
        self._socket: SctpSocket | None = None

    @property
    def connections(self) -> set[SctpAssociation]:
        """The associations that are up."""
        return self._reception.present

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port if self._socket is None else int(self._socket.raw.getsockname()[1])

    async def start(self) -> None:
        """Bind the socket and listen on it.

        Raises:
            NoSctpError: there is no SCTP here.
            OSError: an address or the port can't be had.
        """
        await self._reception.open()
        endpoint = self._open(await resolve(self._addresses))
        self._socket = endpoint
        asyncio.get_running_loop().add_reader(endpoint.fileno(), self._accept)

    def _open(self, addresses: list[str]) -> SctpSocket:
        family = family_of(addresses)
        endpoint = None
        if not addresses and socket.has_ipv6:
            try:
                endpoint = open_socket(socket.AF_INET6, self._settings)
            except OSError:
                endpoint = None  # a kernel with SCTP but without IPv6
        endpoint = endpoint or open_socket(family, self._settings)
        try:
            endpoint.bind(addresses, self._port)
            endpoint.raw.listen(BACKLOG)
        except OSError:
            endpoint.close()
            raise
        return endpoint

    async def close(self, *, abort: bool = False) -> None:
        """Stop listening, shut all associations down and wait for their end."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        await self._reception.close(abort=abort)

    def _accept(self) -> None:
        listening = self._socket
        if listening is None:
            return
        for _ in range(ACCEPTS):
            try:
                raw, peer = listening.raw.accept()
            except BlockingIOError:
                return
            except OSError as error:  # it was gone before it was accepted, or there are no descriptors left
                self._watcher.note(f"no association could be accepted: {error_text(error)}", True)
                return
            self._take(self._settings.wrapped(raw), plain(peer[0]), int(peer[1]))

    def _take(self, endpoint: SctpSocket, address: str, port: int) -> None:
        """Decide about an association that was just accepted; it is not read meanwhile."""

        def admit(user: TransportUser) -> None:
            name = f"{self.name}/{address}"
            association = SctpAssociation(name, endpoint, user, Limits(), self._watcher)
            self._reception.add(association)
            association.begin(port)

        self._reception.decide(address, admit, endpoint.abort)


async def _writable(endpoint: SctpSocket) -> None:
    """Wait until a connecting socket is connected or has failed."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_writer(endpoint.fileno(), ready)
    try:
        await done
    finally:
        loop.remove_writer(endpoint.fileno())
