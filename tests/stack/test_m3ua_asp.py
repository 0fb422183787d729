"""M3UA machines: RFC 4666's sequences, and any sequence of events whatever."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scp.stack.m3ua import asp_table, sgp_table
from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.asp_table import REQUEST_OF, ROWS, WISHES, Goal, Phase
from scp.stack.m3ua.destinations import LIMIT, Destinations
from scp.stack.m3ua.events import (
    AspState,
    AsState,
    Availability,
    BringDown,
    Congestion,
    DestinationChange,
    Discard,
    DiscardReason,
    ErrorReceived,
    ErrorSent,
    Notified,
    Registered,
    RegistrationRefused,
    StateChange,
    Unanswered,
    UserPartUnavailable,
)
from scp.stack.m3ua.servers import highest
from scp.stack.m3ua.settings import AspSettings, Key, Role, SgpSettings, Timers, TrafficMode
from scp.stack.m3ua.sgp import Sgp
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
    DAUD,
    DAVA,
    DEREG_REQ,
    DRST,
    DUNA,
    DUPU,
    ERR,
    NTFY,
    REG_RSP,
    SCON,
    Data,
    Message,
    decode,
    encode,
    name_of,
)
from ss7.m3ua_framer import Framer
from ss7.m3ua_parameters import (
    AffectedPointCode,
    ErrorCode,
    KeyDestination,
    RegistrationResult,
    Status,
    Tag,
    UserCause,
    parameter,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.recorder import Recorder

RC = {Tag.ROUTING_CONTEXT: (7,)}
DATA_7 = encode(Data(1, 2, 3, 2, 0, 5, b"abc", 7))


def take(link: Asp | Sgp) -> list[tuple[int, bytes]]:
    sent = list(link.outbox)
    link.outbox.clear()
    return sent


def said(link: Asp | Sgp) -> list[str]:
    return [name_of(octets) for _, octets in take(link)]


def errors(link: Asp | Sgp) -> list[int]:
    """Codes of the ERRs in the outbox, which is emptied."""
    sent = [decode(octets) for _, octets in take(link)]
    return [m.integer(Tag.ERROR_CODE) for m in sent if isinstance(m, Message) and m.kind == ERR]


def of(link: Asp | Sgp, kind: type) -> list[Any]:
    return [event for event in link.events if isinstance(event, kind)]


def tell(link: Asp | Sgp, kind: int, params: dict[int, Any] | None = None, now: float = 0.0) -> None:
    assert link.receive(encode(Message(kind, params or {})), 0, now) is None


def notify(link: Asp, kind: int, information: int) -> None:
    tell(link, NTFY, {Tag.STATUS: Status(kind, information)})


def up(settings: AspSettings | None = None, streams: int = 3) -> Asp:
    """An active ASP with an empty outbox."""
    asp = Asp(settings or AspSettings(routing_contexts=(7,)))
    asp.connected(0.0, streams)
    tell(asp, ASPUP_ACK)
    tell(asp, ASPAC_ACK)
    assert asp.state is AspState.ACTIVE
    asp.outbox.clear()
    asp.events.clear()
    return asp


def gateway(settings: SgpSettings | None = None, streams: int = 3) -> Sgp:
    """A gateway whose ASP is active, with an empty outbox."""
    sgp = Sgp(settings or SgpSettings(routing_contexts=(7,)))
    sgp.connected(0.0, streams)
    tell(sgp, ASPUP)
    tell(sgp, ASPAC)
    assert (sgp.state, sgp.as_state) == (AspState.ACTIVE, AsState.ACTIVE)
    sgp.outbox.clear()
    sgp.events.clear()
    return sgp


def talk(asp: Asp, sgp: Sgp, now: float = 0.0, see: Callable[[int, bytes], None] | None = None) -> list[str]:
    """Let both talk until they are silent; what was said, with who said it."""
    lines: list[str] = []
    while asp.outbox or sgp.outbox:
        for who, link, other in (("asp", asp, sgp), ("sgp", sgp, asp)):
            for stream, octets in take(link):
                lines.append(f"{who} {name_of(octets)}")
                if see is not None:
                    see(stream, octets)
                other.receive(octets, stream, now)
    return lines


# ── sequences of §5 ─────────────────────────────────────────


def test_up_active_and_down_in_order(everything_sent: Recorder) -> None:
    asp = Asp(AspSettings(routing_contexts=(7,), asp_identifier=3, audit=(185,)))
    sgp = Sgp(SgpSettings(routing_contexts=(7,), require_asp_identifier=True))
    sgp.set_destination(185, Availability.RESTRICTED)
    sgp.set_congestion(185, 2)

    def see(stream: int, octets: bytes) -> None:
        everything_sent.sent(octets, stream=stream)

    sgp.connected(0.0, 4)
    asp.connected(0.0, 4)
    assert talk(asp, sgp, see=see) == [
        "asp ASPUP",
        "sgp ASPUP ACK",
        "sgp NTFY",
        "asp ASPAC",
        "sgp ASPAC ACK",
        "sgp NTFY",
        "asp DAUD",
        "sgp SCON",
        "sgp DRST",
    ]
    assert (asp.state, sgp.state, asp.as_state, sgp.as_state) == (
        AspState.ACTIVE,
        AspState.ACTIVE,
        AsState.ACTIVE,
        AsState.ACTIVE,
    )
    assert [(change.old, change.new) for change in of(asp, StateChange)] == [
        (AspState.DOWN, AspState.INACTIVE),
        (AspState.INACTIVE, AspState.ACTIVE),
    ]
    assert asp.destinations.availability(185) is Availability.RESTRICTED
    assert asp.destinations.congestion(185, 1.0) == 2
    assert asp.destinations.congestion(185, 11.0) == 0
    asp.down(1.0)
    assert [line for line in talk(asp, sgp, see=see) if "NTFY" not in line] == [
        "asp ASPIA",
        "sgp ASPIA ACK",
        "asp ASPDN",
        "sgp ASPDN ACK",
    ]
    assert (asp.state, sgp.state, sgp.as_state) == (AspState.DOWN, AspState.DOWN, AsState.PENDING)
    sgp.tick(sgp.next_deadline())
    assert sgp.as_state is AsState.DOWN


def test_the_same_over_tcp() -> None:
    asp, sgp = Asp(AspSettings()), Sgp()
    asp.connected(0.0)
    sgp.connected(0.0)
    framers = {asp: Framer(), sgp: Framer()}
    while asp.outbox or sgp.outbox:
        for link, other in ((asp, sgp), (sgp, asp)):
            stream = b"".join([octets for number, octets in take(link) if number == 0])
            for pos in range(0, len(stream), 5):
                for octets in framers[other].feed(stream[pos : pos + 5]):
                    other.receive(octets, 0, 0.0)
    assert asp.state is sgp.state is AspState.ACTIVE
    assert asp.send(1, 2, 2, 5, b"hello")
    ((stream_number, octets),) = take(asp)
    assert stream_number == 0
    assert sgp.receive(octets, 0, 0.0) == Data(1, 2, 3, 2, 0, 5, b"hello")


def test_data_goes_on_the_stream_of_its_sls_and_never_on_0() -> None:
    asp = up(streams=4)
    for sls in range(256):
        assert asp.send(1, 2, 2, sls, b"x")
    streams = [stream for stream, _ in take(asp)]
    assert set(streams) == {1, 2, 3}
    assert streams == [1 + sls % 3 for sls in range(256)]


def test_no_data_before_active() -> None:
    asp = Asp(AspSettings())
    assert not asp.send(1, 2, 2, 5, b"x")
    asp.connected(0.0, 2)
    assert not asp.send(1, 2, 2, 5, b"x")
    tell(asp, ASPUP_ACK)
    assert not asp.send(1, 2, 2, 5, b"x")
    assert said(asp) == ["ASPUP", "ASPAC"]
    tell(asp, ASPAC_ACK)
    assert asp.send(1, 2, 2, 5, b"x")
    asp.lost(1.0)
    assert not asp.outbox
    assert not asp.send(1, 2, 2, 5, b"x")


def test_routing_context_is_left_out_where_none_is_configured() -> None:
    asp = Asp(AspSettings(traffic_mode=TrafficMode.UNSPECIFIED))
    asp.connected(0.0)
    tell(asp, ASPUP_ACK)
    assert [decode(octets) for _, octets in take(asp)] == [Message(ASPUP, {}), Message(ASPAC, {})]
    tell(asp, ASPAC_ACK)
    asp.send(1, 2, 2, 5, b"x")
    assert decode(take(asp)[0][1]) == Data(1, 2, 3, 2, 0, 5, b"x")
    assert asp.receive(DATA_7, 0, 0.0) == Data(1, 2, 3, 2, 0, 5, b"abc", 7)


# ── T(ack) ──────────────────────────────────────────────────


def test_aspup_is_sent_again_every_t_ack_and_for_ever() -> None:
    asp = Asp(AspSettings())
    asp.connected(10.0)
    for attempt in range(1, 9):
        assert said(asp) == ["ASPUP"]
        assert asp.next_deadline() == 10.0 + 2 * attempt
        asp.tick(asp.next_deadline() - 0.001)
        assert not asp.outbox
        asp.tick(asp.next_deadline())
        assert of(asp, Unanswered)[-1] == Unanswered("ASPUP", attempt)


def test_aspac_without_answer_starts_anew() -> None:
    asp = Asp(AspSettings())
    asp.connected(0.0)
    tell(asp, ASPUP_ACK)
    for _ in range(3):
        asp.tick(asp.next_deadline())
    assert said(asp) == ["ASPUP", "ASPAC", "ASPAC", "ASPAC", "ASPUP"]
    assert asp.state is AspState.DOWN


@pytest.mark.parametrize("wish", ["deactivate", "down"])
def test_a_withdrawal_without_answer_ends(wish: str) -> None:
    asp = up()
    getattr(asp, wish)(0.0)
    while asp.next_deadline() < 1e9:
        asp.tick(asp.next_deadline())
    assert asp.state is (AspState.INACTIVE if wish == "deactivate" else AspState.DOWN)
    assert said(asp) == ["ASPIA"] * 3 + (["ASPDN"] * 3 if wish == "down" else [])


def test_data_under_way_is_taken_and_answered_until_aspia_is_acknowledged() -> None:
    asp = up()
    asp.deactivate(0.0)
    assert asp.receive(DATA_7, 1, 0.0) is not None
    assert asp.send(1, 2, 2, 5, b"its answer")
    assert said(asp) == ["ASPIA", "DATA"]
    tell(asp, ASPIA_ACK)
    assert not asp.send(1, 2, 2, 5, b"x")
    assert asp.receive(DATA_7, 1, 0.0) is None
    assert of(asp, Discard)[-1].reason is DiscardReason.NOT_ACTIVE
    assert said(asp) == []  # silently: §3.8.1


def test_data_may_overtake_aspac_ack() -> None:
    asp = Asp(AspSettings(routing_contexts=(7,)))
    asp.connected(0.0, 3)
    tell(asp, ASPUP_ACK)
    assert asp.receive(DATA_7, 1, 0.0) is not None
    assert asp.send(2, 1, 2, 5, b"answer")
    assert asp.next_deadline() == 2.0  # T(ack) still runs


# ── what is unsolicited or unexpected ───────────────────────


@pytest.mark.parametrize(
    ("ack", "then"),
    [(ASPIA_ACK, ["ASPAC"]), (ASPDN_ACK, ["ASPUP"]), (ASPUP_ACK, ["ERR", "ASPAC"])],
    ids=["ASPIA ACK", "ASPDN ACK", "ASPUP ACK"],
)
def test_active_again_after_an_unsolicited_ack(ack: int, then: list[str]) -> None:
    asp = up()
    tell(asp, ack)
    assert asp.state is not AspState.ACTIVE
    assert said(asp) == then
    if ack == ASPDN_ACK:
        tell(asp, ASPUP_ACK)
    tell(asp, ASPAC_ACK)
    assert asp.state is AspState.ACTIVE


def test_overridden_is_standby_until_the_as_is_pending() -> None:
    asp = up()
    notify(asp, 2, 2)
    assert asp.state is AspState.INACTIVE
    assert not asp.outbox  # §4.3.4.5: taking the traffic back would go on for ever
    notify(asp, 1, 4)
    assert said(asp) == ["ASPAC"]
    assert asp.as_state is AsState.PENDING


def test_overridden_may_be_told_to_take_over() -> None:
    asp = up()
    notify(asp, 2, 2)
    asp.activate(0.0)
    assert said(asp) == ["ASPAC"]


@pytest.mark.parametrize("information", [2, 3, 4])
def test_notifications_compel_nothing(information: int) -> None:
    asp = up()
    notify(asp, 1, information)
    assert asp.state is AspState.ACTIVE
    assert asp.as_state.value == information
    assert not asp.outbox
    assert of(asp, Notified)[0].information == information
    notify(asp, 9, 9)
    assert of(asp, Notified)[1].text == "status 9/9"


def test_beat_comes_back_verbatim_in_every_state() -> None:
    beat = b"\x01\x55" + encode(Message(BEAT, {Tag.HEARTBEAT_DATA: b"whatever"}))[2:]
    beat = beat[:4] + (len(beat) + 8).to_bytes(4, "big") + beat[8:] + b"\x77\x77\x00\x08abcd"
    asp = Asp(AspSettings())
    asp.connected(0.0)
    for ack in (ASPUP_ACK, ASPAC_ACK, None):
        asp.outbox.clear()
        asp.receive(beat, 2, 0.0)
        assert take(asp) == [(0, beat[:3] + b"\x06" + beat[4:])]
        if ack is not None:
            tell(asp, ack)


def test_silence_brings_the_association_down() -> None:
    asp = up(AspSettings(timers=Timers(beat=5.0)))
    sent = 0
    while not of(asp, BringDown):
        now = asp.next_deadline()
        assert now <= 10.0
        asp.tick(now)
        sent += said(asp).count("BEAT")
    assert (sent, now) == (1, 10.0)  # §4.3.4.6: 2 * T(beat)
    assert asp.next_deadline() == float("inf")
    asp.lost(10.0)
    asp.connected(20.0)
    assert asp.next_deadline() == 22.0
    assert asp.state is AspState.DOWN


def test_any_message_shows_that_the_peer_lives() -> None:
    asp = up(AspSettings(timers=Timers(beat=5.0), routing_contexts=(7,)))
    for second in range(1, 60):
        if second % 4 == 0:
            asp.receive(DATA_7, 1, second)
        elif second % 4 == 2:
            tell(asp, BEAT_ACK, now=second)
        asp.tick(second)
    assert not of(asp, BringDown)
    assert said(asp).count("BEAT") == 11


WRONG: dict[str, tuple[bytes, int, int, DiscardReason]] = {
    "version": (b"\x02\x00\x03\x04\0\0\0\x08", 0, 0x01, DiscardReason.MALFORMED),
    "class": (b"\x01\x00\x05\x04\0\0\0\x08", 0, 0x03, DiscardReason.MALFORMED),
    "type": (b"\x01\x00\x03\x09\0\0\0\x08", 0, 0x04, DiscardReason.MALFORMED),
    "length": (b"\x01\x00\x03\x04\0\0\1\x08", 0, 0x07, DiscardReason.MALFORMED),
    "DATA length": (DATA_7[:4] + b"\0\0\0\x08" + DATA_7[8:], 1, 0x07, DiscardReason.MALFORMED),
    "DATA without data": (b"\x01\x00\x01\x01\0\0\0\x08", 1, 0x16, DiscardReason.MALFORMED),
    "stream of ASPUP ACK": (encode(Message(ASPUP_ACK, {})), 1, 0x09, DiscardReason.STREAM),
    "context of DATA": (encode(Data(1, 2, 3, 2, 0, 5, b"", 8)), 1, 0x19, DiscardReason.ROUTING_CONTEXT),
    "context of ASPIA ACK": (
        encode(Message(ASPIA_ACK, {Tag.ROUTING_CONTEXT: (8,)})),
        0,
        0x19,
        DiscardReason.ROUTING_CONTEXT,
    ),
    "appearance": (
        encode(Data(1, 2, 3, 2, 0, 5, b"", 7, 9)),
        1,
        0x15,
        DiscardReason.NETWORK_APPEARANCE,
    ),
    "ASPUP to an ASP": (encode(Message(ASPUP, {})), 0, 0x06, DiscardReason.UNEXPECTED),
    "DAUD to an ASP": (
        encode(Message(DAUD, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(1),)})),
        0,
        0x06,
        DiscardReason.UNEXPECTED,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_answered_and_counted(name: str, everything_sent: Recorder) -> None:
    octets, stream, code, reason = WRONG[name]
    asp = up(AspSettings(routing_contexts=(7,), network_appearance=8))
    assert asp.receive(octets, stream, 1.0) is None
    assert [event.reason for event in of(asp, Discard)] == [reason]
    assert [event.code for event in of(asp, ErrorSent)] == [code]
    ((number, answer),) = take(asp)
    everything_sent.sent(answer, stream=number)
    message = decode(answer)
    assert isinstance(message, Message)
    assert (number, message.kind, message.integer(Tag.ERROR_CODE)) == (0, ERR, code)
    assert message.octets(Tag.DIAGNOSTIC_INFORMATION) == octets
    if code == 0x19:
        assert message.integers(Tag.ROUTING_CONTEXT) == (8,)  # the invalid one, §3.8.1
    if code == 0x15:
        assert message.integer(Tag.NETWORK_APPEARANCE) == 9
    assert asp.state is AspState.ACTIVE


def test_each_application_server_has_its_network_appearance() -> None:
    """§3.3.1: it says which network a message is of; one of another than its AS's is refused."""
    asp = up(AspSettings(routing_contexts=(7, 9), network_appearances=(1, 2)))
    for context, appearance in ((7, 1), (9, 2)):
        assert asp.send(1, 2, 3, 0, b"ab", context)
        ((_, octets),) = take(asp)
        data = decode(octets)
        assert isinstance(data, Data)
        assert (data.routing_context, data.network_appearance) == (context, appearance)
        assert asp.receive(octets, 1, 0.0) is not None
        wrong = Data(1, 2, 3, 0, 0, 0, b"ab", context, 3 - appearance)
        assert asp.receive(encode(wrong), 1, 0.0) is None
        assert errors(asp) == [ErrorCode.INVALID_NETWORK_APPEARANCE]
        take(asp)


def with_further(octets: bytes, *further: tuple[int, bytes]) -> bytes:
    """The message with further parameters ahead of its own, and its own in the reverse order."""
    own = [parameter(tag, octets[start:end]) for tag, start, end in split(octets, 8, len(octets))]
    body = b"".join([*[parameter(tag, value) for tag, value in further], *reversed(own)])
    return octets[:4] + (8 + len(body)).to_bytes(4, "big") + body


INFO, UNDEFINED = (0x0004, b"hello"), (0x7ABC, b"?")


@pytest.mark.parametrize("further", [(INFO,), (UNDEFINED,), (UNDEFINED, INFO, (0x0007, b"none of theirs"))])
def test_further_parameters_cost_no_message(further: tuple[tuple[int, bytes], ...]) -> None:
    """§3: any message may have them. The ASP registers, is active, is asked and answers, whatever it hears."""
    asp, sgp = registering((Key(destinations=KEY.destinations, routing_context=42),))
    sgp.asp_identifier = 5  # so that NTFY has several parameters of its own

    def hear(link: Asp | Sgp, other: Asp | Sgp) -> list[Data]:
        heard = [other.receive(with_further(octets, *further), stream, 0.0) for stream, octets in take(link)]
        return [data for data in heard if data is not None]

    while asp.outbox or sgp.outbox:
        hear(asp, sgp)
        hear(sgp, asp)
    assert (asp.state, sgp.state, asp.as_state) == (AspState.ACTIVE, AspState.ACTIVE, AsState.ACTIVE)
    assert not of(asp, ErrorSent) + of(sgp, ErrorSent)
    sgp.send(1, 185, 2, 5, b"asked", 42)
    assert hear(sgp, asp) == [Data(1, 185, 3, 2, 0, 5, b"asked", 42)]
    asp.send(185, 1, 2, 5, b"answered", 42)
    assert hear(asp, sgp) == [Data(185, 1, 3, 2, 0, 5, b"answered", 42)]
    for link in (asp, sgp):
        reasons = {event.reason for event in of(link, Discard)}
        # INFO String is of ASPUP, ASPAC, NTFY and their like, not of REG RSP, REG REQ and DATA: all are counted
        assert reasons == {DiscardReason.FURTHER_PARAMETER}
    assert [event.message for event in of(asp, Discard)][-1] == "DATA"
    assert all("0x" in event.why for event in of(asp, Discard))


@pytest.mark.parametrize("link", [up, gateway])
def test_a_listed_parameter_twice_is_refused(link: Callable[[], Asp | Sgp]) -> None:
    """§3.2: one of a kind in a message, unless it is a list."""
    side = link()
    twice = parameter(0x0006, b"\0\0\0\7") * 2
    side.receive(b"\x01\x00\x04\x02" + (8 + len(twice)).to_bytes(4, "big") + twice, 0, 1.0)
    assert errors(side) == [0x13]


@pytest.mark.parametrize("link", [up, gateway])
def test_data_on_stream_0_is_taken_counted_and_told_once(link: Callable[[], Asp | Sgp]) -> None:
    side = link()
    for _ in range(3):
        assert side.receive(DATA_7, 0, 1.0) == Data(1, 2, 3, 2, 0, 5, b"abc", 7)
    assert [event.reason for event in of(side, Discard)] == [DiscardReason.DATA_STREAM] * 3
    assert errors(side) == [0x09]
    side.receive(encode(Data(1, 2, 3, 2, 0, 5, b"", 8)), 0, 1.0)
    assert errors(side) == [0x19]  # all else is looked at as ever


def test_data_on_stream_0_is_told_on_each_association() -> None:
    asp = up()
    for now in (1.0, 2.0):
        asp.receive(DATA_7, 0, now)
        assert errors(asp) == [0x09]
        asp.lost(now)
        asp.connected(now, 3)
        tell(asp, ASPUP_ACK)
        tell(asp, ASPAC_ACK)
        take(asp)


@pytest.mark.parametrize(
    "octets",
    [
        encode(Message(ERR, {Tag.ERROR_CODE: 7})),
        encode(Message(ERR, {Tag.ERROR_CODE: 0x99})),
        b"\x01\x00\x00\x00\x00\x00\x00\x08",
        b"\x02\x00\x00\x00\x00\x00\x00\x08",
        b"\x01\x00\x00\x00\x00\x00\x00\x0c\x00\x04\xff\xff",
    ],
)
@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("link", [up, gateway])
def test_never_err_in_answer_to_err(link: Callable[[], Asp | Sgp], stream: int, octets: bytes) -> None:
    side = link()
    side.receive(octets, stream, 1.0)
    assert not side.outbox
    assert of(side, ErrorReceived) or of(side, Discard)


def test_a_gateway_that_forgot_us_is_found_out_by_traffic() -> None:
    asp, sgp = up(), Sgp(SgpSettings(routing_contexts=(7,)))
    sgp.connected(0.0, 3)
    asp.send(1, 2, 2, 5, b"x")
    talk(asp, sgp)
    assert asp.phase is Phase.PROBING
    assert asp.send(1, 2, 2, 5, b"x")  # it may still be that all is well
    take(asp)
    for _ in range(3):
        asp.tick(asp.next_deadline())
        talk(asp, sgp)
    assert asp.state is sgp.state is AspState.ACTIVE


def test_a_refusal_is_waited_out() -> None:
    asp, sgp = Asp(AspSettings()), Sgp()
    sgp.down(0.0)
    sgp.connected(0.0)
    asp.connected(0.0)
    assert talk(asp, sgp) == ["asp ASPUP", "sgp ERR"]
    assert of(asp, ErrorReceived)[0].text == "refused management blocking"
    assert asp.next_deadline() == 10.0  # T(retry), not T(ack)
    sgp.activate(1.0)
    asp.tick(10.0)
    talk(asp, sgp, 10.0)
    assert asp.state is AspState.ACTIVE


class Strict:
    """A gateway that refuses an ASPAC as a whole where it does not know all that is in it, as osmo-stp does.

    ``names``: which routing contexts its ERR names: "none", "all" that were asked for, or the "unknown".
    """

    def __init__(self, known: tuple[int, ...], names: str, silent: tuple[int, ...] = ()) -> None:
        self.known = known
        self.names = names
        self.silent = silent

    def answer(self, asp: Asp, now: float) -> list[tuple[int, ...]]:
        """Hear the ASP out; return which routing contexts its ASPACs were for, in their order."""
        asked: list[tuple[int, ...]] = []
        while asp.outbox:
            for _, octets in take(asp):
                message = decode(octets)
                assert isinstance(message, Message)
                contexts = message.integers(Tag.ROUTING_CONTEXT)
                if message.kind == ASPUP:
                    tell(asp, ASPUP_ACK, now=now)
                elif message.kind == ASPAC:
                    asked.append(contexts)
                    unknown = tuple([each for each in contexts if each not in self.known])
                    if not unknown:
                        tell(asp, ASPAC_ACK, {Tag.ROUTING_CONTEXT: contexts}, now)
                    elif contexts not in [(each,) for each in self.silent]:
                        named = {"none": (), "all": contexts, "unknown": unknown}[self.names]
                        params = {Tag.ROUTING_CONTEXT: named} if named else {}
                        tell(asp, ERR, {Tag.ERROR_CODE: 0x19, **params}, now)
        return asked


def states(asp: Asp) -> dict[int, AspState]:
    return {context: server.state for context, server in asp.servers.items()}


@pytest.mark.parametrize("contexts", [(1, 99), (99, 1)])
@pytest.mark.parametrize("names", ["none", "all", "unknown"])
def test_of_several_routing_contexts_those_that_the_gateway_knows_get_active(
    contexts: tuple[int, ...], names: str
) -> None:
    asp, strict = Asp(AspSettings(routing_contexts=contexts)), Strict((1,), names)
    asp.connected(0.0, 3)
    asked = strict.answer(asp, 0.0)
    if names == "unknown":  # the other one may still be acknowledged: it is asked for after T(ack)
        assert asked == [contexts]
        asp.tick(2.0)
        asked += strict.answer(asp, 2.0)
        assert asked == [contexts, (1,)]
    else:
        assert asked == [contexts, *[(each,) for each in contexts]]
    assert states(asp) == {1: AspState.ACTIVE, 99: AspState.INACTIVE}
    assert asp.send(1, 2, 2, 5, b"x", 1)
    take(asp)
    refused = of(asp, ErrorReceived)[-1]
    assert (refused.code, refused.text, refused.refused) == (
        0x19,
        "invalid routing context",
        "ASPAC for routing context 99",
    )
    # The other one is asked for at T(retry)'s pace, by itself, and never in a way that ends the first's traffic.
    for _ in range(3):
        now = asp.next_deadline()
        asp.tick(now - 0.01)
        assert not asp.outbox
        asp.tick(now)
        assert strict.answer(asp, now) == [(99,)]
        assert asp.next_deadline() == now + 10.0
        assert states(asp) == {1: AspState.ACTIVE, 99: AspState.INACTIVE}
    strict.known = (1, 99)
    now = asp.next_deadline()
    asp.tick(now)
    assert strict.answer(asp, now) == [(99,)]
    assert states(asp) == {1: AspState.ACTIVE, 99: AspState.ACTIVE}


def test_on_the_next_association_all_are_asked_for_at_once_again() -> None:
    asp, strict = Asp(AspSettings(routing_contexts=(1, 99))), Strict((1,), "none")
    asp.connected(0.0, 3)
    strict.answer(asp, 0.0)
    asp.lost(1.0)
    asp.connected(2.0, 3)
    strict.known = (1, 99)
    assert strict.answer(asp, 2.0) == [(1, 99)]


def test_one_that_is_not_answered_does_not_keep_the_others_waiting() -> None:
    asp, strict = Asp(AspSettings(routing_contexts=(99, 1, 2))), Strict((1, 2), "none", silent=(99,))
    asp.connected(0.0, 3)
    assert strict.answer(asp, 0.0) == [(99, 1, 2), (99,)]
    asp.tick(2.0)
    assert strict.answer(asp, 2.0) == [(99,), (1,), (2,)]
    assert states(asp) == {99: AspState.INACTIVE, 1: AspState.ACTIVE, 2: AspState.ACTIVE}


def test_none_known_begins_anew_after_t_retry() -> None:
    asp, strict = Asp(AspSettings(routing_contexts=(98, 99))), Strict((), "none")
    asp.connected(0.0, 3)
    assert strict.answer(asp, 0.0) == [(98, 99), (98,), (99,)]
    assert asp.next_deadline() == 10.0
    asp.tick(10.0)
    assert name_of(asp.outbox[0][1]) == "ASPUP"
    strict.known = (98,)
    assert strict.answer(asp, 10.0) == [(98,), (99,)]
    assert states(asp) == {98: AspState.ACTIVE, 99: AspState.INACTIVE}


@pytest.mark.parametrize(
    ("settings", "sgp_settings", "words"),
    [
        (
            AspSettings(),
            SgpSettings(traffic_mode=TrafficMode.OVERRIDE),
            "ASPAC refused: ERR 0x05, unsupported traffic mode type",
        ),
        (
            AspSettings(routing_contexts=(9,)),
            SgpSettings(routing_contexts=(7,)),
            "ASPAC for routing context 9 refused: ERR 0x19, invalid routing context",
        ),
        (
            AspSettings(key=Key(destinations=(KeyDestination(185),))),
            SgpSettings(keys=()),
            "REG REQ refused: status 7, routing key not currently provisioned",
        ),
        (
            AspSettings(key=Key(destinations=(KeyDestination(185),))),
            SgpSettings(),
            "REG REQ refused: ERR 0x03, unsupported message class",
        ),
    ],
)
def test_what_was_refused_is_said_in_words(
    settings: AspSettings, sgp_settings: SgpSettings, words: str
) -> None:
    asp, sgp = Asp(settings), Sgp(sgp_settings)
    sgp.connected(0.0, 3)
    asp.connected(0.0, 3)
    talk(asp, sgp)
    asp.tick(10.0)
    assert of(asp, StateChange)[-1] == StateChange(
        AspState.INACTIVE, AspState.DOWN, f"{words}: starting anew"
    )
    assert not of(asp, Unanswered)
    for error in of(asp, ErrorReceived):
        assert error.refused == words.partition(" refused")[0]


def test_a_key_with_more_than_the_gateway_takes_is_told_what_it_has() -> None:
    origins = (KeyDestination(185, (3,), (300,)),)
    asp = Asp(AspSettings(key=Key(destinations=origins), network_appearance=1))
    asp.connected(0.0, 3)
    tell(asp, ASPUP_ACK)
    tell(asp, REG_RSP, {Tag.REGISTRATION_RESULT: (RegistrationResult(1, 9, 0),)})
    assert of(asp, RegistrationRefused) == [
        RegistrationRefused(
            9,
            "unsupported routing key parameter field; the key has destination point code, service indicators, "
            "originating point codes, traffic mode, network appearance",
        )
    ]


def test_an_asp_that_the_gateway_holds_down_starts_anew_with_aspup() -> None:
    asp, sgp = Asp(AspSettings(routing_contexts=(7,))), Sgp(SgpSettings(routing_contexts=(7,)))
    sgp.connected(0.0)
    asp.connected(0.0)
    take(asp)
    tell(asp, ASPUP_ACK)  # the gateway that said so restarted its M3UA, and the association lived on
    assert talk(asp, sgp) == ["asp ASPAC", "sgp ERR"]
    asp.tick(10.0)
    assert talk(asp, sgp, 10.0)[0] == "asp ASPUP"
    assert asp.state is sgp.state is AspState.ACTIVE


# ── SSNM ────────────────────────────────────────────────────


def test_what_ssnm_says_of_destinations() -> None:
    asp = up()
    one = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(185),)}
    tell(asp, DUNA, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(0x100, 4), AffectedPointCode(185))})
    for point_code, wanted in ((0x0FF, 0), (0x100, 2), (0x10F, 2), (0x110, 0), (185, 2)):
        assert list(Availability).index(asp.destinations.availability(point_code)) == wanted
    tell(asp, DAVA, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(0x105),)})
    assert asp.destinations.availability(0x105) is Availability.AVAILABLE
    assert asp.destinations.availability(0x106) is Availability.UNAVAILABLE
    tell(asp, DRST, one)
    assert asp.destinations.availability(185) is Availability.RESTRICTED
    tell(asp, SCON, one, now=5.0)
    assert asp.destinations.congestion(185, 14.9) == 1
    assert asp.destinations.congestion(185, 15.1) == 0
    tell(asp, SCON, {**one, Tag.CONGESTION_INDICATIONS: 0}, now=5.0)
    assert asp.destinations.congestion(185, 6.0) == 0
    tell(asp, DUPU, {**one, Tag.USER_CAUSE: UserCause(2, 3)})
    assert not asp.outbox
    assert of(asp, UserPartUnavailable) == [UserPartUnavailable(185, 3, 2)]
    assert len(of(asp, DestinationChange)) == 4
    assert len(of(asp, Congestion)) == 2
    tell(asp, DUNA, {**one, Tag.ROUTING_CONTEXT: (9,)})
    assert errors(asp) == [0x19]
    asp.lost(1.0)
    assert asp.destinations.availability(0x100) is Availability.AVAILABLE


@pytest.mark.parametrize("mask", [13, 14, 24, 25, 255])
def test_a_mask_of_all_bits_and_more_is_the_whole_network(mask: int) -> None:
    """§3.4.1: whatever the point code beside it."""
    asp = up()
    for point_code in (0, 185, 0x3FFF):
        affected = {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(point_code, mask),)}
        tell(asp, DUNA, affected)
        isolated = {each: asp.destinations.availability(each) for each in (0, 185, 0x1FFF, 0x2000, 0x3FFF)}
        reached = [each for each, state in isolated.items() if state is Availability.AVAILABLE]
        assert reached == ([] if mask > 13 else [each for each in isolated if each >> 13 != point_code >> 13])
        assert of(asp, DestinationChange)[-1] == DestinationChange(point_code, mask, Availability.UNAVAILABLE)
        tell(asp, SCON, affected)
        assert asp.destinations.congestion(point_code, 1.0) == 1
        tell(asp, DAVA, affected)
        tell(asp, SCON, {**affected, Tag.CONGESTION_INDICATIONS: 0})
        for each in isolated:
            assert asp.destinations.availability(each) is Availability.AVAILABLE
            assert asp.destinations.congestion(each, 1.0) == 0
    assert not asp.outbox


MASKS = st.integers(0, 7) | st.sampled_from([14, 24, 25, 255])


@given(st.lists(st.tuples(st.integers(0, 63), MASKS, st.sampled_from(list(Availability))), max_size=30))
def test_ranges_hold_what_was_said_last(said_of: list[tuple[int, int, Availability]]) -> None:
    destinations, model = Destinations(), dict.fromkeys(range(64), Availability.AVAILABLE)
    for point_code, mask, availability in said_of:
        assert destinations.set_availability(point_code, mask, availability)
        for covered in model:
            if covered >> mask == point_code >> mask:
                model[covered] = availability
    assert {point_code: destinations.availability(point_code) for point_code in model} == model


def test_destinations_are_bounded() -> None:
    destinations = Destinations()
    kept = [destinations.set_availability(pc, 0, Availability.UNAVAILABLE) for pc in range(LIMIT + 1)]
    assert kept == [True] * LIMIT + [False]
    kept = [destinations.set_congestion(pc, 0, 1, 0.0, 1.0) for pc in range(LIMIT + 1)]
    assert kept == [True] * LIMIT + [False]
    assert destinations.set_congestion(LIMIT, 0, 1, 2.0, 3.0)  # what has run out makes room


# ── the gateway ─────────────────────────────────────────────


def test_an_audit_of_a_range_is_answered_for_the_range_and_what_is_known_of_its_parts() -> None:
    sgp = gateway()
    sgp.set_destination(0x100, Availability.UNAVAILABLE)
    sgp.set_destination(0x10F, Availability.RESTRICTED)
    sgp.set_destination(0x110, Availability.UNAVAILABLE)
    sgp.set_congestion(0x101, 2)
    take(sgp)
    for mask, covered in ((4, [0x100, 0x101, 0x10F]), (255, [0x100, 0x101, 0x10F, 0x110])):
        asp = up()
        tell(sgp, DAUD, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(0x105, mask),)})
        for stream, octets in take(sgp):
            asp.receive(octets, stream, 0.0)
        assert of(asp, DestinationChange)[0] == DestinationChange(0x105, mask, Availability.AVAILABLE)
        assert [event.point_code for event in of(asp, DestinationChange)[1:]] == covered
        assert asp.destinations.availability(0x10F) is Availability.RESTRICTED
        assert of(asp, Congestion) == [Congestion(0x101, 0, 2)]


def test_traffic_waits_in_as_pending_and_t_r_ends_it() -> None:
    sgp = gateway(SgpSettings(routing_contexts=(7,), queue=2))
    sgp.lost(0.0)
    assert sgp.as_state is AsState.PENDING
    assert [sgp.send(1, 2, 2, sls, b"x") for sls in (1, 2, 3)] == [True, True, False]
    sgp.connected(1.0, 3)
    tell(sgp, ASPUP)
    tell(sgp, ASPAC)
    assert said(sgp) == ["ASPUP ACK", "NTFY", "ASPAC ACK", "NTFY", "DATA", "DATA"]
    sgp.lost(5.0)
    sgp.send(1, 2, 2, 1, b"x")
    sgp.tick(7.0)
    assert sgp.as_state is AsState.DOWN
    assert [event.reason for event in of(sgp, Discard)] == [
        DiscardReason.QUEUE_FULL,
        DiscardReason.RECOVERY_EXPIRED,
    ]


def test_aspup_of_an_active_asp() -> None:
    sgp = gateway()
    tell(sgp, ASPUP)
    assert said(sgp) == ["ASPUP ACK", "ERR", "NTFY"]
    assert sgp.state is AspState.INACTIVE


REQUESTS: list[tuple[str, SgpSettings, int, dict[int, Any], int]] = [
    ("ASPUP without identifier", SgpSettings(require_asp_identifier=True), ASPUP, {}, 0x0E),
    ("ASPAC while down", SgpSettings(), ASPAC, {}, 0x06),
    ("ASPIA while down", SgpSettings(), ASPIA, {}, 0x06),
    ("DAUD while down", SgpSettings(), DAUD, {Tag.AFFECTED_POINT_CODE: (AffectedPointCode(1),)}, 0x06),
    ("REG REQ unsupported", SgpSettings(), DEREG_REQ, RC, 0x03),
    ("REG REQ while down", SgpSettings(keys=()), DEREG_REQ, RC, 0x06),
]


@pytest.mark.parametrize(
    ("settings", "kind", "params", "code"), [row[1:] for row in REQUESTS], ids=[r[0] for r in REQUESTS]
)
def test_refusals_of_an_asp_that_is_down(
    settings: SgpSettings, kind: int, params: dict[int, Any], code: int
) -> None:
    sgp = Sgp(settings)
    sgp.connected(0.0)
    tell(sgp, kind, params)
    assert errors(sgp) == [code]
    assert sgp.state is AspState.DOWN


def test_refusals_of_activation() -> None:
    sgp = Sgp(SgpSettings(routing_contexts=(7,), traffic_mode=TrafficMode.LOADSHARE))
    sgp.connected(0.0)
    tell(sgp, ASPUP)
    take(sgp)
    tell(sgp, ASPAC, {Tag.TRAFFIC_MODE_TYPE: 1})
    tell(sgp, ASPAC, {Tag.TRAFFIC_MODE_TYPE: 9})
    tell(sgp, ASPAC, {Tag.ROUTING_CONTEXT: (8,)})
    sgp.deactivate(0.0)
    tell(sgp, ASPAC, RC)
    assert sgp.receive(DATA_7, 1, 0.0) is None
    assert errors(sgp) == [0x05, 0x05, 0x19, 0x0D, 0x06]
    assert sgp.state is AspState.INACTIVE
    tell(sgp, ASPDN)
    tell(sgp, ASPDN)
    assert said(sgp) == ["ASPDN ACK", "ASPDN ACK"]


# ── routing key management ──────────────────────────────────

KEY = Key(destinations=(KeyDestination(185, (3,)),))


def registering(provisioned: tuple[Key, ...] | None) -> tuple[Asp, Sgp]:
    asp, sgp = Asp(AspSettings(key=KEY)), Sgp(SgpSettings(keys=provisioned))
    sgp.connected(0.0, 2)
    asp.connected(0.0, 2)
    return asp, sgp


def test_registration(everything_sent: Recorder) -> None:
    asp, sgp = registering((Key(destinations=KEY.destinations, routing_context=42),))
    lines = talk(asp, sgp, see=lambda stream, octets: everything_sent.sent(octets, stream=stream))
    assert [line for line in lines if "NTFY" not in line] == [
        "asp ASPUP",
        "sgp ASPUP ACK",
        "asp REG REQ",
        "sgp REG RSP",
        "asp ASPAC",
        "sgp ASPAC ACK",
    ]
    assert of(asp, Registered) == [Registered(42)]
    assert asp.routing_context == 42
    asp.send(1, 2, 2, 5, b"x")
    data = decode(asp.outbox[0][1])
    assert isinstance(data, Data)
    assert data.routing_context == 42
    tell(sgp, DEREG_REQ, {Tag.ROUTING_CONTEXT: (42, 43)})
    answer = decode(take(sgp)[0][1])
    assert isinstance(answer, Message)
    assert answer.params[Tag.DEREGISTRATION_RESULT] == ((42, 5), (43, 4))
    asp.lost(1.0)
    assert asp.routing_context == -1


def test_a_key_is_registered_on_every_association() -> None:
    asp, sgp = registering((Key(destinations=KEY.destinations, routing_context=42),))
    for now in (0.0, 10.0, 20.0):
        assert "asp REG REQ" in talk(asp, sgp, now)
        assert (asp.state, asp.routing_context) == (AspState.ACTIVE, 42)
        asp.lost(now + 1)
        sgp.lost(now + 1)
        sgp.connected(now + 10, 2)
        asp.connected(now + 10, 2)


def test_registration_refused() -> None:
    asp, sgp = registering((Key(destinations=(KeyDestination(1),), routing_context=42),))
    talk(asp, sgp)
    assert of(asp, RegistrationRefused) == [RegistrationRefused(7, "routing key not currently provisioned")]
    assert asp.state is AspState.INACTIVE
    assert asp.next_deadline() == 10.0


def test_registration_not_supported() -> None:
    asp, sgp = registering(None)
    talk(asp, sgp)
    assert of(asp, ErrorReceived)[0].code == ErrorCode.UNSUPPORTED_MESSAGE_CLASS
    assert asp.next_deadline() == 10.0


def test_activation_without_a_registered_key() -> None:
    sgp = Sgp(SgpSettings(keys=(KEY,)))
    sgp.connected(0.0)
    tell(sgp, ASPUP)
    take(sgp)
    tell(sgp, ASPAC)
    assert errors(sgp) == [0x1A]


# ── IPSP ────────────────────────────────────────────────────


def test_an_ipsp_answers_its_peer() -> None:
    asp = Asp(AspSettings(role=Role.IPSP))
    asp.connected(0.0)
    tell(asp, ASPUP)
    tell(asp, ASPAC, RC)
    assert said(asp) == ["ASPUP", "ASPUP ACK", "ASPAC", "ASPAC ACK"]
    assert asp.state is AspState.ACTIVE
    tell(asp, ASPIA)
    assert (asp.state, said(asp)) == (AspState.INACTIVE, ["ASPIA ACK"])
    tell(asp, ASPDN)
    assert (asp.state, said(asp)) == (AspState.DOWN, ["ASPDN ACK"])
    asp.tick(asp.next_deadline())
    assert said(asp) == ["ASPUP"]


def test_two_ipsps_that_both_ask_meet() -> None:
    left, right = Asp(AspSettings(role=Role.IPSP)), Asp(AspSettings(role=Role.IPSP))
    left.connected(0.0)
    right.connected(0.0)
    for _ in range(10):
        for one, other in ((left, right), (right, left)):
            for stream, octets in take(one):
                other.receive(octets, stream, 0.0)
    assert left.state is right.state is AspState.ACTIVE
    assert not left.outbox
    assert not right.outbox


# ── the tables ──────────────────────────────────────────────


def test_tables_are_whole() -> None:
    assert all(row.clause for row in [*ROWS.values(), *sgp_table.ROWS.values()])
    entered = {row.next for row in ROWS.values()} | set(WISHES.values())
    assert entered == set(Phase)
    for phase in Phase:  # no phase that can't be left, none that waits without a way on
        assert phase is Phase.IDLE or (phase, asp_table.Input.LOST) in ROWS
        if phase in REQUEST_OF:
            assert (phase, asp_table.Input.T_ACK) in ROWS
    for phase in (Phase.DOWN, Phase.INACTIVE):
        assert (phase, Goal.ACTIVE) in WISHES


# ── any sequence of events ──────────────────────────────────

AFFECTED = (AffectedPointCode(1), AffectedPointCode(8, 2))
FORGED = [
    DATA_7,
    *[encode(Message(kind, {})) for kind in (ASPUP, ASPDN, BEAT, BEAT_ACK, ASPUP_ACK, ASPDN_ACK)],
    *[
        encode(Message(kind, {Tag.ROUTING_CONTEXT: contexts} if contexts else {}))
        for kind in (ASPAC, ASPIA, ASPAC_ACK, ASPIA_ACK)
        for contexts in ((), (7,), (9,), (7, 8))
    ],
    *[encode(Message(kind, {Tag.AFFECTED_POINT_CODE: AFFECTED})) for kind in (DUNA, DAVA, DRST, DAUD, SCON)],
    *[
        encode(Message(NTFY, {Tag.STATUS: Status(*status), **more}))
        for status in ((1, 2), (1, 3), (1, 4), (2, 1), (2, 2))
        for more in ({}, RC)
    ],
    *[encode(Message(ERR, {Tag.ERROR_CODE: code, **more})) for code in (1, 6, 0x0D) for more in ({}, RC)],
    encode(Message(DEREG_REQ, {Tag.ROUTING_CONTEXT: (7,)})),
]
WAITING = set(REQUEST_OF.values())


class DialogueState(RuleBasedStateMachine):
    """An Asp and an Sgp with a wire between them, and everything that can happen to the three."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.connected = False
        self.forgeries = False
        self.hostile = False
        self.adorned = False
        self.to_asp: deque[tuple[int, bytes]] = deque()
        self.to_sgp: deque[tuple[int, bytes]] = deque()

    @initialize(
        contexts=st.sampled_from([(), (7,), (7, 9), (3, 7, 9)]),
        streams=st.sampled_from([1, 2, 5]),
        beat=st.sampled_from([0.0, 3.0]),
        key=st.booleans(),
        mode=st.sampled_from(list(TrafficMode)),
        hostile=st.booleans(),
        begun=st.sampled_from(["not", "connected", "talking", "talking"]),
        adorned=st.booleans(),
    )
    def begin(
        self,
        contexts: tuple[int, ...],
        streams: int,
        beat: float,
        key: bool,
        mode: TrafficMode,
        hostile: bool,
        begun: str,
        adorned: bool = False,
    ) -> None:
        self.hostile = hostile
        self.adorned = adorned
        timers = Timers(beat=beat)
        keys = (Key(destinations=KEY.destinations, routing_context=7),) if key else None
        self.asp = Asp(
            AspSettings(
                routing_contexts=() if key else contexts,
                traffic_mode=mode,
                key=KEY if key else None,
                audit=(1,),
                timers=timers,
            )
        )
        self.sgp = Sgp(SgpSettings(routing_contexts=() if key else contexts, keys=keys, timers=timers))
        self.streams = streams
        # Most runs begin with a link that works: whole runs go by in which no rule happens to connect it.
        if begun != "not":
            self.connect()
        if begun == "talking":
            self.deliver_all()

    def collect(self) -> None:
        self.to_sgp.extend(self.checked(self.asp))
        self.to_asp.extend(self.checked(self.sgp))

    def checked(self, link: Asp | Sgp) -> list[tuple[int, bytes]]:
        sent = take(link)
        assert self.connected or not sent
        for stream, octets in sent:
            message = decode(octets)
            if isinstance(message, Data):
                assert (stream == 0) == (self.streams == 1)
                assert stream < self.streams
            else:
                assert stream == 0
        # What a peer may do to its messages without meaning anything by it (§3, §3.2): parameters in any order, others.
        adorned = self.adorned
        return [(stream, with_further(octets, UNDEFINED) if adorned else octets) for stream, octets in sent]

    def give(self, link: Asp | Sgp, octets: bytes, stream: int) -> None:
        before = sum(isinstance(event, ErrorSent) for event in link.events)
        welcome = {
            context
            for context, server in link.servers.items()
            if server.receives or getattr(server, "phase", None) is Phase.ASPAC_SENT
        }
        data = link.receive(octets, stream, self.now)
        if data is not None:
            assert octets[2:4] == b"\1\1"
            assert welcome if len(link.servers) == 1 else data.routing_context in welcome
            assert self.connected
        if octets[2:4] == b"\0\0":
            assert before == sum(isinstance(event, ErrorSent) for event in link.events), (
                "ERR answered with ERR"
            )
        self.collect()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for link in (self.asp, self.sgp):
            link.tick(self.now)
            assert link.next_deadline() > self.now, "a timer that is due again at once: a busy loop"
        self.collect()
        if of(self.asp, BringDown) or of(self.sgp, BringDown):
            self.lose()

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.asp.connected(self.now, self.streams)
        self.sgp.connected(self.now, self.streams)
        self.collect()

    @precondition(lambda self: self.connected)
    @rule(chance=st.integers(0, 3))
    def the_association_is_lost(self, chance: int) -> None:
        if chance == 0:  # rarely, as it takes away whatever the steps before have brought about
            self.lose()

    def lose(self) -> None:
        self.connected = False
        self.asp.lost(self.now)
        self.sgp.lost(self.now)
        self.to_asp.clear()
        self.to_sgp.clear()
        self.asp.events.clear()
        self.sgp.events.clear()
        assert self.asp.state is self.sgp.state is AspState.DOWN
        self.collect()

    @rule(count=st.integers(1, 6))
    def deliver_to_sgp(self, count: int) -> None:
        while self.to_sgp and count:
            stream, octets = self.to_sgp.popleft()
            self.give(self.sgp, octets, stream)
            count -= 1

    @rule(count=st.integers(1, 6))
    def deliver_to_asp(self, count: int) -> None:
        while self.to_asp and count:
            stream, octets = self.to_asp.popleft()
            self.give(self.asp, octets, stream)
            count -= 1

    @rule()
    def both_talk_until_they_are_silent(self) -> None:
        self.deliver_all()

    @precondition(lambda self: self.to_sgp and (self.to_sgp[0][1][2] << 8 | self.to_sgp[0][1][3]) in WAITING)
    @rule()
    def a_request_is_ignored(self) -> None:
        self.to_sgp.popleft()

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.advance(seconds)

    @rule(side=st.sampled_from(["asp", "sgp"]), wish=st.sampled_from(["activate", "deactivate", "down"]))
    def administer(self, side: str, wish: str) -> None:
        getattr(getattr(self, side), wish)(self.now)
        self.collect()

    @rule(
        side=st.sampled_from(["asp", "sgp"]), sls=st.integers(0, 255), context=st.sampled_from([-1, 3, 7, 9])
    )
    def traffic(self, side: str, sls: int, context: int) -> None:
        link: Asp | Sgp = getattr(self, side)
        went = link.send(1, 2, 2, sls, b"x" * sls, context)
        asked = link.servers.get(context)
        if isinstance(link, Asp):
            assert not went or any(
                server.state is AspState.ACTIVE or server.phase is Phase.ASPAC_SENT
                for server in link.servers.values()
            )
            assert went or link.state is not AspState.ACTIVE or not link._sending
        else:
            pending = any(server.as_state is AsState.PENDING for server in link.servers.values())
            assert went <= (link.state is AspState.ACTIVE or pending)
        if went and asked is not None and asked.sends:
            sent = decode(link.outbox[-1][1])
            assert isinstance(sent, Data)
            assert sent.routing_context == context
        self.collect()

    @rule(side=st.sampled_from(["asp", "sgp"]), octets=st.binary(max_size=40), stream=st.integers(0, 3))
    def garbage(self, side: str, octets: bytes, stream: int) -> None:
        self.give(getattr(self, side), octets, stream)

    @precondition(lambda self: self.hostile)
    @rule(
        side=st.sampled_from(["asp", "sgp"]),
        octets=st.sampled_from(FORGED),
        stream=st.sampled_from([0, 0, 0, 1]),
    )
    def forged(self, side: str, octets: bytes, stream: int) -> None:
        self.forgeries = True
        self.give(getattr(self, side), octets, stream)

    @invariant()
    def nothing_illegal(self) -> None:
        if not hasattr(self, "asp"):
            return
        asp, sgp = self.asp, self.sgp
        for server in asp.servers.values():
            assert (server.phase is Phase.IDLE) == (not self.connected)
            waits = server.phase in REQUEST_OF or server.phase is Phase.BARRED
            assert not waits or server.timer < float("inf"), "waits for ever"
            if self.connected:
                # Whoever wants to be active is, is asking, or was told that another ASP is in its place.
                waits = server.phase is Phase.INACTIVE and server.alone and asp._asks_alone()  # its turn
                idle = server.phase in (Phase.DOWN, Phase.INACTIVE)
                assert not idle or waits or asp._wish is not Goal.ACTIVE
        for served in sgp.servers.values():
            assert (served.as_state is AsState.ACTIVE) == (served.state is AspState.ACTIVE)
            assert served.as_state is not AsState.PENDING or served.timer < float("inf")
        for link in (asp, sgp):
            assert link.state is highest(link.servers.values())
            assert link.next_deadline() <= min(server.timer for server in link.servers.values())
            assert not link.outbox

    def deliver_all(self) -> None:
        while self.to_asp or self.to_sgp:
            self.deliver_to_sgp(1)
            self.deliver_to_asp(1)

    def teardown(self) -> None:
        """After quiet time with a connected link both are active.

        Where messages were forged, one side may have been made to believe what the other never said. That is found
        out by traffic, and can't be by an ASP that has none: only then is there some.
        """
        if not hasattr(self, "asp"):
            return
        self.asp.activate(self.now)
        self.sgp.activate(self.now)
        self.collect()
        for _ in range(60):
            if not self.connected:
                self.connect()
            if self.forgeries:
                for context in self.asp.servers:
                    self.asp.send(1, 2, 2, 5, b"x", context)
                self.collect()
            self.deliver_all()
            self.advance(1.0)
        self.deliver_all()
        assert (self.asp.state, self.sgp.state) == (AspState.ACTIVE, AspState.ACTIVE)
        assert {server.phase for server in self.asp.servers.values()} == {Phase.ACTIVE}
        assert {server.as_state for server in self.sgp.servers.values()} == {AsState.ACTIVE}


TestConversation = DialogueState.TestCase


@pytest.mark.parametrize("contexts", [(), (7, 9)])
def test_refusals_of_data_do_not_put_the_next_aspac_off_for_ever(contexts: tuple[int, ...]) -> None:
    """DATA overtakes an ASPAC ACK that never comes; each answer to it gets ERR, every second one."""
    story = DialogueState()
    story.begin(contexts, 1, 0.0, False, TrafficMode.UNSPECIFIED, True, "connected")
    story.administer("sgp", "deactivate")
    story.both_talk_until_they_are_silent()
    story.forged("asp", DATA_7, 0)
    story.teardown()
