"""Which nodes are running, by the entries that they renew."""

from __future__ import annotations

import asyncio

import msgspec

from scp.failover.presence import IDENTITY, NodeAddress, Presence, addresses
from scp.store.redis_membership import Member


class Entries:
    """A membership in memory."""

    def __init__(self) -> None:
        self.members: dict[bytes, int] = {}

    async def renew(self, identity: str, node: bytes, for_ms: int) -> list[Member]:
        assert identity == IDENTITY
        self.members[node] = for_ms
        return [Member(each, until) for each, until in self.members.items()]

    async def remove(self, identity: str, node: bytes) -> None:
        assert identity == IDENTITY
        del self.members[node]


def node(instance: int, token: str = "") -> NodeAddress:
    return NodeAddress(instance, f"node-{instance}", "127.0.0.1", 4000 + instance, token)


def entry(instance: int, until_ms: int, token: str = "") -> Member:
    return Member(msgspec.json.encode(node(instance, token)), until_ms)


def test_of_two_processes_with_one_instance_the_later_one_counts() -> None:
    earlier, later = entry(7, 1000, "earlier"), entry(7, 2000, "later")
    for members in ([earlier, later], [later, earlier]):
        assert addresses(members) == {7: node(7, "later")}


def test_an_entry_of_another_release_is_left_out() -> None:
    assert addresses([Member(b"?", 3000), Member(b'{"instance":9}', 3000), entry(8, 1000)]) == {8: node(8)}


def test_a_node_knows_the_others_and_not_itself() -> None:
    changes: list[dict[int, NodeAddress]] = []

    async def run() -> None:
        entries = Entries()
        entries.members[entry(8, 0).node] = 9000
        presence = Presence(entries, node(7), lambda: changes.append(presence.nodes))  # type: ignore[arg-type]
        await presence.start()
        assert presence.nodes == {8: node(8)}
        assert (presence.alive(8), presence.alive(7)) == (True, False)
        await presence.stop()
        assert list(entries.members) == [entry(8, 0).node]

    asyncio.run(run())
    assert changes == [{8: node(8)}]
