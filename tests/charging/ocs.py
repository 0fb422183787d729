"""An online charging system of the tests' own, on python-diameter: keeps money and sessions, and fails when told to.

It is no part of the project, and no product: what it knows of credit control is what the tests need of RFC 8506. Its
Diameter (capabilities, watchdogs, every AVP) is the library's, which nothing of the node's has a line of.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from diameter.message import Avp, Message, constants
from diameter.message.commands import CreditControlRequest, ReAuthRequest
from diameter.node import Node
from diameter.node._helpers import StoppableThread
from diameter.node.application import Application

from oracles.servers import free_tcp_port
from scp.charging.ro_client import RoClient

# Its threads go on for a moment after a test, when the root logger's stream may be closed.
logging.getLogger("diameter").propagate = False
logging.getLogger("diameter").addHandler(logging.NullHandler())

REALM: Final = "charging.example"
CLIENT: Final = "scp1.charging.example"
INITIAL, UPDATE, TERMINATION = 1, 2, 3
RETRANSMIT: Final = 0x10


@dataclass
class Session:
    """What a session has used, in seconds before and after the tariff's change, and what it holds, in sixtieths."""

    before: int = 0
    after: int = 0
    held: int = 0
    open: bool = True
    changed: bool = False  # an earlier report was of after the change


@dataclass
class Books:
    """The money of the one subscriber, which several servers may share.

    Attributes:
        balance: minor units.
        price: of a minute; ``later``: after ``change``, in seconds since 1970.
        sessions: by Session-Id.
        charged: minor units, by Session-Id.
        answers: what was answered, by Session-Id and CC-Request-Number: a repeated request gets the same.
        requests: all that came, in their order, the repeated ones too.
    """

    balance: int = 100_000
    price: int = 60
    later: int = 0
    change: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[str, int], tuple[int, list[Avp]]] = field(default_factory=dict)
    kinds: dict[tuple[str, int], int] = field(default_factory=dict)
    requests: list[CreditControlRequest] = field(default_factory=list)
    repeats: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def cost(self, session: Session) -> int:
        """Sixtieths of minor units."""
        return session.before * self.price + session.after * self.later

    def grant(self, session: Session, asked: int) -> int:
        """Hold what up to ``asked`` seconds may cost; how many there are."""
        session.held = 0
        held = sum(each.held + self.cost(each) for each in self.sessions.values() if each.open)
        dearest = max(self.price, self.later)
        seconds = max(0, min(asked, (self.balance * 60 - held) // dearest))
        session.held = seconds * dearest
        return seconds

    def settle(self, name: str) -> None:
        session = self.sessions[name]
        assert session.open, f"{name} is settled twice"
        session.open, session.held = False, 0
        self.charged[name] = -(-self.cost(session) // 60)
        self.balance -= self.charged[name]

    @property
    def used(self) -> list[int]:
        """Seconds of each session."""
        return [each.before + each.after for each in self.sessions.values()]


class Ocs(Application):
    """A server.

    Attributes:
        books: its money.
        faults: what becomes of the next requests: "drop" (the connection ends), "lose" (carried out, and the
            connection ends), "silent" (nothing), "mute" (carried out, no answer), a Result-Code, or one in a tuple for
            Multiple-Services-Credit-Control alone.
        more: AVPs that each answer has.
        unit: AVPs that each grant has, beside Final-Unit-Indication.
        seconds: until an answer goes.
        swallowed: hop-by-hop ids of requests that get no answer.
        deaf: watchdogs get none.
        answers_as: Origin-Host of its answers, if it is a relay for another; "": its own.
    """

    def __init__(self, books: Books | None = None, name: str = "ocs1", port: int = 0) -> None:
        super().__init__(constants.APP_DIAMETER_CREDIT_CONTROL_APPLICATION, is_auth_application=True)
        self.books = books or Books()
        self.faults: deque[Any] = deque()
        self.more: list[Avp] = []
        self.unit: list[Avp] = []
        self.seconds = 0.0
        self.host = f"{name}.{REALM}"
        self.port = port or free_tcp_port()
        self.swallowed: set[int] = set()
        self.deaf = False
        self.answers_as = ""

    def up(self, clients: tuple[str, ...] = (CLIENT,)) -> Ocs:
        node = Node(self.host, REALM, ip_addresses=["127.0.0.1"], tcp_port=self.port, vendor_ids=[10415])
        node.retransmit_queue_size = (
            0  # whether a request is repeated is the application's affair (RFC 8506 §8.2)
        )
        node.wakeup_interval = 0.02
        node._stat_collect_thread = StoppableThread(
            target=lambda _thread: None
        )  # it would sleep for 2 s at the end
        node._connection_thread.daemon = True  # and so are those that it starts for each connection
        node.add_application(self, [node.add_peer(f"aaa://{each}", REALM) for each in clients])
        receive_dwr = node.receive_dwr
        node.receive_dwr = lambda conn, message: None if self.deaf else receive_dwr(conn, message)
        node.start()
        return self

    def down(self) -> None:
        """End as a process that is killed: every connection is gone."""
        node, self._node = self._node, None
        if node is not None:
            node.stop(force=True)

    def hang_up(self) -> None:
        for conn in list(self.node.connections.values()):
            conn.close()

    def connected(self) -> bool:
        return any(each.connection is not None for each in self.node.peers.values())

    def watch(self) -> None:
        """Ask every client whether it is there."""
        for conn in list(self.node.connections.values()):
            self.node.send_dwr(conn)

    def re_authorise(self, session: str) -> Message:
        request = ReAuthRequest()
        request.session_id, request.origin_host, request.origin_realm = (
            session,
            self.host.encode(),
            REALM.encode(),
        )
        request.destination_realm, request.destination_host = REALM.encode(), CLIENT.encode()
        request.auth_application_id, request.re_auth_request_type = 4, 0
        return self.send_request(request, 20)

    def handle_request(self, message: Message) -> None:
        fault = self.faults.popleft() if self.faults else None
        with self.books.lock:
            self.books.requests.append(message)
            if fault in ("drop", "silent"):
                answer = None
            else:
                answer = self.generate_answer(message)
                result, avps = self._carried_out(message, fault)
                answer.result_code = result
                answer.origin_host = (self.answers_as or self.host).encode()
                place = (message.session_id, message.cc_request_number)
                answer.cc_request_type = self.books.kinds.setdefault(place, message.cc_request_type)
                answer.cc_request_number = message.cc_request_number
                for each in [*self.more, *avps]:
                    answer.append_avp(each)
        if fault in ("silent", "mute"):
            self.swallowed.add(message.header.hop_by_hop_identifier)
        elif fault in ("drop", "lose"):
            self.hang_up()
        elif answer is not None:
            if self.seconds:
                threading.Timer(self.seconds, self.send_answer, (answer,)).start()
            else:
                self.send_answer(answer)

    def _carried_out(self, message: CreditControlRequest, fault: Any) -> tuple[int, list[Avp]]:
        if isinstance(fault, int):
            return fault, []
        place = (message.session_id, message.cc_request_number)
        if place in self.books.answers:
            assert message.header.command_flags & RETRANSMIT, f"{place} comes again without the T flag"
            self.books.repeats += 1
        else:
            self.books.answers[place] = self._new(message, fault)
        return self.books.answers[place]

    def _new(self, message: CreditControlRequest, fault: Any) -> tuple[int, list[Avp]]:
        books, name, kind = self.books, message.session_id, message.cc_request_type
        if kind == INITIAL:
            assert message.cc_request_number == 0
            books.sessions[name] = Session()
        session = books.sessions.get(name)
        if session is None or not session.open:
            return 5002, []
        (asked,) = message.multiple_services_credit_control
        for used in asked.used_service_unit:
            if session.changed or used.tariff_change_usage == 1:
                session.after += used.cc_time
            else:
                session.before += used.cc_time
        session.changed = session.changed or session.after > 0
        if kind == TERMINATION:
            books.settle(name)
            return 2001, []
        group = [Avp.new(constants.AVP_RATING_GROUP, value=asked.rating_group)]
        wanted = asked.requested_service_unit.cc_time
        seconds = 0 if isinstance(fault, tuple) else books.grant(session, wanted)
        result = fault[0] if isinstance(fault, tuple) else 2001 if seconds else 4012
        group.append(Avp.new(constants.AVP_RESULT_CODE, value=result))
        if seconds:
            group.append(Avp.new(constants.AVP_GRANTED_SERVICE_UNIT, value=self._granted(seconds, session)))
            group += self.unit
            if seconds < wanted:
                final = [Avp.new(constants.AVP_FINAL_UNIT_ACTION, value=0)]
                group.append(Avp.new(constants.AVP_FINAL_UNIT_INDICATION, value=final))
        return 2001, [Avp.new(constants.AVP_MULTIPLE_SERVICES_CREDIT_CONTROL, value=group)]

    def _granted(self, seconds: int, session: Session) -> list[Avp]:
        avps = [Avp.new(constants.AVP_CC_TIME, value=seconds)]
        if self.books.change and not session.changed:
            at = dt.datetime.fromtimestamp(self.books.change, dt.UTC)
            avps.append(Avp.new(constants.AVP_TARIFF_TIME_CHANGE, value=at))
        return avps


def awaited(client: RoClient, *servers: Ocs) -> bool:
    """Whether something is to come from the servers: a connection, or an answer (for `VirtualLoop.outside`)."""
    swallowed = set().union(*(each.swallowed for each in servers))
    for peer in client.peers:
        if peer._link is None:
            if peer.waits:
                return True
        elif (
            peer._watchdog.pending and not any(each.deaf for each in servers if each.port == peer.address[1])
        ) or not swallowed.issuperset(peer._link.waiting):
            return True
    return False
