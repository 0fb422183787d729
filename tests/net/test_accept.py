"""Access control of a listener: a connection is decided about once, and an association is kept while it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from scp.net.accept import AccessControl

HOST = "192.0.2.1"


class Door:
    """Access control whose user is lent to nobody yet, and what it does to one connection."""

    def __init__(self, *, allowed: tuple[str, ...] = (), user: Any = None) -> None:
        self.did: list[object] = []
        self.decide: Callable[[Any], None] = lambda _: None
        self.control: AccessControl[Any] = AccessControl(
            lambda _: user, allowed, lambda address, why: self.did.append((address, why)), self.contend
        )

    def contend(self, _address: str, decide: Callable[[Any], None]) -> None:
        self.decide = decide

    def connection(self, address: str = HOST) -> None:
        self.control.decide(address, self.admit, self.drop)

    def admit(self, user: object) -> None:
        self.did.append(user)

    def drop(self) -> None:
        self.did.append("dropped")


class Established:
    """An association; `close` is kept, and ends nothing by itself."""

    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self.transport = self
        self.closed: list[bool] = []

    def close(self, *, abort: bool) -> None:
        self.closed.append(abort)


def test_a_connection_is_decided_about_once() -> None:
    async def scenario() -> None:
        door = Door()
        door.connection()
        assert door.did == []
        door.decide("user")
        assert door.did == [(HOST, "user"), "dropped"]  # a text is why not
        door.decide("again")
        door.decide(42)
        assert len(door.did) == 2
        await door.control.close(abort=True)
        assert len(door.did) == 2

    asyncio.run(scenario())


def test_what_is_decided_after_the_listener_closed_admits_nobody() -> None:
    async def scenario() -> None:
        door = Door()
        door.connection()
        await door.control.close(abort=False)
        door.decide(42)
        assert door.did == ["dropped"]

    asyncio.run(scenario())


def test_a_connection_that_was_admitted_is_not_dropped_when_the_listener_closes() -> None:
    async def scenario() -> None:
        door = Door(user=42)
        door.connection()
        await door.control.close(abort=False)
        assert door.did == [42]

    asyncio.run(scenario())


def test_who_is_not_allowed_is_refused_whether_or_not_there_is_a_user() -> None:
    async def scenario() -> None:
        for user in (None, 42):
            door = Door(allowed=("192.0.2.9", "::ffff:192.0.2.8"), user=user)
            await door.control.open()
            door.connection()
            assert door.did == [(HOST, "not in remote"), "dropped"]
        door.connection("192.0.2.8")
        assert door.did[2:] == [42]

    asyncio.run(scenario())


def test_an_association_is_kept_until_it_is_lost_and_a_listener_that_closes_waits_for_that() -> None:
    async def scenario() -> None:
        control = Door().control
        gone, stays = Established(), Established()
        control.add(gone)
        control.add(stays)
        gone.lost.set_result(None)
        await asyncio.sleep(0)
        assert control.present == {stays}
        for abort in (False, True):
            stays.closed.clear()
            closing = asyncio.ensure_future(control.close(abort=abort))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (stays.closed, gone.closed, closing.done()) == ([abort], [], False)
            closing.cancel()
        stays.lost.set_result(None)
        await control.close(abort=True)
        assert not control.present

    asyncio.run(scenario())
