"""The ASP: our side towards a gateway or a peer (RFC 4666 §4.3.4). Its states are in `asp_table`."""

from __future__ import annotations

from typing import Any, Final, final

from scp.stack.m3ua.asp_table import REQUEST_OF, ROWS, STATE_OF, WISHES, Goal, Input, Phase
from scp.stack.m3ua.destinations import Destinations
from scp.stack.m3ua.events import (
    REGISTRATION_TEXT,
    STATUS_TEXT,
    AspState,
    AsState,
    AsStateChange,
    Availability,
    Congestion,
    DestinationChange,
    DiscardReason,
    Notified,
    Registered,
    RegistrationRefused,
    StateChange,
    Unanswered,
    UserPartUnavailable,
)
from scp.stack.m3ua.link import NEVER, Link
from scp.stack.m3ua.settings import AspSettings, Role, TrafficMode
from scp.stack.m3ua.table import Action
from ss7.m3ua import (
    ASPAC,
    ASPAC_ACK,
    ASPDN,
    ASPDN_ACK,
    ASPIA,
    ASPIA_ACK,
    ASPUP,
    ASPUP_ACK,
    DAUD,
    DAVA,
    DRST,
    DUNA,
    DUPU,
    MESSAGES,
    NTFY,
    REG_REQ,
    REG_RSP,
    SCON,
    Data,
    Message,
)
from ss7.m3ua_parameters import (
    AffectedPointCode,
    ErrorCode,
    RegistrationResult,
    RoutingKey,
    Status,
    Tag,
    UserCause,
)

_ACKS: Final = {
    ASPUP_ACK: Input.ASPUP_ACK,
    ASPDN_ACK: Input.ASPDN_ACK,
    ASPAC_ACK: Input.ASPAC_ACK,
    ASPIA_ACK: Input.ASPIA_ACK,
}
_WITH_PEER: Final = {
    **_ACKS,
    ASPUP: Input.PEER_ASPUP,
    ASPDN: Input.PEER_ASPDN,
    ASPAC: Input.PEER_ASPAC,
    ASPIA: Input.PEER_ASPIA,
}
_AVAILABILITY: Final = {
    DUNA: Availability.UNAVAILABLE,
    DAVA: Availability.AVAILABLE,
    DRST: Availability.RESTRICTED,
}
_SSNM: Final = frozenset((*_AVAILABILITY, SCON, DUPU))
_NOTIFIED: Final = {
    (1, 2): Input.NEEDED,
    (1, 4): Input.NEEDED,
    (2, 1): Input.NEEDED,
    (2, 2): Input.OVERRIDDEN,
}
_AS_STATES: Final = {state.value: state for state in AsState}
_REGISTERED: Final = (0, 12)  # successfully, or already (§3.6.2): there is a routing context either way
_LOCAL_ID: Final = 1


@final
class Asp(Link):
    """One association to a gateway or IPSP. It goes up by itself when connected; wishes outlive associations.

    Attributes:
        as_state: what NTFY last said of our application server.
        destinations: what SSNM said of destinations.
    """

    def __init__(self, settings: AspSettings | None = None) -> None:
        self.settings: AspSettings = settings or AspSettings()
        super().__init__(
            self.settings.routing_context,
            self.settings.network_appearance,
            self.settings.timers.beat,
            self.settings.check_streams,
        )
        self.as_state: AsState = AsState.DOWN
        self.destinations: Destinations = Destinations()
        self._inputs: dict[int, Input] = _WITH_PEER if self.settings.role is Role.IPSP else _ACKS
        self._phase: Phase = Phase.IDLE
        self._state: AspState = STATE_OF[Phase.IDLE]
        self._wish: Goal = Goal.ACTIVE
        self._registered: bool = False
        self._attempts: int = 0
        self._held: bool = False

    @property
    def state(self) -> AspState:
        """State of the ASP (§4.3.1)."""
        return self._state  # every message asks, and an enum's hash is slow

    @property
    def phase(self) -> Phase:
        """Where in the procedures it is, in more detail than `state`."""
        return self._phase

    @property
    def routing_context(self) -> int:
        """The one in use: configured, or assigned by the gateway; -1: none."""
        return self._context

    # ── what the owner says ───────────────────────────────

    def connected(self, now: float, streams: int = 1) -> None:
        """The association is up, with this many streams both ways (1 for TCP)."""
        if self._phase is not Phase.IDLE:
            self.lost(now)
        self._associate(now, streams)
        self._input(Input.CONNECTED, now)

    def lost(self, now: float) -> None:
        """The association is gone."""
        self._dissociate()
        self._input(Input.LOST, now)

    def activate(self, now: float) -> None:
        """Carry traffic, now or as soon as it can be; also takes over from an ASP that overrode us."""
        self._wish = Goal.ACTIVE
        self._input(Input.WISH, now)
        self._pursue(now)

    def deactivate(self, now: float) -> None:
        """Stay up without traffic: ASPIA. DATA under way is delivered until that is acknowledged."""
        self._wish = Goal.INACTIVE
        self._pursue(now)

    def down(self, now: float) -> None:
        """Go down in order: ASPIA, then ASPDN."""
        self._wish = Goal.DOWN
        self._pursue(now)

    # ── the table at work ─────────────────────────────────

    def _goal(self) -> Goal:
        if self._wish is Goal.ACTIVE and self.settings.key is not None and not self._registered:
            return Goal.REGISTERED
        return self._wish

    def _pursue(self, now: float) -> None:
        target = WISHES.get((self._phase, self._goal()))
        while target is not None:
            self._enter(target, "as wished", now)
            target = WISHES.get((self._phase, self._goal()))

    def _input(self, cause: Input, now: float, message: Message | None = None, octets: bytes = b"") -> bool:
        """Do what the table says; False if it says nothing."""
        row = ROWS.get((self._phase, cause))
        if row is None:
            return False
        for action in row.actions:
            if action is Action.ANSWER and message is not None:
                self._acknowledge(message)
            elif action is Action.ERROR and message is not None:
                code = ErrorCode.UNEXPECTED_MESSAGE
                self._error(code, octets, row.why, message.integers(Tag.ROUTING_CONTEXT))
            elif action is Action.RESEND:
                self._request(now)
            elif action is Action.HOLD_OFF:
                self._held = True
                self._timer = now + self.settings.timers.retry
        if row.next is not self._phase:
            assert isinstance(row.next, Phase)
            self._enter(row.next, row.why, now)
        self._pursue(now)
        return True

    def _enter(self, phase: Phase, why: str, now: float) -> None:
        was, old, new = self._phase, self._state, STATE_OF[phase]
        self._phase = phase
        self._state = new
        self._sending = phase in (Phase.ACTIVE, Phase.PROBING)
        self._receiving = self._sending or phase is Phase.ASPIA_SENT
        self._attempts = 0
        self._held = False
        self._timer = now + self.settings.timers.retry if phase is Phase.BARRED else NEVER
        if new is AspState.DOWN:
            self._registered = False  # the gateway forgets it too (§4.4.2)
            self._use_context(self.settings.routing_context)
        if phase is Phase.IDLE:
            self.destinations.clear()
            self._set_as_state(AsState.DOWN)
        if phase in REQUEST_OF:
            self._request(now)
        if old is not new:
            self.events.append(StateChange(old, new, why))
        if phase is Phase.ACTIVE and was is not Phase.PROBING and self.settings.audit:
            affected = tuple([AffectedPointCode(point_code) for point_code in self.settings.audit])
            self._put(DAUD, {**self._scope(), Tag.AFFECTED_POINT_CODE: affected})

    def _request(self, now: float) -> None:
        kind = REQUEST_OF[self._phase]
        self._timer = now + self.settings.timers.ack
        self._held = False
        params: dict[int, Any] = {}
        if kind == ASPUP and self.settings.asp_identifier >= 0:
            params[Tag.ASP_IDENTIFIER] = self.settings.asp_identifier
        if kind == ASPAC and self.settings.traffic_mode is not TrafficMode.UNSPECIFIED:
            params[Tag.TRAFFIC_MODE_TYPE] = int(self.settings.traffic_mode)
        if kind in (ASPAC, ASPIA) and self._context >= 0:
            params[Tag.ROUTING_CONTEXT] = (self._context,)
        if kind == REG_REQ:
            params[Tag.ROUTING_KEY] = (self._key(),)
        self._put(kind, params)

    def _key(self) -> RoutingKey:
        key = self.settings.key
        assert key is not None
        mode = int(self.settings.traffic_mode) or -1
        return RoutingKey(_LOCAL_ID, key.destinations, -1, mode, self.settings.network_appearance)

    def _scope(self) -> dict[int, Any]:
        scope: dict[int, Any] = {}
        if self._appearance >= 0:
            scope[Tag.NETWORK_APPEARANCE] = self._appearance
        if self._context >= 0:
            scope[Tag.ROUTING_CONTEXT] = (self._context,)
        return scope

    def _expired(self, now: float) -> None:
        if self._phase in REQUEST_OF:
            if not self._held:
                self._attempts += 1
                self.events.append(Unanswered(MESSAGES[REQUEST_OF[self._phase]].name, self._attempts))
            exhausted = self._held or self._attempts >= self.settings.timers.attempts
            if exhausted and self._input(Input.EXHAUSTED, now):
                return
        self._input(Input.T_ACK, now)

    # ── messages ──────────────────────────────────────────

    def _may_receive(self) -> bool:
        if self._phase is Phase.ASPAC_SENT:
            # The gateway holds us active: its DATA overtook, on another stream, the ASPAC ACK (§4.3.4.3).
            # What it asks may be answered; T(ack) goes on watching for the acknowledgement.
            self._sending = True
            return True
        return self._receiving

    def _inactive_data(self, data: Data, octets: bytes) -> None:  # noqa: ARG002
        self._discard(DiscardReason.NOT_ACTIVE, octets)  # silently (§3.8.1)

    def _refused(self, code: int, now: float) -> None:
        disowned = code == ErrorCode.UNEXPECTED_MESSAGE
        self._input(Input.DISOWNED if disowned else Input.REFUSED, now)

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        cause = self._inputs.get(message.kind)
        if cause is not None:
            if not self._foreign(message, octets) and not self._input(cause, now, message, octets):
                self._unexpected(message, octets)
        elif message.kind == NTFY:
            if not self._foreign(message, octets):
                self._notified(message, now)
        elif message.kind in _SSNM and self.state is not AspState.DOWN:
            if not self._foreign(message, octets):
                self._network(message, octets, now)
        elif message.kind == REG_RSP and self._phase is Phase.REG_SENT:
            self._registration(message, now)
        else:
            self._unexpected(message, octets)

    def _notified(self, message: Message, now: float) -> None:
        status: Status = message.params[Tag.STATUS]
        kind, information = status
        text = STATUS_TEXT.get((kind, information), f"status {kind}/{information}")
        self.events.append(Notified(kind, information, text))
        if kind == 1 and information in _AS_STATES:
            self._set_as_state(_AS_STATES[information])
        cause = _NOTIFIED.get((kind, information))
        if cause is not None:
            self._input(cause, now)

    def _set_as_state(self, state: AsState) -> None:
        if state is not self.as_state:
            self.events.append(AsStateChange(self.as_state, state))
            self.as_state = state

    def _network(self, message: Message, octets: bytes, now: float) -> None:
        affected: tuple[AffectedPointCode, ...] = message.params[Tag.AFFECTED_POINT_CODE]
        if message.kind == DUPU:
            reported: UserCause = message.params[Tag.USER_CAUSE]
            self.events.append(UserPartUnavailable(affected[0].point_code, reported.user, reported.cause))
            return
        kept = True
        for point_code, mask in affected:
            if message.kind == SCON:
                level = message.integer(Tag.CONGESTION_INDICATIONS, 1)
                until = now + self.settings.timers.congestion
                kept &= self.destinations.set_congestion(point_code, mask, level, now, until)
                self.events.append(Congestion(point_code, mask, level))
            else:
                availability = _AVAILABILITY[message.kind]
                kept &= self.destinations.set_availability(point_code, mask, availability)
                self.events.append(DestinationChange(point_code, mask, availability))
        if not kept:
            self._discard(DiscardReason.TOO_MANY_DESTINATIONS, octets)

    def _registration(self, message: Message, now: float) -> None:
        results: tuple[RegistrationResult, ...] = message.params[Tag.REGISTRATION_RESULT]
        for local_id, status, context in results:
            if local_id != _LOCAL_ID:
                continue
            if status in _REGISTERED:
                self._registered = True
                self._use_context(context)
                self.events.append(Registered(context))
                self._input(Input.REGISTERED, now)
            else:
                known = status < len(REGISTRATION_TEXT)
                text = REGISTRATION_TEXT[status] if known else f"status {status}"
                self.events.append(RegistrationRefused(status, text))
                self._input(Input.NOT_REGISTERED, now)
            return
