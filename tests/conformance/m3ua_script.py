"""Runs what the M3UA cases are written in: one line a step, played against an `Asp` or an `Sgp`.

======================  =================================================================================
``<- ASPUP ACK rc=7``   the peer says this (``stream=1``: on another stream than 0; DATA goes on 1)
``<< 0100…``            the peer says these octets
``-> ASPAC rc=7``       the machine says this next: parameters that are given must be so, ``rc=-`` must not be there
``connect``             the association comes up (``streams=1``); ``lost``: it is gone
``activate``            what the administration wants; also ``deactivate``, ``down``
``wait 2.0``            seconds pass
``send sls=3``          our user has a message (``rc=7``: for this AS); ``unsent``: it was not taken
``delivered 1``         so many messages of the peer's user were delivered since the last such line
``state active``        of the ASP; ``as pending``: of the AS (``rc=7``: in this one, of several)
``discards malformed``  these reasons were counted since the last such line
``brings down``         the owner was asked to abort the association
``known 185 restricted``, ``congested 185 1``   what is held of a destination
======================  =================================================================================

Whatever the machine says that no ``->`` line names fails the case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.events import BringDown, Discard
from scp.stack.m3ua.sgp import Sgp
from ss7.m3ua import MESSAGES, Data, Message, decode, encode
from ss7.m3ua_parameters import AffectedPointCode, Status, Tag, UserCause

KINDS = {message.name: kind for kind, message in MESSAGES.items()}
PAYLOAD = b"user"


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
DATA_FIELDS = {"rc": "routing_context", "na": "network_appearance", "sls": "sls"}


class Line:
    """A message as the script writes it."""

    def __init__(self, text: str) -> None:
        words = text.split()
        self.fields = dict(word.split("=") for word in words if "=" in word)
        self.name = " ".join(word for word in words if "=" not in word)
        stream = self.fields.pop("stream", None)
        self.stream = (1 if self.name == "DATA" else 0) if stream is None else int(stream)
        self.any_stream = stream is None

    def octets(self) -> bytes:
        if self.name == "DATA":
            fields = {DATA_FIELDS[key]: int(value) for key, value in self.fields.items()}
            return encode(
                Data(
                    **{"opc": 1, "dpc": 2, "si": 3, "ni": 2, "mp": 0, "sls": 5, "payload": PAYLOAD, **fields}
                )
            )
        params = {PARAMETERS[key][0]: PARAMETERS[key][1](value) for key, value in self.fields.items()}
        return encode(Message(KINDS[self.name], params))

    def check(self, stream: int, octets: bytes) -> None:
        message = decode(octets)
        if isinstance(message, Data):
            assert self.name == "DATA", f"DATA where {self.name} was due"
            for key, value in self.fields.items():
                said = getattr(message, DATA_FIELDS[key])
                assert said == (-1 if value == "-" else int(value)), f"DATA with {key}={said}"
        else:
            assert MESSAGES[message.kind].name == self.name, (
                f"{MESSAGES[message.kind].name} where {self.name} was due"
            )
            for key, value in self.fields.items():
                tag, read = PARAMETERS[key]
                said = message.params.get(tag)
                assert said == (None if value == "-" else read(value)), f"{self.name} with {key}={said}"
        if not self.any_stream:
            assert stream == self.stream, f"{self.name} on stream {stream}"


class Stage:
    """A machine, a clock, and what is still to be looked at."""

    def __init__(self, machine: Asp | Sgp) -> None:
        self.machine = machine
        self.now = 0.0
        self.said: list[tuple[int, bytes]] = []
        self.delivered = 0
        self.sent = True

    def play(self, script: str) -> None:
        """Play all lines; nothing may be left unexpected."""
        for line in filter(None, map(str.strip, script.splitlines())):
            try:
                self._step(line)
            except AssertionError as error:
                raise AssertionError(f"at “{line}”: {error}") from error
        self._quiet()

    def _step(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        if verb == "->":
            assert self.said, "nothing was said"
            Line(rest).check(*self.said.pop(0))
            return
        self._quiet()
        getattr(self, "_" + {"<-": "hear", "<<": "octets", "as": "as_state"}.get(verb, verb))(rest)
        self.said += self.machine.outbox
        self.machine.outbox.clear()

    def _quiet(self) -> None:
        assert not self.said, f"said unasked: {decode(self.said[0][1])}"

    def _take(self, octets: bytes, stream: int) -> None:
        if self.machine.receive(octets, stream, self.now) is not None:
            self.delivered += 1

    def _hear(self, text: str) -> None:
        line = Line(text)
        self._take(line.octets(), line.stream)

    def _octets(self, text: str) -> None:
        self._take(bytes.fromhex(text), 0)

    def _connect(self, text: str) -> None:
        self.machine.connected(self.now, int(text.removeprefix("streams=") or 3))

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
        self.now = until

    def _send(self, text: str) -> None:
        fields = dict(word.split("=") for word in text.split())
        self.sent = self.machine.send(1, 2, 2, int(fields["sls"]), PAYLOAD, int(fields.get("rc", -1)))

    def _unsent(self, _: str) -> None:
        assert not self.sent, "it was taken"

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

    def _discards(self, text: str) -> None:
        events = self.machine.events
        found = [event.reason.value for event in events if isinstance(event, Discard)]
        assert found == text.split(), f"discards were {found}"
        events[:] = [event for event in events if not isinstance(event, Discard)]

    def _brings(self, _: str) -> None:
        assert any(isinstance(event, BringDown) for event in self.machine.events), (
            "it holds on to the association"
        )

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
