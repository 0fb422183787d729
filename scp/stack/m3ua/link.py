"""What both sides of an association share: DATA, streams (RFC 4666 §1.4.7), BEAT (§4.3.4.6), ERR (§3.8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.stack.m3ua.events import (
    AspState,
    AsState,
    AsStateChange,
    BringDown,
    Discard,
    DiscardReason,
    ErrorReceived,
    ErrorSent,
    Event,
    ServerChange,
    StateChange,
)
from scp.stack.m3ua.servers import NEVER, Server, highest
from ss7.m3ua import (
    ASPAC,
    ASPAC_ACK,
    ASPDN,
    ASPDN_ACK,
    ASPIA,
    ASPIA_ACK,
    ASPUP,
    ASPUP_ACK,
    BEAT,
    BEAT_ACK,
    DEREG_REQ,
    DEREG_RSP,
    ERR,
    REG_REQ,
    REG_RSP,
    Data,
    DataEncoder,
    Message,
    decode_noting,
    encode,
    name_of,
    plain_data,
)
from ss7.m3ua_parameters import ErrorCode, M3uaError, Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEVERAL: Final = 1 << 32  # no message's routing context
_DATA_START: Final = b"\x01\x00\x01\x01"
_SCCP: Final = 3
# §1.4.7: ASPSM, MGMT and RKM on stream 0, but for BEAT, BEAT ACK and NTFY.
_ON_STREAM_0: Final = frozenset(
    (ERR, ASPUP, ASPUP_ACK, ASPDN, ASPDN_ACK, REG_REQ, REG_RSP, DEREG_REQ, DEREG_RSP)
)
_ACK_OF: Final = {ASPUP: ASPUP_ACK, ASPDN: ASPDN_ACK, ASPAC: ASPAC_ACK, ASPIA: ASPIA_ACK}
_REPEATED: Final[dict[int, tuple[Tag, ...]]] = {
    ASPUP: (),
    ASPDN: (),
    ASPAC: (Tag.TRAFFIC_MODE_TYPE, Tag.ROUTING_CONTEXT),
    ASPIA: (Tag.ROUTING_CONTEXT,),
}
_MAX_DIAGNOSTIC: Final = 256
_HEAD_ONLY: Final = frozenset((ErrorCode.UNSUPPORTED_MESSAGE_CLASS, ErrorCode.UNSUPPORTED_MESSAGE_TYPE))
_HEAD: Final = 40  # what §3.8.1 wants of a message whose class or type is not supported


class Link:
    """One association. The owner drains ``outbox`` (stream, message) and ``events`` after every call.

    Args:
        network_appearance: -1: none configured.
        beat: T(beat) in seconds, 0: off.
        check_streams: hold the peer to §1.4.7.
    """

    def __init__(self, network_appearance: int, beat: float, check_streams: bool) -> None:
        self.outbox: list[tuple[int, bytes]] = []
        self.events: list[Event] = []
        self._appearance: int = network_appearance
        self._state: AspState = AspState.DOWN
        # What `_carry` makes of the application servers. The one routing context, -1 for none; or `_SEVERAL`.
        self._context: int = -1
        self._several: bool = False
        self._known: Mapping[int, Server] = {}
        self._encoder: DataEncoder = DataEncoder()
        self._encoders: dict[int, DataEncoder] = {}
        self._sending: bool = False
        self._receiving: bool = False
        self._associated: bool = False
        self._many: bool = False
        self._told_stream: bool = False
        self._check_streams: bool = check_streams
        self._stream_of: list[int] = [0] * 256
        self._heard: float = 0.0
        self._beat: float = beat
        self._beats: int = 0
        self._beat_at: float = NEVER
        self._timer: float = NEVER

    # ── hot path ──────────────────────────────────────────

    def receive(self, message: bytes, stream: int, now: float) -> Data | None:
        """Take one whole message; the user's DATA comes back, everything else is dealt with here."""
        self._heard = now
        if self._receiving and (stream or not self._many) and message.startswith(_DATA_START):
            data = plain_data(message)
            if data is not None:
                context = data.routing_context
                if context == self._context or self._context < 0 or (context < 0 and not self._several):
                    return data
                return self._ours(data, message)
        return self._control(message, stream, now)

    def send(
        self,
        opc: int,
        dpc: int,
        ni: int,
        sls: int,
        payload: bytes,
        context: int = -1,
        *,
        si: int = _SCCP,
        mp: int = 0,
    ) -> bool:
        """Put DATA into the outbox, on the stream of its SLS; False, and nothing sent, while not ASP-ACTIVE.

        Args:
            opc: originating point code.
            dpc: destination point code.
            ni: network indicator.
            sls: signalling link selection.
            payload: the user's octets.
            context: routing context of the message that this one answers, where the association has several;
                without one, or while that AS carries no traffic, it goes as the first AS's that does.
            si: service indicator.
            mp: message priority.

        Raises:
            EncodeError: a number is out of range, or the payload longer than 65519 octets.
        """
        if not self._sending:
            return False
        encoder = self._encoders.get(context, self._encoder) if self._several else self._encoder
        octets = encoder.encode(opc, dpc, si, ni, mp, sls, payload)
        self.outbox.append((self._stream_of[sls & 255], octets))
        return True

    # ── association ───────────────────────────────────────

    def connected(self, now: float, streams: int = 1) -> None:
        """The association is up, with this many streams both ways (1 for TCP)."""
        if self._associated:
            self.lost(now)
        self._associated = True
        self._heard = now
        self._many = streams > 1 and self._check_streams
        self._told_stream = False
        # DATA goes on the streams but the first (§1.4.7); with one only, or over TCP, there is no choice.
        self._stream_of = [1 + sls % (streams - 1) if streams > 1 else 0 for sls in range(256)]
        self._beat_at = now + self._beat if self._beat > 0 else NEVER
        self._came(now)

    def lost(self, now: float) -> None:
        """The association is gone; an AS that was active waits at the gateway for T(r) (§4.3.2)."""
        self._associated = False
        self._beat_at = NEVER
        self.outbox.clear()  # what was for the association that is gone must not go out on the next one
        self._gone(now)

    def _came(self, now: float) -> None:
        raise NotImplementedError

    def _gone(self, now: float) -> None:
        raise NotImplementedError

    def _carry(self, servers: Mapping[int, Server]) -> None:
        """Take note of which application servers there are, and which of them carry traffic."""
        sending = [server for server in servers.values() if server.sends]
        self._known = servers
        self._several = len(servers) > 1
        self._context = _SEVERAL if self._several else next(iter(servers))
        self._encoders = {server.context: server.encoder for server in sending}
        if sending:
            self._encoder = sending[0].encoder
        self._sending = bool(sending)
        self._receiving = any(server.receives for server in servers.values())
        self._timer = min([server.timer for server in servers.values()])

    # ── states (§4.3.1, §4.3.2) ───────────────────────────

    @property
    def state(self) -> AspState:
        """State of the ASP (§4.3.1); of several application servers, in the one nearest to ASP-ACTIVE."""
        return self._state  # every message asks, and an enum's hash is slow

    @property
    def as_state(self) -> AsState:
        """State of the first application server (§4.3.2); an ASP knows it from NTFY."""
        return next(iter(self._known.values())).as_state

    def _say_state(self, server: Server, old: AspState, why: str) -> None:
        """Report that the ASP was in another state in this AS, and what that makes of the whole."""
        if server.state is old:
            return
        if self._several:
            self.events.append(ServerChange(server.context, server.state, why))
        whole = highest(self._known.values())
        if whole is not self._state:
            self.events.append(StateChange(self._state, whole, why))
            self._state = whole

    def _set_as_state(self, server: Server, state: AsState) -> None:
        if state is not server.as_state:
            context = server.context if self._several else -1
            self.events.append(AsStateChange(server.as_state, state, context))
            server.as_state = state

    # ── time ──────────────────────────────────────────────

    def next_deadline(self) -> float:
        """When `tick` has something to do next; infinity if never."""
        return min(self._timer, self._beat_at)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if now >= self._beat_at:
            self._heartbeat(now)
        if now >= self._timer:
            self._timer = NEVER
            self._expired(now)

    def _heartbeat(self, now: float) -> None:
        silence = now - self._heard
        if silence >= 2 * self._beat:  # §4.3.4.6
            self._beat_at = NEVER
            self.events.append(BringDown(f"nothing heard for {silence:.1f} s, BEAT unanswered"))
            return
        self.probe()
        self._beat_at = now + self._beat

    def probe(self) -> None:
        """Send a BEAT, whatever T(beat) is, if the association is up."""
        if self._associated:
            self._beats = (self._beats + 1) & 0xFFFFFFFF
            self._put(BEAT, {Tag.HEARTBEAT_DATA: self._beats.to_bytes(4, "big")})

    def _expired(self, now: float) -> None:
        raise NotImplementedError

    # ── everything but plain DATA ─────────────────────────

    def _control(self, octets: bytes, stream: int, now: float) -> Data | None:
        if not self._associated:
            self._discard(DiscardReason.NOT_CONNECTED, octets)
            return None
        try:
            message, further = decode_noting(octets)
        except M3uaError as error:
            self._malformed(error, octets)
            return None
        if further:
            tags = ", ".join([f"{tag:#06x}" for tag in further])
            self._discard(DiscardReason.FURTHER_PARAMETER, octets, f"parameter {tags}")
        if isinstance(message, Data):
            if stream == 0 and self._many:
                self._on_stream_0(octets)
            return self._ours(message, octets)
        if stream and self._check_streams and message.kind in _ON_STREAM_0:
            why = f"{message.name} on stream {stream}"
            self._refuse(
                ErrorCode.INVALID_STREAM_IDENTIFIER, DiscardReason.STREAM, octets, why, kind=message.kind
            )
        elif message.kind == BEAT:
            # Every parameter goes back unchanged (§3.5.6): only the type becomes BEAT ACK.
            self.outbox.append((0, octets[:3] + b"\x06" + octets[4:]))
        elif message.kind == ERR:
            self._error_came(message, now)
        elif message.kind != BEAT_ACK:  # that it was heard is all that a BEAT ACK says
            self._handle(message, octets, now)
        return None

    def _on_stream_0(self, octets: bytes) -> None:
        """Count DATA on stream 0, which §1.4.7 forbids and osmo-stp does in broadcast; it is taken.

        Nothing but its order is at stake. The peer is told once an association, not at its traffic's rate.
        """
        self._discard(DiscardReason.DATA_STREAM, octets)
        if not self._told_stream:
            self._told_stream = True
            self._error(ErrorCode.INVALID_STREAM_IDENTIFIER, octets, "DATA on stream 0")

    def _error_came(self, message: Message, now: float) -> None:
        code = message.integer(Tag.ERROR_CODE)
        name = error_name(code)
        contexts = self._named(message) or tuple(self._known)
        diagnostic = message.octets(Tag.DIAGNOSTIC_INFORMATION)
        self.events.append(ErrorReceived(code, name, diagnostic, self._asked_for(contexts)))
        self._refused(code, contexts, now)

    def _ours(self, data: Data, octets: bytes) -> Data | None:
        """Check what DATA belongs to (§3.8.1)."""
        context = data.routing_context
        server = self._server(context)
        if server is None:
            if context >= 0:
                code, why = ErrorCode.INVALID_ROUTING_CONTEXT, f"routing context {context}"
            else:  # §3.3.1: where there are several it has to be there
                code, why = ErrorCode.NO_CONFIGURED_AS_FOR_ASP, "DATA without a routing context"
            listed = (context,) if context >= 0 else ()
            self._refuse(code, DiscardReason.ROUTING_CONTEXT, octets, why, listed)
            return None
        appearance = data.network_appearance
        if appearance >= 0 and server.appearance >= 0 and appearance != server.appearance:
            extra: dict[int, Any] = {Tag.NETWORK_APPEARANCE: appearance}
            why = f"network appearance {appearance}"
            self._refuse(
                ErrorCode.INVALID_NETWORK_APPEARANCE,
                DiscardReason.NETWORK_APPEARANCE,
                octets,
                why,
                extra=extra,
            )
            return None
        if server.receives or self._overtook(server):
            return data
        self._inactive_data(data, octets)
        return None

    def _server(self, context: int) -> Server | None:
        """Return the AS that DATA with this routing context (-1: none) is for."""
        if self._several:
            return self._known.get(context)
        ours = context < 0 or self._context < 0 or context == self._context
        return self._known[self._context] if ours else None

    def _named(self, message: Message) -> tuple[int, ...]:
        """Return those of our routing contexts that a message names; all where it names none."""
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        if not contexts or self._context < 0:
            return tuple(self._known)
        return tuple([context for context in dict.fromkeys(contexts) if context in self._known])

    def _concerned(self, message: Message, octets: bytes) -> tuple[int, ...]:
        """Return the routing contexts, as in ``_known``, that a message is for; () if none is ours.

        What it names that is not ours is answered with ERR (§3.8.1); if that is all, it is discarded.
        """
        found = self._named(message)
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        foreign = tuple([context for context in contexts if context not in self._known])
        if self._context < 0 or not foreign:
            return found
        why = f"{message.name} for routing context {', '.join(map(str, foreign))}"
        code = ErrorCode.INVALID_ROUTING_CONTEXT
        if found:
            self._error(code, octets, why, foreign)
        else:
            self._refuse(code, DiscardReason.ROUTING_CONTEXT, octets, why, foreign)
        return found

    def _overtook(self, server: Server) -> bool:  # noqa: ARG002 - of the ASP's side only
        """Whether DATA may have overtaken what makes it welcome."""
        return False

    def _inactive_data(self, data: Data, octets: bytes) -> None:
        raise NotImplementedError

    def _asked_for(self, contexts: tuple[int, ...]) -> str:  # noqa: ARG002 - of the ASP's side only
        """Return which request of ours is out for these, in words; "" if none."""
        return ""

    def _refused(self, code: int, contexts: tuple[int, ...], now: float) -> None:
        raise NotImplementedError

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        raise NotImplementedError

    # ── effects ───────────────────────────────────────────

    def _put(self, kind: int, params: dict[int, Any]) -> None:
        self.outbox.append((0, encode(Message(kind, params))))

    def _acknowledge(self, request: Message, contexts: tuple[int, ...]) -> None:
        """Acknowledge ASPUP, ASPDN, ASPAC or ASPIA, with what the acknowledgement repeats of it.

        Of the routing contexts that it names only those are repeated that are acknowledged (§4.3.4.3).
        """
        repeated = _REPEATED[request.kind]
        params = {tag: value for tag, value in request.params.items() if tag in repeated}
        if Tag.ROUTING_CONTEXT in params and self._context >= 0:
            params[Tag.ROUTING_CONTEXT] = contexts
        self._put(_ACK_OF[request.kind], params)

    def _discard(self, reason: DiscardReason, octets: bytes, why: str = "") -> None:
        self.events.append(Discard(reason, name_of(octets), why))

    def _malformed(self, error: M3uaError, octets: bytes) -> None:
        self._discard(DiscardReason.MALFORMED, octets, str(error))
        # Too short to tell an ERR from anything else, or an ERR: not answered (§3.8.1).
        if len(octets) >= 8 and octets[2:4] != b"\0\0":
            self._error(error.code, octets, str(error))

    def _unexpected(self, message: Message, octets: bytes) -> None:
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        self._refuse(ErrorCode.UNEXPECTED_MESSAGE, DiscardReason.UNEXPECTED, octets, message.name, contexts)

    def _refuse(
        self,
        code: ErrorCode,
        reason: DiscardReason,
        octets: bytes,
        why: str,
        contexts: tuple[int, ...] = (),
        *,
        kind: int = -1,
        extra: dict[int, Any] | None = None,
    ) -> None:
        self._discard(reason, octets, why)
        if kind != ERR:
            self._error(code, octets, why, contexts, extra)

    def _error(
        self,
        code: ErrorCode,
        octets: bytes,
        why: str,
        contexts: tuple[int, ...] = (),
        extra: dict[int, Any] | None = None,
    ) -> None:
        params: dict[int, Any] = {Tag.ERROR_CODE: int(code)}
        if contexts:
            params[Tag.ROUTING_CONTEXT] = contexts
        if extra is not None:
            params.update(extra)
        params[Tag.DIAGNOSTIC_INFORMATION] = octets[: _HEAD if code in _HEAD_ONLY else _MAX_DIAGNOSTIC]
        self._put(ERR, params)
        self.events.append(ErrorSent(code, why))


def error_name(code: int) -> str:
    """Return an error code of §3.8.1 in words."""
    try:
        return ErrorCode(code).name.lower().replace("_", " ")
    except ValueError:
        return f"error code {code}"
