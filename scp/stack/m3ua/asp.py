"""The ASP: our side towards a gateway or a peer (RFC 4666 §4.3.4). Its states are in `asp_table`."""

from __future__ import annotations

from typing import Any, Final, final

from scp.stack.m3ua.asp_table import REQUEST_OF, ROWS, SERVING, STARTING, WISHES, Goal, Input, Phase
from scp.stack.m3ua.destinations import Destinations
from scp.stack.m3ua.events import (
    REGISTRATION_TEXT,
    STATUS_TEXT,
    AspState,
    AsState,
    Availability,
    Congestion,
    DestinationChange,
    DiscardReason,
    Notified,
    Registered,
    RegistrationRefused,
    Unanswered,
    UserPartUnavailable,
)
from scp.stack.m3ua.link import Link, error_name
from scp.stack.m3ua.servers import NEVER, AspServer, Server
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
_UNSUPPORTED_FIELD: Final = 9
_LOCAL_ID: Final = 1
_OF_TRAFFIC: Final = frozenset((ASPAC, ASPIA, DAUD))  # requests that name their application servers
_IN_SERVICE: Final = (*SERVING, Phase.ASPIA_SENT)
_CONFIRMED: Final = (Phase.ACTIVE, Phase.ASPIA_SENT)


@final
class Asp(Link):
    """One association to a gateway or IPSP. It goes up by itself when connected; wishes outlive associations.

    Attributes:
        servers: the application servers that it serves, by routing context (-1: the one that has none).
        destinations: what SSNM said of destinations; where networks were kept apart, of those of the first.
    """

    def __init__(self, settings: AspSettings | None = None) -> None:
        self.settings: AspSettings = settings or AspSettings()
        appearance = self.settings.network_appearance
        super().__init__(appearance, self.settings.timers.beat, self.settings.check_streams)
        contexts = (-1,) if self.settings.key is not None else self.settings.routing_contexts or (-1,)
        own = dict(zip(contexts, self.settings.network_appearances, strict=False))
        self.servers: dict[int, AspServer] = {
            each: AspServer(each, own.get(each, appearance)) for each in contexts
        }
        self.destinations: Destinations = Destinations()
        self._destinations: dict[int, Destinations] = dict.fromkeys(contexts, self.destinations)
        self._inputs: dict[int, Input] = _WITH_PEER if self.settings.role is Role.IPSP else _ACKS
        self._wish: Goal = Goal.ACTIVE
        self._registered: bool = False
        self._asking: dict[int, list[int]] = {}  # message type → routing contexts that it is due for
        self._carry(self.servers)

    def keep_apart(self, networks: list[list[int]]) -> None:
        """Keep apart what is said of destinations in several networks: equal point codes are different ones.

        SSNM without a routing context holds for all (RFC 4666 §3.4.1).

        Args:
            networks: the routing contexts of each network's AS.
        """
        for contexts in networks[1:]:
            apart = Destinations()
            for context in contexts:
                if context >= 0:  # else nothing tells them apart
                    self._destinations[context] = apart

    def destinations_of(self, context: int) -> Destinations:
        """Return what was said of destinations for the AS with this routing context."""
        return self._destinations.get(context, self.destinations)

    @property
    def phase(self) -> Phase:
        """Where in the procedures it is, in more detail than `state`, in its first AS."""
        return self._first().phase

    @property
    def routing_context(self) -> int:
        """The first one in use: configured, or assigned by the gateway; -1: none."""
        return self._first().context

    def _first(self) -> AspServer:
        return next(iter(self.servers.values()))

    # ── what the owner says ───────────────────────────────

    def activate(self, now: float) -> None:
        """Carry traffic, now or as soon as it can be; also takes over from an ASP that overrode us."""
        self._wish = Goal.ACTIVE
        self._input(Input.WISH, now)

    def deactivate(self, now: float) -> None:
        """Stay up without traffic: ASPIA. DATA under way is taken and answered until that is acknowledged."""
        self._wish = Goal.INACTIVE
        self._pursue(now)

    def down(self, now: float) -> None:
        """Go down in order: ASPIA, then ASPDN."""
        self._wish = Goal.DOWN
        self._pursue(now)

    # ── the table at work ─────────────────────────────────

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
        told: list[int] = []
        once: dict[Action, str] = {}
        for context in tuple(self.servers) if contexts is None else contexts:
            server = self.servers[context]
            row = ROWS.get((server.phase, cause))
            if row is None:
                continue
            told.append(context)
            for action in row.actions:
                if action is Action.RESEND:
                    self._request(server, now)
                elif action is Action.HOLD_OFF:
                    server.sends = False  # one that refuses us does not hold us active, whatever DATA it sent
                    if not server.held:  # else refusals of DATA could put the next request off for ever
                        server.held = True
                        server.timer = now + self.settings.timers.retry
                else:
                    once[action] = row.why
            if row.next is not server.phase:
                assert isinstance(row.next, Phase)
                refused = cause is Input.EXHAUSTED and server.held
                why = f"{server.refusal}: starting anew" if refused else row.why
                self._enter(server, row.next, why, now)
        if message is not None and Action.ANSWER in once:
            self._acknowledge(message, tuple(told))
        if message is not None and Action.ERROR in once:
            listed = message.integers(Tag.ROUTING_CONTEXT)
            self._error(ErrorCode.UNEXPECTED_MESSAGE, octets, once[Action.ERROR], listed)
        self._pursue(now)
        return bool(told)

    def _goal(self, server: AspServer) -> Goal:
        if self._wish is Goal.ACTIVE and self.settings.key is not None and not self._registered:
            return Goal.REGISTERED
        if self._wish is Goal.DOWN and self._another(server, _IN_SERVICE):
            return Goal.INACTIVE  # ASPDN ends the traffic of all: it waits for the last ASPIA ACK
        if server.alone and server.phase is Phase.INACTIVE and self._asks_alone():
            return Goal.INACTIVE  # one at a time: an ERR need not say which routing context it is about
        return self._wish

    def _asks_alone(self) -> bool:
        """Whether an AS is asked for by itself, and its answer is not overdue yet."""
        return any(
            each.alone and _awaits_active(each) and not each.attempts for each in self.servers.values()
        )

    def _another(self, server: AspServer, phases: tuple[Phase, ...]) -> bool:
        """Whether another AS is in one of these phases."""
        return any(each.phase in phases for each in self.servers.values() if each is not server)

    def _pursue(self, now: float) -> None:
        """Have every AS go where it is wished to be, and say what that takes."""
        moved = True
        while moved:
            moved = False
            for server in self.servers.values():
                target = WISHES.get((server.phase, self._goal(server)))
                if target is not None:
                    self._enter(server, target, "as wished", now)
                    moved = True
        self._ask()
        self._carry(self.servers)

    def _enter(self, server: AspServer, phase: Phase, why: str, now: float) -> None:
        was, old = server.phase, server.state
        server.enter(phase)
        if phase is Phase.BARRED:
            server.timer = now + self.settings.timers.retry
        if server.state is AspState.DOWN and self._registered:
            self._registered = False  # the gateway forgets it too (§4.4.2)
            self._rename(server, -1)
        if phase is Phase.IDLE:
            for said in self._destinations.values():
                said.clear()
            self._set_as_state(server, AsState.DOWN)
        if phase in REQUEST_OF:
            self._request(server, now)
        self._say_state(server, old, why)
        if phase is Phase.ACTIVE and was is not Phase.PROBING and self.settings.audit:
            self._asking.setdefault(DAUD, []).append(server.context)

    def _rename(self, server: AspServer, context: int) -> None:
        """Have the only AS go on under another routing context."""
        server.rename(context)
        self.servers = {context: server}
        self._carry(self.servers)

    def _request(self, server: AspServer, now: float) -> None:
        """Have the request of a server's phase sent, and T(ack) run for it."""
        server.timer = now + self.settings.timers.ack
        server.held = False
        self._asking.setdefault(REQUEST_OF[server.phase], []).append(server.context)

    def _ask(self) -> None:
        """Send the requests that are due, each once for all application servers that it is due for."""
        if not self._asking:
            return
        asking, self._asking = self._asking, {}
        for kind, contexts in asking.items():
            alone = [each for each in contexts if kind == ASPAC and self.servers[each].alone]
            if len(alone) < len(contexts):
                together = [each for each in contexts if each >= 0 and each not in alone]
                self._put(kind, self._asked(kind, together))
            for context in alone:
                self._put(kind, self._asked(kind, [context]))

    def _asked(self, kind: int, contexts: list[int]) -> dict[int, Any]:
        """Return a request's parameters."""
        params: dict[int, Any] = {}
        if kind == ASPUP and self.settings.asp_identifier >= 0:
            params[Tag.ASP_IDENTIFIER] = self.settings.asp_identifier
        if kind == ASPAC and self.settings.traffic_mode is not TrafficMode.UNSPECIFIED:
            params[Tag.TRAFFIC_MODE_TYPE] = int(self.settings.traffic_mode)
        if kind == DAUD and self._appearance >= 0:
            params[Tag.NETWORK_APPEARANCE] = self._appearance
        if kind in _OF_TRAFFIC and contexts:
            params[Tag.ROUTING_CONTEXT] = tuple(contexts)
        if kind == DAUD:
            affected = tuple([AffectedPointCode(point_code) for point_code in self.settings.audit])
            params[Tag.AFFECTED_POINT_CODE] = affected
        if kind == REG_REQ:
            params[Tag.ROUTING_KEY] = (self._key(),)
        return params

    def _key(self) -> RoutingKey:
        key = self.settings.key
        assert key is not None
        mode = int(self.settings.traffic_mode) or -1
        return RoutingKey(_LOCAL_ID, key.destinations, -1, mode, self.settings.network_appearance)

    def _expired(self, now: float) -> None:
        groups: dict[tuple[Phase, bool], list[int]] = {}
        for server in self.servers.values():
            if server.timer <= now:
                server.timer = NEVER
                groups.setdefault((server.phase, self._exhausted(server)), []).append(server.context)
        for (_, exhausted), contexts in groups.items():
            if not (exhausted and self._input(Input.EXHAUSTED, now, contexts=tuple(contexts))):
                self._input(Input.T_ACK, now, contexts=tuple(contexts))

    def _exhausted(self, server: AspServer) -> bool:
        """Count a request as unanswered, unless it was refused; whether it was sent in vain too often."""
        if server.phase not in REQUEST_OF:
            return False
        if not server.held:
            server.attempts += 1
            self.events.append(Unanswered(MESSAGES[REQUEST_OF[server.phase]].name, server.attempts))
        if server.phase in STARTING and self._another(server, _CONFIRMED):
            return False  # ASPUP would end what that one carries: it is asked again, and again
        return server.held or server.attempts >= self.settings.timers.attempts

    # ── messages ──────────────────────────────────────────

    def _overtook(self, server: Server) -> bool:
        if self.servers[server.context].phase is not Phase.ASPAC_SENT:
            return False
        # The gateway holds us active: its DATA overtook, on another stream, the ASPAC ACK (§4.3.4.3).
        # What it asks may be answered; T(ack) goes on watching for the acknowledgement.
        server.sends = True
        self._carry(self.servers)
        return True

    def _inactive_data(self, data: Data, octets: bytes) -> None:  # noqa: ARG002
        self._discard(DiscardReason.NOT_ACTIVE, octets)  # silently (§3.8.1)

    def _asked_for(self, contexts: tuple[int, ...]) -> str:
        """Return which request is out for these application servers, in words; "" if none."""
        asked: dict[str, list[int]] = {}
        for context in contexts:
            server = self.servers[context]
            if server.phase in REQUEST_OF and not server.held:
                asked.setdefault(MESSAGES[REQUEST_OF[server.phase]].name, []).append(context)
        return ", ".join([_named(name, found) for name, found in asked.items()])

    def _refused(self, code: int, contexts: tuple[int, ...], now: float) -> None:
        """Take ERR for the answer to the requests that are out for these application servers."""
        disowned = code == ErrorCode.UNEXPECTED_MESSAGE  # which is of the ASP as a whole
        asked = tuple([each for each in contexts if _awaits_active(self.servers[each])])
        if len(asked) > 1 and not disowned:
            for context in asked:
                self.servers[context].alone = True
            self._input(Input.ALONE, now, contexts=asked)
            contexts = tuple([each for each in contexts if each not in asked])
        for context in contexts:
            request = self._asked_for((context,))
            if request:
                self.servers[context].refusal = f"{request} refused: ERR {code:#04x}, {error_name(code)}"
        self._input(Input.DISOWNED if disowned else Input.REFUSED, now, contexts=contexts)

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        kind = message.kind
        cause = self._inputs.get(kind)
        if cause is not None:
            contexts = self._concerned(message, octets)
            if contexts and not self._input(cause, now, message, octets, contexts):
                self._unexpected(message, octets)
        elif kind == NTFY:
            contexts = self._concerned(message, octets)
            if contexts:
                self._notified(message, contexts, now)
        elif kind in _SSNM and self.state is not AspState.DOWN:
            contexts = self._concerned(message, octets)
            if contexts:
                self._network(message, contexts, octets, now)
        elif kind == REG_RSP and self.phase is Phase.REG_SENT:
            self._registration(message, now)
        else:
            self._unexpected(message, octets)

    def _notified(self, message: Message, contexts: tuple[int, ...], now: float) -> None:
        status: Status = message.params[Tag.STATUS]
        kind, information = status
        text = STATUS_TEXT.get((kind, information), f"status {kind}/{information}")
        self.events.append(Notified(kind, information, text))
        if kind == 1 and information in _AS_STATES:
            for context in contexts:
                self._set_as_state(self.servers[context], _AS_STATES[information])
        cause = _NOTIFIED.get((kind, information))
        if cause is not None:
            self._input(cause, now, contexts=contexts)

    def _network(self, message: Message, contexts: tuple[int, ...], octets: bytes, now: float) -> None:
        affected: tuple[AffectedPointCode, ...] = message.params[Tag.AFFECTED_POINT_CODE]
        if message.kind == DUPU:
            reported: UserCause = message.params[Tag.USER_CAUSE]
            self.events.append(UserPartUnavailable(affected[0].point_code, reported.user, reported.cause))
            return
        kept = True
        concerned: list[Destinations] = []
        for context in contexts:
            said = self.destinations_of(context)
            if said not in concerned:
                concerned.append(said)
        for point_code, mask in affected:
            if message.kind == SCON:
                level = message.integer(Tag.CONGESTION_INDICATIONS, 1)
                until = now + self.settings.timers.congestion
                for said in concerned:
                    kept &= said.set_congestion(point_code, mask, level, now, until)
                self.events.append(Congestion(point_code, mask, level))
            else:
                availability = _AVAILABILITY[message.kind]
                for said in concerned:
                    kept &= said.set_availability(point_code, mask, availability)
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
                self._rename(self._first(), context)
                self.events.append(Registered(context))
                self._input(Input.REGISTERED, now)
            else:
                known = status < len(REGISTRATION_TEXT)
                text = REGISTRATION_TEXT[status] if known else "unknown"
                if status == _UNSUPPORTED_FIELD:
                    text += f"; the key has {_fields(self._key())}"
                self.events.append(RegistrationRefused(status, text))
                self._first().refusal = f"REG REQ refused: status {status}, {text}"
                self._input(Input.NOT_REGISTERED, now)
            return


def _awaits_active(server: AspServer) -> bool:
    return server.phase is Phase.ASPAC_SENT and not server.held


def _named(request: str, contexts: list[int]) -> str:
    """Return a request with the routing contexts that it is for, in words."""
    numbers = [str(context) for context in contexts if context >= 0]
    return f"{request} for routing context {', '.join(numbers)}" if numbers else request


def _fields(key: RoutingKey) -> str:
    """Return what a routing key has (§3.6.1): a gateway that does not take all of it does not say what."""
    found = ["destination point code"]
    if any(group.service_indicators for group in key.destinations):
        found.append("service indicators")
    if any(group.opcs for group in key.destinations):
        found.append("originating point codes")
    if key.traffic_mode >= 0:
        found.append("traffic mode")
    if key.network_appearance >= 0:
        found.append("network appearance")
    return ", ".join(found)
