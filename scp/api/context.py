"""The node as the API sees it, and the context that every call gets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, final

from litestar.di import Provide

from scp.api.auth import Keyring, RateLimiter
from scp.common.one_time import OneTimeNumbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from litestar.connection import ASGIConnection

    from scp.api.audit import Audit
    from scp.api.shared_changes import SharedChanges
    from scp.charging.fault_state import FaultState
    from scp.config import Api, ApiKey
    from scp.domain.call import CallFacts
    from scp.domain.outcome import Decision, Step
    from scp.domain.rules import Rules
    from scp.domain.subscriber import Subscriber
    from scp.domain.whereabouts import Located
    from scp.engine.status import ComponentStatus, Condition, LinkStatus
    from scp.ports import SubscriberStore
    from scp.services.whereabouts import Asking


class NodeView(Protocol):
    """What the API needs of the node that it runs in."""

    @property
    def name(self) -> str:
        """The node's name."""
        ...

    @property
    def store(self) -> SubscriberStore:
        """Where the records are."""
        ...

    @property
    def store_fault(self) -> FaultState:
        """What is wrong with the store, and since when; who finds out reports it there."""
        ...

    @property
    def store_deadline(self) -> float:
        """Seconds that a lookup for a call may take."""
        ...

    def asking(self, service_key: int | None) -> Asking:
        """Return when the service of this key (None: the first that steers) asks an HLR for places."""
        ...

    async def charge(
        self, service_key: int | None, facts: CallFacts, decision: Decision, parties: tuple[str, str]
    ) -> Sequence[Step]:
        """Return what a call would be charged, and whether its payer has the money.

        Args:
            service_key: as for `asking`.
            facts: of the call.
            decision: on it.
            parties: calling and diverting number, as typed; "" if not known.
        """
        ...

    async def locate(self, msisdn: str) -> Located:
        """Return where a subscriber is, as the HLR says."""
        ...

    async def written(self, records: Iterable[Subscriber]) -> None:
        """Note that records were written through the API, before that is answered."""
        ...

    def why_not_ready(self) -> Sequence[str]:
        """Return, in words, why this node should get no calls; nothing if it should."""
        ...

    def links(self) -> Iterable[LinkStatus]:
        """Return the state of every link."""
        ...

    def subsystems(self) -> Mapping[str, Condition]:
        """Return the states of other nodes' subsystems, as SCCP management reported them."""
        ...

    def components(self) -> Iterable[ComponentStatus]:
        """Return the state of what the node has beside its links and its store."""
        ...

    def rules(self, service_key: int | None) -> Rules | None:
        """Return what the service of this key steers by (None: the first that does); None if it does not."""
        ...


@final
class Context:
    """What every call of the API works with."""

    def __init__(
        self,
        config: Api,
        node: NodeView,
        keyring: Keyring,
        limiter: RateLimiter,
        audit: Audit,
    ) -> None:
        self.config = config
        self.node = node
        self.keyring = keyring
        self.limiter = limiter
        self.audit = audit
        self.shared: SharedChanges | None = None  # what other nodes tell
        self.one_time = OneTimeNumbers(lambda: node.store)

    def adopt(self, config: Api) -> None:
        """Take over another configuration's keys and rates; what was asked so far counts no more."""
        self.keyring = Keyring(config.keys)
        self.limiter = RateLimiter(config.rate, config.burst, time.monotonic)

    @property
    def store(self) -> SubscriberStore:
        """Where the records are."""
        return self.node.store


class Constant(Provide):
    """A dependency that is the same for every request: ``get`` returns it.

    It is in the function alone: Litestar copies dependencies with all that they hold.
    """

    def __init__(self, value: object) -> None:
        async def held() -> Any:
            return value

        super().__init__(held)
        self.get: Callable[[], object] = lambda: value


def context_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Context:
    """Return the context of a request."""
    context = connection.app.state["context"]
    assert isinstance(context, Context)
    return context


def key_name(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the name of the key that asks, "" before it has shown itself."""
    key: ApiKey | None = connection.scope.get("auth")
    return "" if key is None else key.name
