"""The API over a real socket: served from a thread, on a store in memory, with a key for each need."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from scp.api.server import ApiServer, serve_api
from scp.charging.fault_state import FaultState
from scp.client import Client
from scp.config import Api, ApiKey, HostPort, Scope, Secret
from scp.domain.decision import Step
from scp.domain.lookup import Found, Pending
from scp.domain.numbers import Numbering
from scp.domain.rules import Rules
from scp.domain.subscriber import Subscriber
from scp.domain.whereabouts import Located, LocateFailure
from scp.engine.status import ComponentStatus, Condition, LinkStatus
from scp.services.whereabouts import Asking
from scp.store.sqlite import SqliteStore

Result = TypeVar("Result")

RULES = Rules(Numbering(country_code="46", never_steer=frozenset({"112"}), home_vlr=("4670",)), prefix="99")
OPERATOR = "operator-token"
VOIP = "voip-service-token"
READER = "reader-token"
SLOW = "one-request-token"


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def key(name: str, token: str, *scopes: Scope) -> ApiKey:
    return ApiKey(name, Secret(sha256(token)), frozenset(scopes))


KEYS = (
    key("operator", OPERATOR, *Scope),
    key("voip", VOIP, Scope.REGISTRATION, Scope.FORWARDING),
    key("reader", READER, Scope.READ),
)


class Nobody:
    """A waiter for a store that answers at once."""

    def found(self, result: Found) -> None:
        raise AssertionError(result)


class FakeNode:
    """`scp.api.context.NodeView` without signalling."""

    name = "scp-test"
    store_deadline = 0.15

    def __init__(self) -> None:
        self.store = SqliteStore(":memory:")
        self.store_fault = FaultState(lambda _: None)
        self.reasons: list[str] = []
        self.status = [LinkStatus("stp-a", connected=True, asp="active", since=0.0, check="")]
        self.steers: Rules | None = RULES
        self.beside: list[ComponentStatus] = []
        self.seen: list[Subscriber] = []
        self.asks = Asking()
        self.place: Located = LocateFailure.OFF
        self.located: list[str] = []

    def why_not_ready(self) -> list[str]:
        return self.reasons

    def subsystems(self) -> dict[str, Condition]:
        return {}

    def links(self) -> Iterable[LinkStatus]:
        return self.status

    def components(self) -> Iterable[ComponentStatus]:
        return self.beside

    def asking(self, service_key: int | None) -> Asking:
        return self.asks

    async def locate(self, msisdn: str) -> Located:
        self.located.append(msisdn)
        return self.place

    async def charge(self, *_: Any) -> tuple[Step, ...]:
        return ()  # nobody pays here

    async def written(self, records: Iterable[Subscriber]) -> None:
        self.seen.extend(records)

    def rules(self, service_key: int | None) -> Rules | None:
        return self.steers if service_key in (None, 100) else None


class Served:
    """A `FakeNode` and its API."""

    def __init__(self, node: FakeNode, loop: asyncio.AbstractEventLoop, audit: Path) -> None:
        self.node = node
        self.loop = loop
        self.audit = audit
        self.server: ApiServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the node's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def client(self, token: str = OPERATOR) -> Client:
        return Client(self.url, token)

    def find(self, msisdn: str) -> Subscriber | None:
        """What a call would see."""

        async def find() -> Subscriber | None:
            found = self.node.store.find(msisdn, Nobody())
            assert not isinstance(found, Pending)
            assert found is None or isinstance(found, Subscriber)
            return found

        return self.run(find())

    def store(self, **fields: Any) -> Subscriber:
        """Put a record as it is, whatever was there."""
        record = Subscriber(**fields)

        async def put() -> None:
            await self.node.store.put_many([record])

        self.run(put())
        found = self.find(record.msisdn)
        assert found is not None
        return found

    def audited(self) -> list[dict[str, Any]]:
        """The audit lines so far."""
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def everything(self) -> list[dict[str, Any]]:
        """All records."""

        async def all_of_them() -> list[dict[str, Any]]:
            return [msgspec.to_builtins(record) async for record in self.node.store.scan()]

        return self.run(all_of_them())


@contextmanager
def served(directory: Path, **settings: Any) -> Iterator[Served]:
    """Serve the API of a node with these settings of ``[api]``."""
    audit = directory / "audit.jsonl"
    config = Api(
        listen=HostPort("127.0.0.1", 0),
        **{"keys": KEYS, "audit": str(audit), "rate": 1e6, "burst": 1_000_000, **settings},
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    this = Served(FakeNode(), loop, audit)
    try:
        this.run(this.node.store.open())
        this.server = this.run(serve_api(config, this.node))
        yield this
    finally:
        if this.server is not None:
            this.run(this.server.close())
        this.run(this.node.store.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)
        loop.close()
