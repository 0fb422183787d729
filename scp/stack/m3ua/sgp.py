"""The gateway's side, for one ASP that is alone in its application servers (RFC 4666 §4.3.4, §4.4, §4.5.1).

It serves the MSC simulator, tests, and a listening IPSP in single exchange, which answers as a gateway does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from scp.stack.m3ua.destinations import within
from scp.stack.m3ua.events import AspState, AsState, Availability, Discard, DiscardReason
from scp.stack.m3ua.link import Link
from scp.stack.m3ua.servers import NEVER, SgpServer
from scp.stack.m3ua.settings import SgpSettings, TrafficMode
from scp.stack.m3ua.sgp_table import AS_ROWS, ROWS, Change, Input, Peer
from scp.stack.m3ua.table import Action, Row
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

if TYPE_CHECKING:
    from scp.stack.m3ua.settings import Key

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
        servers: the application servers that the ASP serves, by routing context (-1: the one that has none).
        asp_identifier: what the ASP called itself in ASPUP; -1: nothing.
    """

    def __init__(self, settings: SgpSettings | None = None) -> None:
        self.settings: SgpSettings = settings or SgpSettings()
        appearance = self.settings.network_appearance
        super().__init__(appearance, self.settings.timers.beat, self.settings.check_streams)
        self._configured: Final = self.settings.routing_contexts or (-1,)
        own = dict(zip(self._configured, self.settings.network_appearances, strict=False))
        self.servers: dict[int, SgpServer] = {
            each: SgpServer(each, own.get(each, appearance)) for each in self._configured
        }
        self.asp_identifier: int = -1
        self._allowed: AspState = AspState.ACTIVE
        self._registered: dict[int, Key] = {}
        self._destinations: dict[int, Availability] = {}
        self._congested: dict[int, int] = {}
        self._carry(self.servers)

    def _first(self) -> SgpServer:
        return next(iter(self.servers.values()))

    def _rename(self, context: int) -> None:
        """Have the only AS go on under another routing context."""
        if len(self.servers) == 1:
            server = self._first()
            server.rename(context)
            self.servers = {context: server}

    # ── what the owner says ─────────────────────────────────

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
        self,
        opc: int,
        dpc: int,
        ni: int,
        sls: int,
        payload: bytes,
        context: int = -1,
        *,
        si: int = 3,
        mp: int = 0,
    ) -> bool:
        """As `Link.send`; for an AS in AS-PENDING what is sent waits for the ASP, up to T(r) (§4.3.2)."""
        server = self.servers.get(context)
        if self._sending and (server is None or server.sends):
            return super().send(opc, dpc, ni, sls, payload, context, si=si, mp=mp)
        server = server or self._first()
        if server.as_state is not AsState.PENDING:
            return False
        data = Data(opc, dpc, si, ni, mp, sls, payload, server.context, server.appearance)
        if len(server.queue) >= self.settings.queue:
            self.events.append(Discard(DiscardReason.QUEUE_FULL, "DATA"))
            return False
        encode_data(data)  # raises now what it would raise when T(r) has almost run out
        server.queue.append(data)
        return True

    def set_destination(self, point_code: int, availability: Availability) -> None:
        """Remember a destination's availability for audits, and tell the ASP (DUNA, DAVA, DRST: §4.5.1)."""
        self._destinations[point_code] = availability
        if self._state is AspState.ACTIVE:
            self._announce(_SSNM[availability], point_code)

    def set_congestion(self, point_code: int, level: int) -> None:
        """Remember a destination's congestion level (0: none) for audits, and tell the ASP (SCON)."""
        self._congested[point_code] = level
        if self._state is AspState.ACTIVE:
            self._announce(SCON, point_code, level)

    def _announce(self, kind: int, point_code: int, level: int = -1, mask: int = 0) -> None:
        params: dict[int, Any] = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(point_code, mask),)}
        if self._appearance >= 0:
            params[Tag.NETWORK_APPEARANCE] = self._appearance
        active = tuple([server.context for server in self.servers.values() if server.sends])
        if active != (-1,):
            params[Tag.ROUTING_CONTEXT] = active
        if level >= 0:
            params[Tag.CONGESTION_INDICATIONS] = level
        self._put(kind, params)

    # ── the tables at work ──────────────────────────────────

    def _came(self, now: float) -> None:
        self._input(Input.CONNECTED, now)

    def _gone(self, now: float) -> None:
        self._input(Input.LOST, now)

    def _input(
        self,
        cause: Input,
        now: float,
        message: Message | None = None,
        octets: bytes = b"",
        contexts: tuple[int, ...] | None = None,
    ) -> bool:
        """Do what the table says for these application servers (None: all); False if it says nothing."""
        asked = tuple(self.servers) if contexts is None else contexts
        found: list[tuple[SgpServer, Row]] = []
        for context in asked:
            server = self.servers[context]
            row = ROWS.get((server.peer, cause))
            if row is not None:
                found.append((server, row))
        once = {action: row.why for _, row in found for action in row.actions}
        told = tuple([server.context for server, _ in found])
        if Action.ANSWER in once and message is not None:
            self._acknowledge(message, told)
        if Action.ERROR in once:
            self._error(ErrorCode.UNEXPECTED_MESSAGE, octets, once[Action.ERROR])
        if Action.DEREGISTER in once and self._registered:
            self._registered.clear()
            self._rename(self._configured[0])
        if Action.WITHDRAW in once:
            self._put(ASPIA_ACK, {} if told == (-1,) else {Tag.ROUTING_CONTEXT: told})
        if Action.SHUT in once:
            self._put(ASPDN_ACK, {})
        for server, row in found:
            if row.next is not server.peer:
                assert isinstance(row.next, Peer)
                self._enter(server, row.next, row.why, now)
        self._carry(self.servers)
        return bool(found)

    def _enter(self, server: SgpServer, peer: Peer, why: str, now: float) -> None:
        old = server.state
        server.enter(peer)
        self._carry(self.servers)
        new = server.state
        if old is new:
            return
        self._say_state(server, old, why)
        pending = server.as_state is AsState.PENDING
        self._change(server, _CHANGE_OF[new], now)
        if pending and server.as_state is AsState.PENDING and new is AspState.INACTIVE:
            self._notify(server)  # an ASP that comes back is told what the state is (§4.3.4.5)

    def _change(self, server: SgpServer, change: Change, now: float) -> None:
        state = AS_ROWS.get((server.as_state, change))
        if state is None:
            return
        self._set_as_state(server, state)
        server.timer = now + self.settings.timers.recovery if state is AsState.PENDING else NEVER
        if server.state is not AspState.DOWN and state is not AsState.DOWN:
            self._notify(server)
        queue = server.queue
        if state is AsState.ACTIVE:
            while queue:
                data = queue.popleft()
                context = server.context
                self.send(
                    data.opc, data.dpc, data.ni, data.sls, data.payload, context, si=data.si, mp=data.mp
                )
        elif state is not AsState.PENDING:
            self.events.extend([Discard(DiscardReason.RECOVERY_EXPIRED, "DATA")] * len(queue))
            queue.clear()

    def _notify(self, server: SgpServer) -> None:
        params: dict[int, Any] = {Tag.STATUS: Status(_AS_STATE_CHANGE, server.as_state.value)}
        if self.asp_identifier >= 0:
            params[Tag.ASP_IDENTIFIER] = self.asp_identifier
        if server.context >= 0:
            params[Tag.ROUTING_CONTEXT] = (server.context,)
        self._put(NTFY, params)

    def _expired(self, now: float) -> None:
        for server in self.servers.values():
            if server.timer <= now:
                gone = server.state is AspState.DOWN
                self._change(server, Change.GONE if gone else Change.RECOVERED, now)
        self._carry(self.servers)

    # ── messages ────────────────────────────────────────────

    def _inactive_data(self, data: Data, octets: bytes) -> None:
        contexts = (data.routing_context,) if data.routing_context >= 0 else ()
        code = ErrorCode.UNEXPECTED_MESSAGE
        self._refuse(code, DiscardReason.NOT_ACTIVE, octets, f"DATA while {self.state}", contexts)

    def _refused(self, code: int, contexts: tuple[int, ...], now: float) -> None:
        """The gateway asks nothing that could be refused."""

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        kind = message.kind
        if kind in (ASPUP, ASPDN):
            if not (kind == ASPUP and self._no_start(message, octets)):
                self._asked(message, octets, now, tuple(self.servers))
        elif kind in (ASPAC, ASPIA):
            contexts = self._of_traffic(message, octets)
            if contexts:
                self._asked(message, octets, now, contexts)
        elif kind in (REG_REQ, DEREG_REQ):
            self._manage_keys(message, octets)
        elif kind == DAUD and self._state is AspState.ACTIVE:
            if self._concerned(message, octets):
                self._audited(message)
        elif kind == SCON and self._state is AspState.ACTIVE:
            pass  # the ASP is congested (§3.4.4); the simulator does not throttle
        else:
            self._unexpected(message, octets)

    def _asked(self, message: Message, octets: bytes, now: float, contexts: tuple[int, ...]) -> None:
        if not self._input(_INPUTS[message.kind], now, message, octets, contexts):
            self._unexpected(message, octets)

    def _no_start(self, message: Message, octets: bytes) -> bool:
        """Whether ASPUP is refused; the refusal is sent here."""
        identifier = message.integer(Tag.ASP_IDENTIFIER)
        if identifier < 0 and self.settings.require_asp_identifier:
            code = ErrorCode.ASP_IDENTIFIER_REQUIRED
            self._refuse(code, DiscardReason.ASP_IDENTIFIER, octets, "ASPUP without ASP Identifier")
            return True
        self.asp_identifier = identifier
        return self._blocked(AspState.INACTIVE, message, octets)

    def _of_traffic(self, message: Message, octets: bytes) -> tuple[int, ...]:
        """Return the routing contexts that ASPAC or ASPIA is granted for; refusals are sent here."""
        if self._state is AspState.DOWN:
            return tuple(self.servers)  # it is unexpected, whatever it asks for
        contexts = self._concerned(message, octets)
        if contexts and self.settings.keys and not self._registered and self._context < 0:
            code = ErrorCode.NO_CONFIGURED_AS_FOR_ASP
            self._refuse(code, DiscardReason.ROUTING_CONTEXT, octets, "no routing key registered")
            return ()
        if message.kind == ASPAC and contexts and self._no_activation(message, octets):
            return ()
        return contexts

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
        """Answer DAUD (§4.5.3): congestion goes ahead of the availability it belongs to.

        A range is available as a whole; after that comes what is known of its parts.
        """
        affected: tuple[AffectedPointCode, ...] = message.params[Tag.AFFECTED_POINT_CODE]
        for point_code, mask in affected:
            asked = [point_code]
            if mask:
                self._announce(DAVA, point_code, mask=mask)
                known = {*self._destinations, *self._congested}
                asked = [each for each in sorted(known) if within(each, point_code, mask)]
            for each in asked:
                level = self._congested.get(each, 0)
                if level:
                    self._announce(SCON, each, level)
                self._announce(_SSNM[self._destinations.get(each, Availability.AVAILABLE)], each)

    # ── routing key management (§4.4) ───────────────────────

    def _manage_keys(self, message: Message, octets: bytes) -> None:
        if self.settings.keys is None:
            # §4.4.1: a gateway without registration says that it does not know the class.
            code = ErrorCode.UNSUPPORTED_MESSAGE_CLASS
            self._refuse(code, DiscardReason.UNEXPECTED, octets, "routing key management is not configured")
        elif self._state is AspState.DOWN:
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
            self._rename(provisioned.routing_context)
            self._carry(self.servers)
            return (12 if known else 0), provisioned.routing_context
        return 7, 0

    def _deregister(self, context: int) -> DeregistrationResult:
        """Deregistration Status (§3.6.4)."""
        if context not in self._registered:
            return DeregistrationResult(context, 4)
        if self._state is AspState.ACTIVE:
            return DeregistrationResult(context, 5)
        del self._registered[context]
        self._rename(self._configured[0])
        self._carry(self.servers)
        return DeregistrationResult(context, 0)
