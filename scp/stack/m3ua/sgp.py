"""The gateway's side, for one ASP that is alone in its application server (RFC 4666 §4.3.4, §4.4, §4.5.1).

It serves the MSC simulator, tests, and a listening IPSP in single exchange, which answers as a gateway does.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, final

from scp.stack.m3ua.events import (
    AspState,
    AsState,
    AsStateChange,
    Availability,
    Discard,
    DiscardReason,
    StateChange,
)
from scp.stack.m3ua.link import NEVER, Link
from scp.stack.m3ua.settings import Key, SgpSettings, TrafficMode
from scp.stack.m3ua.sgp_table import AS_ROWS, ROWS, STATE_OF, Change, Input, Peer
from scp.stack.m3ua.table import Action
from ss7.m3ua import (
    ASPAC,
    ASPDN,
    ASPDN_ACK,
    ASPIA,
    ASPIA_ACK,
    ASPUP,
    DAUD,
    DAVA,
    DEREG_REQ,
    DEREG_RSP,
    DRST,
    DUNA,
    NTFY,
    REG_REQ,
    REG_RSP,
    SCON,
    Data,
    Message,
    encode_data,
)
from ss7.m3ua_parameters import (
    AffectedPointCode,
    DeregistrationResult,
    ErrorCode,
    RegistrationResult,
    RoutingKey,
    Status,
    Tag,
)

_INPUTS: Final = {ASPUP: Input.ASPUP, ASPDN: Input.ASPDN, ASPAC: Input.ASPAC, ASPIA: Input.ASPIA}
_SSNM: Final = {
    Availability.UNAVAILABLE: DUNA,
    Availability.AVAILABLE: DAVA,
    Availability.RESTRICTED: DRST,
}
_CHANGE_OF: Final = {
    AspState.DOWN: Change.ASP_DOWN,
    AspState.INACTIVE: Change.ASP_INACTIVE,
    AspState.ACTIVE: Change.ASP_ACTIVE,
}
_AS_STATE_CHANGE: Final = 1  # Status Type of NTFY (§3.8.2)


@final
class Sgp(Link):
    """One association from an ASP.

    Attributes:
        as_state: of the application server (§4.3.2).
        asp_identifier: what the ASP called itself in ASPUP; -1: nothing.
    """

    def __init__(self, settings: SgpSettings | None = None) -> None:
        self.settings: SgpSettings = settings or SgpSettings()
        super().__init__(
            self.settings.routing_context,
            self.settings.network_appearance,
            self.settings.timers.beat,
            self.settings.check_streams,
        )
        self.as_state: AsState = AsState.DOWN
        self.asp_identifier: int = -1
        self._peer: Peer = Peer.IDLE
        self._allowed: AspState = AspState.ACTIVE
        self._registered: dict[int, Key] = {}
        self._destinations: dict[int, Availability] = {}
        self._congested: dict[int, int] = {}
        self._queue: deque[Data] = deque()

    @property
    def state(self) -> AspState:
        """State of the ASP (§4.3.1)."""
        return STATE_OF[self._peer]

    # ── what the owner says ─────────────────────────────────

    def connected(self, now: float, streams: int = 1) -> None:
        """The association is up, with this many streams both ways (1 for TCP)."""
        if self._peer is not Peer.IDLE:
            self.lost(now)
        self._associate(now, streams)
        self._input(Input.CONNECTED, now)

    def lost(self, now: float) -> None:
        """The association is gone; the application server waits in AS-PENDING for T(r) if it was active."""
        self._dissociate()
        self._input(Input.LOST, now)

    def activate(self, now: float) -> None:  # noqa: ARG002 - the interface of both sides
        """Let the ASP become active. It has to ask: a gateway never initiates (§4.3.4)."""
        self._allowed = AspState.ACTIVE

    def deactivate(self, now: float) -> None:
        """Take traffic away with an unsolicited ASPIA ACK and refuse ASPAC until `activate`."""
        self._allowed = AspState.INACTIVE
        self._input(Input.WITHDRAW, now)

    def down(self, now: float) -> None:
        """Take the ASP down with an unsolicited ASPDN ACK and refuse ASPUP until `activate`."""
        self._allowed = AspState.DOWN
        self._input(Input.SHUT, now)

    def send(
        self, opc: int, dpc: int, ni: int, sls: int, payload: bytes, *, si: int = 3, mp: int = 0
    ) -> bool:
        """As `Link.send`; in AS-PENDING what is sent waits for the ASP, up to T(r) (§4.3.2)."""
        if self._sending:
            return super().send(opc, dpc, ni, sls, payload, si=si, mp=mp)
        if self.as_state is not AsState.PENDING:
            return False
        data = Data(opc, dpc, si, ni, mp, sls, payload, self._context, self._appearance)
        if len(self._queue) >= self.settings.queue:
            self.events.append(Discard(DiscardReason.QUEUE_FULL, "DATA"))
            return False
        encode_data(data)  # raises now what it would raise when T(r) has almost run out
        self._queue.append(data)
        return True

    def set_destination(self, point_code: int, availability: Availability) -> None:
        """Remember a destination's availability for audits, and tell the ASP (DUNA, DAVA, DRST: §4.5.1)."""
        self._destinations[point_code] = availability
        if self._peer is Peer.ACTIVE:
            self._announce(_SSNM[availability], point_code)

    def set_congestion(self, point_code: int, level: int) -> None:
        """Remember a destination's congestion level (0: none) for audits, and tell the ASP (SCON)."""
        self._congested[point_code] = level
        if self._peer is Peer.ACTIVE:
            self._announce(SCON, point_code, level)

    def _announce(self, kind: int, point_code: int, level: int = -1) -> None:
        params: dict[int, Any] = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(point_code),)}
        if self._appearance >= 0:
            params[Tag.NETWORK_APPEARANCE] = self._appearance
        if self._context >= 0:
            params[Tag.ROUTING_CONTEXT] = (self._context,)
        if level >= 0:
            params[Tag.CONGESTION_INDICATIONS] = level
        self._put(kind, params)

    # ── the tables at work ──────────────────────────────────

    def _input(self, cause: Input, now: float, message: Message | None = None, octets: bytes = b"") -> bool:
        row = ROWS.get((self._peer, cause))
        if row is None:
            return False
        for action in row.actions:
            if action is Action.ANSWER and message is not None:
                self._acknowledge(message)
            elif action is Action.ERROR:
                self._error(ErrorCode.UNEXPECTED_MESSAGE, octets, row.why)
            elif action is Action.DEREGISTER:
                self._registered.clear()
                self._use_context(self.settings.routing_context)
            elif action is Action.WITHDRAW:
                self._put(ASPIA_ACK, {Tag.ROUTING_CONTEXT: (self._context,)} if self._context >= 0 else {})
            elif action is Action.SHUT:
                self._put(ASPDN_ACK, {})
        if row.next is not self._peer:
            assert isinstance(row.next, Peer)
            self._enter(row.next, row.why, now)
        return True

    def _enter(self, peer: Peer, why: str, now: float) -> None:
        old, new = STATE_OF[self._peer], STATE_OF[peer]
        self._peer = peer
        self._sending = self._receiving = peer is Peer.ACTIVE
        if old is new:
            return
        self.events.append(StateChange(old, new, why))
        pending = self.as_state is AsState.PENDING
        self._change(_CHANGE_OF[new], now)
        if pending and self.as_state is AsState.PENDING and new is AspState.INACTIVE:
            self._notify()  # an ASP that comes back is told what the state is (§4.3.4.5)

    def _change(self, change: Change, now: float) -> None:
        state = AS_ROWS.get((self.as_state, change))
        if state is None:
            return
        self.events.append(AsStateChange(self.as_state, state))
        self.as_state = state
        self._timer = now + self.settings.timers.recovery if state is AsState.PENDING else NEVER
        if self.state is not AspState.DOWN and state is not AsState.DOWN:
            self._notify()
        if state is AsState.ACTIVE:
            while self._queue:
                data = self._queue.popleft()
                self.send(data.opc, data.dpc, data.ni, data.sls, data.payload, si=data.si, mp=data.mp)
        elif state is not AsState.PENDING:
            self.events.extend([Discard(DiscardReason.RECOVERY_EXPIRED, "DATA")] * len(self._queue))
            self._queue.clear()

    def _notify(self) -> None:
        params: dict[int, Any] = {Tag.STATUS: Status(_AS_STATE_CHANGE, self.as_state.value)}
        if self.asp_identifier >= 0:
            params[Tag.ASP_IDENTIFIER] = self.asp_identifier
        if self._context >= 0:
            params[Tag.ROUTING_CONTEXT] = (self._context,)
        self._put(NTFY, params)

    def _expired(self, now: float) -> None:
        self._change(Change.GONE if self.state is AspState.DOWN else Change.RECOVERED, now)

    # ── messages ────────────────────────────────────────────

    def _inactive_data(self, data: Data, octets: bytes) -> None:
        contexts = (data.routing_context,) if data.routing_context >= 0 else ()
        code = ErrorCode.UNEXPECTED_MESSAGE
        self._refuse(code, DiscardReason.NOT_ACTIVE, octets, f"DATA while {self.state}", contexts)

    def _refused(self, code: int, now: float) -> None:
        """The gateway asks nothing that could be refused."""

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        kind = message.kind
        cause = _INPUTS.get(kind)
        if cause is not None:
            if not self._objection(message, octets) and not self._input(cause, now, message, octets):
                self._unexpected(message, octets)
        elif kind in (REG_REQ, DEREG_REQ):
            self._manage_keys(message, octets)
        elif kind == DAUD and self._peer is Peer.ACTIVE:
            if not self._foreign(message, octets):
                self._audited(message)
        elif kind == SCON and self._peer is Peer.ACTIVE:
            pass  # the ASP is congested (§3.4.4); the simulator does not throttle
        else:
            self._unexpected(message, octets)

    def _objection(self, message: Message, octets: bytes) -> bool:
        """Whether a request is refused for what it says; the refusal is sent here."""
        kind = message.kind
        if kind == ASPUP:
            identifier = message.integer(Tag.ASP_IDENTIFIER)
            if identifier < 0 and self.settings.require_asp_identifier:
                code = ErrorCode.ASP_IDENTIFIER_REQUIRED
                self._refuse(code, DiscardReason.ASP_IDENTIFIER, octets, "ASPUP without ASP Identifier")
                return True
            self.asp_identifier = identifier
            return self._blocked(AspState.INACTIVE, message, octets)
        if kind in (ASPAC, ASPIA) and self._peer in (Peer.INACTIVE, Peer.ACTIVE):
            if self._foreign(message, octets):
                return True
            if self.settings.keys and not self._registered and self._context < 0:
                code = ErrorCode.NO_CONFIGURED_AS_FOR_ASP
                self._refuse(code, DiscardReason.ROUTING_CONTEXT, octets, "no routing key registered")
                return True
        return (
            kind == ASPAC
            and self._peer in (Peer.INACTIVE, Peer.ACTIVE)
            and self._no_activation(message, octets)
        )

    def _no_activation(self, message: Message, octets: bytes) -> bool:
        mode = message.integer(Tag.TRAFFIC_MODE_TYPE)
        ours = self.settings.traffic_mode
        known = mode < 0 or mode in (TrafficMode.OVERRIDE, TrafficMode.LOADSHARE, TrafficMode.BROADCAST)
        if not known or (mode >= 0 and ours is not TrafficMode.UNSPECIFIED and mode != ours):
            code = ErrorCode.UNSUPPORTED_TRAFFIC_MODE_TYPE
            contexts = message.integers(Tag.ROUTING_CONTEXT)
            self._refuse(code, DiscardReason.TRAFFIC_MODE, octets, f"traffic mode {mode}", contexts)
            return True
        return self._blocked(AspState.ACTIVE, message, octets)

    def _blocked(self, wanted: AspState, message: Message, octets: bytes) -> bool:
        if self._allowed is AspState.ACTIVE or self._allowed is wanted:
            return False
        code = ErrorCode.REFUSED_MANAGEMENT_BLOCKING
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        self._refuse(
            code, DiscardReason.BLOCKED, octets, f"{message.name} while held {self._allowed}", contexts
        )
        return True

    def _audited(self, message: Message) -> None:
        """Answer DAUD (§4.5.3): congestion goes ahead of the availability it belongs to."""
        affected: tuple[AffectedPointCode, ...] = message.params[Tag.AFFECTED_POINT_CODE]
        for item in affected:
            level = self._congested.get(item.point_code, 0)
            if level:
                self._announce(SCON, item.point_code, level)
            availability = self._destinations.get(item.point_code, Availability.AVAILABLE)
            self._announce(_SSNM[availability], item.point_code)

    # ── routing key management (§4.4) ───────────────────────

    def _manage_keys(self, message: Message, octets: bytes) -> None:
        if self.settings.keys is None:
            # §4.4.1: who does not do registration says that it does not know the class.
            code = ErrorCode.UNSUPPORTED_MESSAGE_CLASS
            self._refuse(code, DiscardReason.UNEXPECTED, octets, "routing key management is not configured")
        elif self._peer not in (Peer.INACTIVE, Peer.ACTIVE):
            self._unexpected(message, octets)
        elif message.kind == REG_REQ:
            keys: tuple[RoutingKey, ...] = message.params[Tag.ROUTING_KEY]
            results = tuple([self._register(key) for key in keys])
            self._put(REG_RSP, {Tag.REGISTRATION_RESULT: results})
        else:
            contexts = message.integers(Tag.ROUTING_CONTEXT)
            self._put(DEREG_RSP, {Tag.DEREGISTRATION_RESULT: tuple([self._deregister(c) for c in contexts])})

    def _register(self, key: RoutingKey) -> RegistrationResult:
        status, context = self._registration(key)
        return RegistrationResult(key.local_id, status, context)

    def _registration(self, key: RoutingKey) -> tuple[int, int]:
        """Registration Status (§3.6.2) and routing context, 0 without success."""
        ours = self.settings
        if key.unsupported:
            return 9, 0
        if key.network_appearance >= 0 and ours.network_appearance not in (-1, key.network_appearance):
            return 3, 0
        if key.traffic_mode >= 0 and ours.traffic_mode not in (TrafficMode.UNSPECIFIED, key.traffic_mode):
            return 10, 0
        for provisioned in ours.keys or ():
            if provisioned.destinations != key.destinations:
                continue
            known = provisioned.routing_context in self._registered
            self._registered[provisioned.routing_context] = provisioned
            self._use_context(provisioned.routing_context)
            return (12 if known else 0), provisioned.routing_context
        return 7, 0

    def _deregister(self, context: int) -> DeregistrationResult:
        """Deregistration Status (§3.6.4)."""
        if context not in self._registered:
            return DeregistrationResult(context, 4)
        if self._peer is Peer.ACTIVE:
            return DeregistrationResult(context, 5)
        del self._registered[context]
        self._use_context(self.settings.routing_context)
        return DeregistrationResult(context, 0)
