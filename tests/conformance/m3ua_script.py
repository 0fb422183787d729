"""Runs what the M3UA cases are written in: one line a step, played against an `Asp` or an `Sgp`.

======================  =================================================================================
``<- ASPUP ACK rc=7``   the peer says this (``stream=1``: on another stream than 0; DATA goes on 1)
``<< 0100…``            the peer says these octets
``-> ASPAC rc=7``       the machine says this next, on the stream that it belongs to, with these parameters and no other
``connect``             the association comes up (``streams=1``); ``lost``: it is gone
``activate``            what the administration wants; also ``deactivate``, ``down``
``wait 2.0``            seconds pass
``send sls=3``          our user has a message (``rc=7``: for this AS); ``unsent``: it was not taken
``delivered 1``         so many messages of the peer's user were delivered since the last such line
``state active``        of the ASP; ``as pending``: of the AS (``rc=7``: in this one, of several)
``discards malformed``  these reasons were counted since the last such line
``mtp pause 185``       our user was told this of a destination (RFC 4666 §1.6.2); `NOTES` has all
``brings down``         the owner was asked to abort the association
``known 185 restricted``, ``congested 185 1``   what is held of a destination
``destination 185 restricted``, ``congestion 185 1``   the network tells the `Sgp` this of a destination
======================  =================================================================================

Of a ``->`` line's parameters some stand for themselves: a request has those that are configured, unless the line says
otherwise (``rc=-``: none), DATA what our user gave to be sent, ERR the message that it is about. A message that a
timer sends comes ``after`` so many seconds of the wait; without that, with its end.

Whatever the machine does that no line says fails the case: messages, deliveries, discards, indications, an association
that is to be aborted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from watch import WATCH

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import (
    Availability,
    BringDown,
    Congestion,
    DestinationChange,
    Discard,
    UserPartUnavailable,
)
from scp.stack.m3ua.settings import AspSettings, Key
from scp.stack.m3ua.sgp import Sgp
from ss7.errors import DecodeError
from ss7.m3ua import DAUD, ERR, MESSAGES, NTFY, Data, Message, decode, encode
from ss7.m3ua_parameters import (
    AffectedPointCode,
    ErrorCode,
    KeyDestination,
    RoutingKey,
    Status,
    Tag,
    UserCause,
)

KINDS = {message.name: kind for kind, message in MESSAGES.items()}
OPC, DPC, SI, NI, MP = 0x123456, 0x2ABCDE, 3, 2, 0
"""Of what either user sends."""
HEAD_ONLY = (ErrorCode.UNSUPPORTED_MESSAGE_CLASS, ErrorCode.UNSUPPORTED_MESSAGE_TYPE)
NOTES: dict[type, Callable[[Any], tuple[str, str]]] = {
    Discard: lambda event: ("discards", event.reason.value),
    BringDown: lambda event: ("brings", "down"),
    DestinationChange: lambda event: ("mtp", f"{MTP[event.availability]} {_range(event)}"),
    Congestion: lambda event: ("mtp", f"status congested {event.level} {_range(event)}"),
    UserPartUnavailable: lambda event: (
        "mtp",
        f"status user {event.user} cause {event.cause} {event.point_code}",
    ),
}
"""What is looked at of the machine's events, as the script's lines say it."""
MTP = {"unavailable": "pause", "available": "resume", "restricted": "restricted"}


def _range(event: DestinationChange | Congestion) -> str:
    return f"{event.point_code}/{event.mask}" if event.mask else str(event.point_code)


def _point_codes(text: str) -> tuple[AffectedPointCode, ...]:
    pairs = [item.partition("/") for item in text.split(",")]
    return tuple([AffectedPointCode(int(code), int(mask or 0)) for code, _, mask in pairs])


def _pair(text: str) -> tuple[int, int]:
    left, _, right = text.partition(".")
    return int(left), int(right)


PARAMETERS: dict[str, tuple[Tag, Callable[[str], Any]]] = {
    "rc": (Tag.ROUTING_CONTEXT, lambda text: tuple([int(each) for each in text.split(",")])),
    "mode": (Tag.TRAFFIC_MODE_TYPE, int),
    "error": (Tag.ERROR_CODE, lambda text: int(text, 16)),
    "status": (Tag.STATUS, lambda text: Status(*_pair(text))),
    "id": (Tag.ASP_IDENTIFIER, int),
    "pc": (Tag.AFFECTED_POINT_CODE, _point_codes),
    "level": (Tag.CONGESTION_INDICATIONS, int),
    "user": (Tag.USER_CAUSE, lambda text: UserCause(*_pair(text))),
    "beat": (Tag.HEARTBEAT_DATA, bytes.fromhex),
    "na": (Tag.NETWORK_APPEARANCE, int),
}


class Line:
    """A message as the script writes it.

    Attributes:
        name: of the message.
        params: its parameters; None: it is to have none of that tag.
        stream: -1 where the line says nothing.
        sls: of DATA; -1 where the line says nothing.
        after: seconds of the wait; -1 where the line says nothing.
    """

    def __init__(self, text: str) -> None:
        words = text.split()
        fields = dict(word.split("=") for word in words if "=" in word)
        self.name = " ".join(word for word in words if "=" not in word)
        self.stream = int(fields.pop("stream", -1))
        self.sls = int(fields.pop("sls", -1))
        self.after = float(fields.pop("after", -1))
        self.params: dict[int, Any] = {}
        for key, value in fields.items():
            tag, read = PARAMETERS[key]
            self.params[tag] = None if value == "-" else read(value)

    def octets(self) -> bytes:
        """The message as the peer sends it."""
        if self.name == "DATA":
            [context] = self.params.get(Tag.ROUTING_CONTEXT, (-1,))
            appearance = self.params.get(Tag.NETWORK_APPEARANCE, -1)
            return encode(Data(DPC, OPC, SI, NI, MP, 5, b"theirs", context, appearance))
        return encode(Message(KINDS[self.name], self.params))


class Said(NamedTuple):
    """A message of the machine's: when, on which stream, its octets."""

    time: float
    stream: int
    octets: bytes


class Stage:
    """A machine, a clock, and what is still to be looked at."""

    def __init__(self, machine: Asp | Sgp) -> None:
        self.machine = machine
        self.now = 0.0
        self.step_began = 0.0
        self.streams = 1
        self.said: list[Said] = []
        self.heard = b""
        self.delivered = 0
        self.noted: list[tuple[str, str]] = []
        self.sent = True
        self.sent_sls = -1

    def play(self, script: str) -> None:
        """Play all lines; nothing may be left unexpected."""
        for line in filter(None, map(str.strip, script.splitlines())):
            try:
                self._step(line)
            except AssertionError as error:
                raise AssertionError(f"at “{line}”: {error}") from error
        self._quiet()
        self._delivered("0")
        assert not self.noted, f"not looked at: {self.noted}"
        assert self.sent, "what our user sent was not taken"

    def _step(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        if verb == "->":
            assert self.said, "nothing was said"
            self._check(Line(rest), self.said.pop(0))
            return
        self._quiet()
        assert self.sent or verb == "unsent", "what our user sent was not taken"
        self.step_began = self.now
        getattr(self, "_" + {"<-": "hear", "<<": "octets", "as": "as_state"}.get(verb, verb))(rest)
        if verb != "wait":
            self._collect()

    def _collect(self) -> None:
        new = self.machine.outbox[:]
        self.machine.outbox.clear()
        said = WATCH.portion("said", new, (0, encode(Message(ERR, {Tag.ERROR_CODE: 7}))))
        self.said += [Said(self.now, *message) for message in said]
        notes = [NOTES[type(event)](event) for event in self.machine.events if type(event) in NOTES]
        self.machine.events.clear()
        self.noted += WATCH.portion("noted", notes, ("discards", "unexpected-message"), timely=False)

    def _quiet(self) -> None:
        assert not self.said, f"said unasked: {decode(self.said[0].octets)}"

    # what the machine says

    def _check(self, line: Line, said: Said) -> None:
        message = decode(said.octets)
        name = "DATA" if isinstance(message, Data) else message.name
        assert name == line.name, f"{name} where {line.name} was due"
        assert encode(message) == said.octets, "not as it is encoded"
        due = self.now if line.after < 0 else self.step_began + line.after
        assert abs(said.time - due) < 1e-6, f"{said.time - self.step_began} s after the step began"
        if isinstance(message, Data):
            self._check_data(line, message, said.stream)
            return
        stream = max(line.stream, 0)
        assert said.stream == stream, f"{name} on stream {said.stream}"
        wanted = {**self._configured(message.kind), **line.params}
        if message.kind == ERR:
            code = wanted[Tag.ERROR_CODE]
            wanted[Tag.DIAGNOSTIC_INFORMATION] = self.heard[: 40 if code in HEAD_ONLY else 256]
        wanted = {tag: value for tag, value in wanted.items() if value is not None}
        assert message.params == wanted, f"{name} with {message.params}, not {wanted}"

    def _check_data(self, line: Line, data: Data, stream: int) -> None:
        [context] = line.params.get(Tag.ROUTING_CONTEXT) or (-1,)
        appearance = line.params.get(Tag.NETWORK_APPEARANCE) or -1
        sls = line.sls if line.sls >= 0 else self.sent_sls
        wanted = Data(OPC, DPC, SI, NI, MP, sls, _payload(sls), context, appearance)
        assert data == wanted, f"{data}, not {wanted}"
        # Any but 0 (§1.4.7); of one SLS always the same, for the order.
        due = line.stream if line.stream >= 0 else (1 + sls % (self.streams - 1) if self.streams > 1 else 0)
        assert stream == due, f"DATA on stream {stream}, not {due}"

    def _configured(self, kind: int) -> dict[int, Any]:
        """What the machine's settings put into a message of this kind."""
        settings, params = self.machine.settings, dict[int, Any]()
        contexts = settings.routing_contexts or None
        if isinstance(settings, AspSettings):
            mode = int(settings.traffic_mode) or None
            if kind in (KINDS["ASPAC"], KINDS["ASPIA"], DAUD):
                params[Tag.ROUTING_CONTEXT] = contexts
            if kind == KINDS["ASPAC"]:
                params[Tag.TRAFFIC_MODE_TYPE] = mode
            if kind == KINDS["ASPUP"] and settings.asp_identifier >= 0:
                params[Tag.ASP_IDENTIFIER] = settings.asp_identifier
            if kind == KINDS["REG REQ"] and settings.key is not None:
                key = RoutingKey(1, settings.key.destinations, -1, mode or -1, settings.network_appearance)
                params[Tag.ROUTING_KEY] = (key,)
        elif kind == NTFY:
            params[Tag.ROUTING_CONTEXT] = contexts
        return params

    # what happens

    def _take(self, octets: bytes, stream: int) -> None:
        self.heard = octets
        data = self.machine.receive(octets, stream, self.now)
        data = WATCH.result("delivered", data, _as_data(octets))
        if data is not None:
            assert data == decode(octets), f"{data} was delivered"
            self.delivered += 1

    def _hear(self, text: str) -> None:
        line = Line(text)
        self._take(line.octets(), line.stream if line.stream >= 0 else int(line.name == "DATA"))

    def _octets(self, text: str) -> None:
        self._take(bytes.fromhex(text), 0)

    def _connect(self, text: str) -> None:
        self.streams = int(text.removeprefix("streams=") or 3)
        self.machine.connected(self.now, self.streams)

    def _lost(self, _: str) -> None:
        self.machine.lost(self.now)

    def _activate(self, _: str) -> None:
        self.machine.activate(self.now)

    def _deactivate(self, _: str) -> None:
        self.machine.deactivate(self.now)

    def _down(self, _: str) -> None:
        self.machine.down(self.now)

    def _wait(self, text: str) -> None:
        until = self.now + float(text)
        while self.machine.next_deadline() <= until:
            self.now = self.machine.next_deadline()
            self.machine.tick(self.now)
            self._collect()
        if self.now < until:
            self.now = until
            self._collect()

    def _send(self, text: str) -> None:
        fields = dict(word.split("=") for word in text.split())
        sls = int(fields["sls"])
        self.sent_sls = sls
        context = int(fields.get("rc", -1))
        sent = self.machine.send(OPC, DPC, NI, sls, _payload(sls), context, si=SI, mp=MP)
        self.sent = WATCH.result("sent", sent)

    def _destination(self, text: str) -> None:
        code, availability = text.split()
        assert isinstance(self.machine, Sgp)
        self.machine.set_destination(int(code), Availability(availability))

    def _congestion(self, text: str) -> None:
        code, level = text.split()
        assert isinstance(self.machine, Sgp)
        self.machine.set_congestion(int(code), int(level))

    # what is to be so

    def _unsent(self, _: str) -> None:
        assert not self.sent, "it was taken"
        self.sent = True

    def _delivered(self, text: str) -> None:
        assert self.delivered == int(text), f"{self.delivered} were delivered"
        self.delivered = 0

    def _state(self, text: str) -> None:
        wanted, _, context = text.partition(" rc=")
        found = (self.machine.servers[int(context)] if context else self.machine).state
        assert found.value == wanted, f"the ASP is {found.value}"

    def _as_state(self, text: str) -> None:
        wanted, _, context = text.partition(" rc=")
        found = (self.machine.servers[int(context)] if context else self.machine).as_state
        assert found.name.lower() == wanted, f"the AS is {found.name.lower()}"

    def _drain(self, verb: str) -> list[str]:
        found = [text for said, text in self.noted if said == verb]
        self.noted = [note for note in self.noted if note[0] != verb]
        return found

    def _discards(self, text: str) -> None:
        found = self._drain("discards")
        assert found == text.split(), f"discards were {found}"

    def _mtp(self, text: str) -> None:
        told = self._drain("mtp")
        assert told == text.split(", "), f"our user was told {told}"

    def _brings(self, text: str) -> None:
        assert self._drain("brings") == [text], "it holds on to the association"

    def _known(self, text: str) -> None:
        code, availability = text.split()
        assert isinstance(self.machine, Asp)
        said = self.machine.destinations.availability(int(code))
        assert said.value == availability, f"{code} is {said.value}"

    def _congested(self, text: str) -> None:
        code, level = text.split()
        assert isinstance(self.machine, Asp)
        said = self.machine.destinations.congestion(int(code), self.now)
        assert said == int(level), f"{code} has level {said}"


def _payload(sls: int) -> bytes:
    return b"ours, of SLS %d" % sls


def _as_data(octets: bytes) -> Data | None:
    """DATA that might have been delivered though it should not be."""
    try:
        message = decode(octets)
    except DecodeError:
        return None
    return message if isinstance(message, Data) else None


# What many scripts begin with: an ASP that is active, one that registers, a gateway whose ASP is active.
UP = """
    connect
    -> ASPUP
    <- ASPUP ACK
    -> ASPAC rc=7
    <- ASPAC ACK rc=7
    state active
"""
REG_REQ = "010009010000001c" + "02070014" + "020a000800000001" + "020b0008000000b9"
KEY = Key(destinations=(KeyDestination(185, (3,)),), routing_context=42)
SERVED = """
    connect
    <- ASPUP
    -> ASPUP ACK
    -> NTFY status=1.2
    <- ASPAC rc=7
    -> ASPAC ACK rc=7
    -> NTFY status=1.3
    state active
"""
REGISTERED = """
    connect
    -> ASPUP
    <- ASPUP ACK
    -> REG REQ
"""


def played(machine: Callable[[], Asp | Sgp], script: str) -> Callable[[], None]:
    return lambda: Stage(machine()).play(script)


def registration(context: int, further: str = "", *, status: int = 0) -> str:
    """A REG RSP to the one key, with ``further`` parameters (hexadecimal)."""
    result = "0208001c" + "020a000800000001" + f"02120008{status:08x}" + f"00060008{context:08x}"
    return f"<< 01000902{8 + len(result + further) // 2:08x}{result}{further}\n"
