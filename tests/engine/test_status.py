"""The status board: what an operator is told of links and of what was thrown away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scp.common.report_limiter import BURST, RATE, ReportLimiter
from scp.engine.discards import KEPT, MOST_KINDS, MOST_OCTETS, Discards
from scp.engine.status import UNSAID, StatusBoard
from scp.stack.m3ua import events as m3ua
from scp.stack.m3ua.events import AspState, AsState, Availability


class Desk:
    """A board with one link, a clock that the test moves, and what was reported."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.log: list[tuple[str, str, bool]] = []
        self.board = StatusBoard(lambda: self.now, lambda *said: self.log.append(said))
        self.board.expect("stp", "sctp", (0x18BB,))
        self.link: Any = SimpleNamespace(name="stp")
        self.status = self.board.links["stp"]

    def event(self, event: m3ua.Event) -> None:
        self.now += 1
        self.board.link_event(self.link, event)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_of_a_peer_that_connects_to_us_its_own_side_is_to_be_checked(desk: Desk) -> None:
    desk.board.expect("stp", waits=True)
    assert desk.board.links["stp"].check.startswith("at the peer, which connects to us")
    desk.board.connection(desk.link, "")
    desk.board.connection(desk.link, "closed by peer")
    assert desk.board.links["stp"].check.startswith("at the peer, which connects to us")


def test_a_link_is_followed_from_the_first_failure_to_active_and_back(desk: Desk) -> None:
    assert (desk.status.connected, desk.status.asp, desk.status.since) == (False, "down", 1000.0)
    assert "firewall" in desk.status.check
    desk.now = 1001
    desk.board.failed("stp", "connection refused")
    desk.board.failed("stp", "connection refused")
    assert desk.log == [("stp", "connection refused", True)], "the same failure again is no news"
    assert (desk.status.last_error, desk.status.last_error_at) == ("connection refused", 1001)
    desk.now = 1002
    desk.board.connection(desk.link, "")
    assert (desk.status.connected, desk.status.associated) == (True, 1002)
    assert "routing context" in desk.status.check
    desk.event(m3ua.StateChange(AspState.INACTIVE, AspState.ACTIVE, "ASPAC ACK"))
    desk.event(m3ua.AsStateChange(AsState.INACTIVE, AsState.ACTIVE))
    assert (desk.status.asp, desk.status.since, desk.status.check) == ("active", 1003, "")
    assert (desk.status.application_server, desk.status.server_since) == ("active", 1004)
    assert desk.status.last_error == "connection refused", "it stays after recovery"
    desk.board.connection(desk.link, "aborted by peer")
    assert (desk.status.connected, desk.status.last_error) == (False, "aborted by peer")
    assert desk.log[-1] == ("stp", "association lost: aborted by peer", True)


def test_our_own_close_is_no_trouble(desk: Desk) -> None:
    desk.board.connection(desk.link, "")
    desk.board.connection(desk.link, "closed by us")
    assert desk.log[-1] == ("stp", "association closed", False)
    assert desk.status.last_error == ""


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (m3ua.ErrorReceived(0x19, "invalid routing context", b""), "ERR: invalid routing context (0x19)"),
        (
            m3ua.ErrorReceived(0x19, "invalid routing context", b"", "ASPAC for routing context 99"),
            "invalid routing context (0x19), in answer to ASPAC for routing context 99",
        ),
        (m3ua.ErrorSent(3, "class 9"), "class 9"),
        (m3ua.RegistrationRefused(5, "permission denied"), "REG REQ refused: status 5, permission denied"),
        (m3ua.BringDown("BEAT unanswered"), "BEAT unanswered"),
        (m3ua.Unanswered("ASPUP", 3), "ASPUP was not answered 3 times"),
        (m3ua.UserPartUnavailable(0x18BB, 3, 0), "user part 3 is not available at 3-23-3"),
    ],
)
def test_trouble_is_said_in_words(desk: Desk, event: m3ua.Event, words: str) -> None:
    desk.event(event)
    assert words in desk.status.last_error
    assert desk.log[-1][2]


def test_destinations_are_what_the_gateway_says_on_this_association(desk: Desk) -> None:
    assert {name: each.state for name, each in desk.status.destinations.items()} == {"3-23-3": UNSAID}
    desk.event(m3ua.DestinationChange(0x18BB, 0, Availability.UNAVAILABLE))
    desk.event(m3ua.DestinationChange(0x18BB, 0, Availability.UNAVAILABLE))
    desk.event(m3ua.Congestion(0x1800, 3, 2))
    assert desk.status.destinations["3-23-3"].since == 1001
    assert desk.status.destinations["3-23-3"].check
    assert desk.status.destinations["3-0-0/3"].state == "congested, level 2"
    desk.event(m3ua.Congestion(0x1800, 3, 0))
    desk.event(m3ua.DestinationChange(0x18BB, 0, Availability.AVAILABLE))
    assert {each.state for each in desk.status.destinations.values()} == {"available"}
    assert {each.check for each in desk.status.destinations.values()} == {""}
    desk.board.connection(desk.link, "gone")
    assert {each.state for each in desk.status.destinations.values()} == {UNSAID}


def test_what_is_said_of_a_range_is_said_of_its_parts(desk: Desk) -> None:
    desk.event(m3ua.DestinationChange(0x18BB, 0, Availability.RESTRICTED))
    desk.event(m3ua.DestinationChange(0x0007, 2, Availability.RESTRICTED))
    desk.event(m3ua.DestinationChange(0x18B9, 3, Availability.UNAVAILABLE))
    shown = {name: each.state for name, each in desk.status.destinations.items()}
    assert shown == {"3-23-3": "unavailable", "0-0-7/2": "restricted", "3-23-1/3": "unavailable"}
    for mask in (14, 255):
        desk.event(m3ua.DestinationChange(0, mask, Availability.UNAVAILABLE))
        assert {each.state for each in desk.status.destinations.values()} == {"unavailable"}
        assert desk.log[-1] == ("stp", "destination all is unavailable", True)
    desk.event(m3ua.DestinationChange(0x3FFF, 99, Availability.AVAILABLE))
    assert {name: each.state for name, each in desk.status.destinations.items()} == {
        **dict.fromkeys(shown, "available"),
        "all": "available",
    }
    assert {each.check for each in desk.status.destinations.values()} == {""}


def test_a_gateway_that_speaks_of_any_number_of_destinations_costs_a_bounded_one(desk: Desk) -> None:
    for point_code in range(3000):
        desk.event(m3ua.DestinationChange(point_code, 0, Availability.RESTRICTED))
        desk.board.subsystem(point_code, 146, "prohibited")
    assert len(desk.status.destinations) == len(desk.board.subsystems) == 1024


def test_paths_and_subsystems(desk: Desk) -> None:
    desk.board.path("stp", "10.0.0.1", "up")
    desk.board.path("stp", "10.0.1.1", "down")
    assert [(each.state, bool(each.check)) for each in desk.status.paths.values()] == [
        ("up", False),
        ("down", True),
    ]
    desk.board.path("stp", "10.0.1.1", "")
    assert list(desk.status.paths) == ["10.0.0.1"]
    desk.board.subsystem(0x18BB, 6, "prohibited")
    assert desk.log[-1] == ("", "subsystem 6 at 3-23-3 is prohibited", True)
    desk.board.subsystem(0x18BB, 6, "allowed")
    assert desk.board.subsystems["6 at 3-23-3"].check == ""


def test_discards_are_counted_by_reason_and_the_latest_are_kept() -> None:
    now = iter(range(100_000))
    discards = Discards(lambda: next(now))
    for number in range(100):
        discards.add("stp", "sccp", "malformed", bytes([number]))
    discards.add("", "sccp", "reassembly-timeout", b"")
    discards.add("stp", "m3ua", "malformed", bytes(5000))
    m3ua_kind, timeout, malformed = sorted(discards.all(), key=lambda kind: kind.count)
    assert (malformed.layer, malformed.reason, malformed.count) == ("sccp", "malformed", 100)
    assert [sample.octets[0] for sample in malformed.samples] == list(range(100 - KEPT, 100))
    assert {kind.count for kind in (m3ua_kind, timeout)} == {1}
    (long,) = next(kind for kind in discards.all() if kind.layer == "m3ua").samples
    assert (long.size, len(long.octets), long.peer) == (5000, MOST_OCTETS, "stp")
    assert not next(kind for kind in discards.all() if kind.reason == "reassembly-timeout").samples
    for number in range(1000):
        discards.add("stp", "cap", str(number), b"x")
    assert len(discards.all()) == MOST_KINDS


# --- several application servers ---


def test_of_several_application_servers_each_has_its_state(desk: Desk) -> None:
    desk.board.expect("stp", "sctp", contexts=(7, 9))
    status = desk.board.links["stp"]
    assert [(context, each.asp) for context, each in status.servers.items()] == [(7, "down"), (9, "down")]
    desk.event(m3ua.ServerChange(9, AspState.ACTIVE, "ASPAC ACK"))
    desk.event(m3ua.StateChange(AspState.INACTIVE, AspState.ACTIVE, "ASPAC ACK"))
    desk.event(m3ua.AsStateChange(AsState.INACTIVE, AsState.PENDING, 7))
    seven, nine = status.servers[7], status.servers[9]
    assert (status.asp, nine.asp, nine.since, nine.check) == ("active", "active", 1001, "")
    assert (seven.asp, seven.application_server, seven.server_since) == ("down", "pending", 1003)
    assert "routing context" in seven.check
    assert desk.log == [
        ("stp", "ASP active for routing context 9: ASPAC ACK", False),
        ("stp", "ASP active: ASPAC ACK", False),
        ("stp", "AS pending for routing context 7", False),
    ]
    desk.event(m3ua.ServerChange(9, AspState.INACTIVE, "overridden"))
    assert desk.log[-1] == ("stp", "ASP inactive for routing context 9: overridden", True)
    desk.board.connection(desk.link, "reset")
    assert seven.application_server == ""
    assert desk.board.expect("one", contexts=(7,)) is None
    assert desk.board.links["one"].servers == {}, "one is the link itself"


# --- a link of which too much is to be said ---


def test_of_a_busy_link_a_reader_s_share_is_reported_and_the_rest_counted() -> None:
    now, said = [0.0], []
    report = ReportLimiter(lambda *what: said.append(what), lambda: now[0])
    for _ in range(1000):
        report("hostile", "association up", False)
    report("stp", "association up", False)
    assert len(said) == BURST + 1
    now[0] = 1 / RATE
    report("hostile", "association lost", True)
    left_out = f"{1000 - BURST:.0f} reports were left out, there were too many"
    assert said[-2:] == [("hostile", left_out, True), ("hostile", "association lost", True)]
