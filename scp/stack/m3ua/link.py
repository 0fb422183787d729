"""What both sides of an association share: DATA, streams (RFC 4666 §1.4.7), BEAT (§4.3.4.6), ERR (§3.8.1)."""

from __future__ import annotations

from typing import Any, Final

from scp.stack.m3ua.events import BringDown, Discard, DiscardReason, ErrorReceived, ErrorSent, Event
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
    decode,
    decode_data,
    encode,
    name_of,
)
from ss7.m3ua_parameters import ErrorCode, M3uaError, Tag

NEVER: Final = float("inf")
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
        routing_context: -1: none configured.
        network_appearance: -1: none configured.
        beat: T(beat) in seconds, 0: off.
        check_streams: hold the peer to §1.4.7.
    """

    def __init__(
        self, routing_context: int, network_appearance: int, beat: float, check_streams: bool
    ) -> None:
        self.outbox: list[tuple[int, bytes]] = []
        self.events: list[Event] = []
        self._context: int = routing_context
        self._appearance: int = network_appearance
        self._encoder: DataEncoder = DataEncoder(routing_context, network_appearance)
        self._associated: bool = False
        self._sending: bool = False
        self._receiving: bool = False
        self._many: bool = False
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
            try:
                data = decode_data(message)
            except M3uaError as error:
                self._malformed(error, message)
                return None
            context = data.routing_context
            if (context == self._context or context < 0 or self._context < 0) and data.network_appearance < 0:
                return data
            return self._ours(data, message)
        return self._control(message, stream, now)

    def send(
        self, opc: int, dpc: int, ni: int, sls: int, payload: bytes, *, si: int = _SCCP, mp: int = 0
    ) -> bool:
        """Put DATA into the outbox, on the stream of its SLS; False, and nothing sent, while not ASP-ACTIVE.

        Raises:
            EncodeError: a number is out of range, or the payload longer than 65519 octets.
        """
        if not self._sending:
            return False
        octets = self._encoder.encode(opc, dpc, si, ni, mp, sls, payload)
        self.outbox.append((self._stream_of[sls & 255], octets))
        return True

    # ── association ───────────────────────────────────────

    def _associate(self, now: float, streams: int) -> None:
        self._associated = True
        self._heard = now
        self._many = streams > 1 and self._check_streams
        # DATA goes on the streams but the first (§1.4.7); with one only, or over TCP, there is no choice.
        self._stream_of = [1 + sls % (streams - 1) if streams > 1 else 0 for sls in range(256)]
        self._beat_at = now + self._beat if self._beat > 0 else NEVER

    def _dissociate(self) -> None:
        self._associated = False
        self._beat_at = NEVER
        self.outbox.clear()  # what was for the association that is gone must not go out on the next one

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
        self._beats = (self._beats + 1) & 0xFFFFFFFF
        self._put(BEAT, {Tag.HEARTBEAT_DATA: self._beats.to_bytes(4, "big")})
        self._beat_at = now + self._beat

    def _expired(self, now: float) -> None:
        raise NotImplementedError

    # ── everything but plain DATA ─────────────────────────

    def _control(self, octets: bytes, stream: int, now: float) -> Data | None:
        if not self._associated:
            self._discard(DiscardReason.NOT_CONNECTED, octets)
            return None
        try:
            message = decode(octets)
        except M3uaError as error:
            self._malformed(error, octets)
            return None
        if isinstance(message, Data):
            if stream == 0 and self._many:
                self._refuse(
                    ErrorCode.INVALID_STREAM_IDENTIFIER, DiscardReason.STREAM, octets, "DATA on stream 0"
                )
            elif self._may_receive():
                return self._ours(message, octets)
            else:
                self._inactive_data(message, octets)
            return None
        if stream and self._check_streams and message.kind in _ON_STREAM_0:
            why = f"{message.name} on stream {stream}"
            self._refuse(
                ErrorCode.INVALID_STREAM_IDENTIFIER, DiscardReason.STREAM, octets, why, kind=message.kind
            )
        elif message.kind == BEAT:
            # Every parameter goes back unchanged (§3.5.6): only the type becomes BEAT ACK.
            self.outbox.append((0, octets[:3] + b"\x06" + octets[4:]))
        elif message.kind == ERR:
            code = message.integer(Tag.ERROR_CODE)
            self.events.append(
                ErrorReceived(code, _error_name(code), message.octets(Tag.DIAGNOSTIC_INFORMATION))
            )
            self._refused(code, now)
        elif message.kind != BEAT_ACK:  # that it was heard is all that a BEAT ACK says
            self._handle(message, octets, now)
        return None

    def _ours(self, data: Data, octets: bytes) -> Data | None:
        """Check what DATA belongs to (§3.8.1)."""
        context = data.routing_context
        if context >= 0 and self._context >= 0 and context != self._context:
            code = ErrorCode.INVALID_ROUTING_CONTEXT
            self._refuse(
                code, DiscardReason.ROUTING_CONTEXT, octets, f"routing context {context}", (context,)
            )
            return None
        appearance = data.network_appearance
        if appearance >= 0 and self._appearance >= 0 and appearance != self._appearance:
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
        return data

    def _foreign(self, message: Message, octets: bytes) -> bool:
        """Whether the message is for other routing contexts only; that is answered and counted here."""
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        if not contexts or self._context < 0 or self._context in contexts:
            return False
        why = f"{message.name} for routing context {contexts[0]}"
        self._refuse(ErrorCode.INVALID_ROUTING_CONTEXT, DiscardReason.ROUTING_CONTEXT, octets, why, contexts)
        return True

    def _use_context(self, context: int) -> None:
        if context != self._context:
            self._context = context
            self._encoder = DataEncoder(context, self._appearance)

    def _may_receive(self) -> bool:
        return self._receiving

    def _inactive_data(self, data: Data, octets: bytes) -> None:
        raise NotImplementedError

    def _refused(self, code: int, now: float) -> None:
        raise NotImplementedError

    def _handle(self, message: Message, octets: bytes, now: float) -> None:
        raise NotImplementedError

    # ── effects ───────────────────────────────────────────

    def _put(self, kind: int, params: dict[int, Any]) -> None:
        self.outbox.append((0, encode(Message(kind, params))))

    def _acknowledge(self, request: Message) -> None:
        """Acknowledge ASPUP, ASPDN, ASPAC or ASPIA, with what the acknowledgement repeats of it."""
        repeated = _REPEATED[request.kind]
        params = {tag: value for tag, value in request.params.items() if tag in repeated}
        self._put(_ACK_OF[request.kind], params)

    def _discard(self, reason: DiscardReason, octets: bytes, why: str = "") -> None:
        self.events.append(Discard(reason, name_of(octets), why))

    def _malformed(self, error: M3uaError, octets: bytes) -> None:
        self._discard(DiscardReason.MALFORMED, octets, str(error))
        # Too short to tell an ERR from anything else, or an ERR: not answered (§3.8.1).
        if len(octets) >= 8 and octets[2:4] != b"\0\0":
            self._error(error.code, octets, str(error))

    def _unexpected(self, message: Message, octets: bytes, why: str = "") -> None:
        contexts = message.integers(Tag.ROUTING_CONTEXT)
        self._refuse(
            ErrorCode.UNEXPECTED_MESSAGE, DiscardReason.UNEXPECTED, octets, why or message.name, contexts
        )

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


def _error_name(code: int) -> str:
    try:
        return ErrorCode(code).name.lower().replace("_", " ")
    except ValueError:
        return f"error code {code}"
