"""RFC 4475's messages, mutated ones, floods and guesses: nobody else's call is disturbed, memory stays flat, all is counted."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from random import Random

import pytest
from torture import TORTURE, message
from voip_lab import GATEWAY, Lab, unavailable

from oracles.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE = "11234567"
MUTATED = int(os.environ.get("CAMEL_SCP_MUTATED", "500"))
FLAT = 400_000
"""Octets by which Kamailio's shared memory may differ: transactions that are not over yet."""


@contextlib.contextmanager
def sender(lab: Lab, host: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((host, 0))
        made.connect(("127.0.0.1", lab.sip))
        made.settimeout(0.05)
        yield made


def answers(taken: socket.socket) -> dict[str, list[int]]:
    """Statuses of what has come, by Call-ID up to the "@"."""
    found: dict[str, list[int]] = {}
    with contextlib.suppress(TimeoutError):
        while True:
            said = taken.recv(65536).decode("latin-1")
            call = re.search(r"^(?:Call-ID|i) *: *([^@\r]*)", said, re.MULTILINE | re.IGNORECASE)
            status = re.match(r"SIP/2.0 (\d{3})", said)
            if call and status:
                found.setdefault(call[1], []).append(int(status[1]))
    return found


def beside_a_call(lab: Lab, work: Callable[[], None]) -> None:
    """Do something while one of Alice's calls goes on, and see that it and the next one are as they should be."""
    phone = lab.bound("alice-phone", ALICE)
    taken = lab.device("answers", phone)
    calls = lab.gateway_calls("990011234567", pause=500)
    wait_until(lambda: bool(taken.received("INVITE")))
    work()
    for each in (calls, taken):
        each.ended()
    taken = lab.device("answers", phone)
    for each in (lab.gateway_calls("990011234567"), taken):
        each.ended()
    lab.unbind("alice-phone", ALICE, phone)
    assert lab.kamailio is not None
    assert lab.kamailio.poll() is None


def test_the_messages_of_rfc_4475(shared_lab: Lab) -> None:
    assert len(TORTURE) >= 40
    right = {one.name for one in TORTURE if one.right}
    found: dict[str, list[int]] = {}

    def all_answered() -> bool:
        for name, statuses in answers(taken).items():
            found.setdefault(name, []).extend(statuses)
        return right <= found.keys()

    def work() -> None:
        for one in TORTURE:
            taken.send(one.octets)
        wait_until(all_answered)

    with sender(shared_lab, "127.0.0.67") as taken:
        beside_a_call(shared_lab, work)
    assert "dblreq-second" not in found, "what follows a message in its datagram is no message"
    for one in TORTURE:
        if not one.right:
            assert all(status >= 300 for status in found.get(one.name, [])), (one.name, found[one.name])


def test_mutated_messages_leave_no_memory_behind(shared_lab: Lab) -> None:
    lab = shared_lab
    random = Random(4475)
    whole = [
        message("mutated", "INVITE", "sip:990011234567@voip.example", body=b"v=0\r\n"),
        message(
            "mutated", "REGISTER", to="<sip:+11234567@voip.example>", more=("Contact: <sip:a@127.0.0.1:9>",)
        ),
        message("mutated", "OPTIONS", more=("Route: <sip:127.0.0.1;lr>",)),
        *(one.octets for one in TORTURE),
    ]

    def mutated(number: int) -> bytes:
        octets = bytearray(random.choice(whole))
        for _ in range(random.randint(1, 12)):
            at = random.randrange(len(octets))
            kind = random.randrange(4)
            if kind == 0:
                octets[at] = random.randrange(256)
            elif kind == 1:
                del octets[at : at + random.randint(1, 20)]
            elif kind == 2:
                octets[at:at] = random.choice((b"\r\n", b"\0", b";;", b"%", b"9" * 30, b"<", b'"'))
            else:
                octets[at:at] = octets[at : at + 40]
            octets = octets or bytearray(b"x")
        # a CANCEL of what never was, and what may not be taken for another message's repetition
        return bytes(octets).replace(b"z9hG4bK", b"z9hG4bK%d" % number)

    def turn(first: int, count: int) -> None:
        for start in range(first, first + count, 100):
            # a stranger at each hundred, so that what counts messages by address lets them come; the trunk as well
            hosts = (f"127.0.3.{start // 100 % 250 + 1}", GATEWAY if start % 400 == 0 else "127.0.4.1")
            for host in hosts:
                with sender(lab, host) as taken:
                    for number in range(start, start + 50):
                        taken.send(mutated(number))
                    answers(taken)

    beside_a_call(lab, lambda: turn(0, MUTATED // 2))
    used = shared_memory(lab)
    beside_a_call(lab, lambda: turn(MUTATED // 2, MUTATED // 2))
    assert shared_memory(lab) < used + FLAT


def shared_memory(lab: Lab) -> int:
    """Octets that Kamailio uses of it."""
    return int(lab.rpc("core.shmmem")["real_used"])


def counted(lab: Lab, what: str) -> float:
    return lab.metric(f'scp_voip_kamailio_total{{kamailio="127.0.0.1:{lab.evapi}",what="{what}"}}')


def test_floods_guesses_and_scanners_are_dropped_and_counted(shared_lab: Lab) -> None:
    lab = shared_lab
    before = {what: counted(lab, what) for what in ("flood", "wrong_digest", "scanner")}

    def work() -> None:
        register = message("flood", "REGISTER", to="<sip:+11234567@voip.example>")
        with sender(lab, "127.0.0.68") as taken:

            def flooded() -> bool:
                """Send as fast as can be; a Kamailio that has no processor just then sees no flood of it."""
                for number in range(3000):
                    taken.send(register.replace(b"z9hG4bK", b"z9hG4bK%d" % number))
                return counted(lab, "flood") > before["flood"]

            wait_until(flooded)
        with sender(lab, "127.0.0.69") as taken:
            said: list[int] = []
            for number in range(
                0, 60, 5
            ):  # a few at once: those that are being asked about are not counted yet
                for each in range(5):
                    taken.send(guess(number + each))
                said += answers(taken).get("guess", [])
            assert said
            assert not any(status < 300 for status in said)
            assert len(said) < 50, "who guesses is not answered any more"
        with sender(lab, "127.0.0.70") as taken:
            taken.send(message("scans", more=("User-Agent: friendly-scanner",)))
            assert answers(taken) == {}

    beside_a_call(lab, work)
    for what, was in before.items():
        wait_until(lambda what=what, was=was: counted(lab, what) > was)


def guess(number: int) -> bytes:
    """A device that is nobody's, with a password that is none."""
    digest = f'Digest username="nobody-{number}",realm="voip.example",nonce="a",uri="sip:voip.example",response="{"0" * 32}"'
    octets = message(
        "guess",
        "REGISTER",
        user="<sip:+11234567@voip.example>;tag=1",
        to="<sip:+11234567@voip.example>",
        cseq=f"{number + 1} REGISTER",
        more=(f"Authorization: {digest}",),
    )
    return octets.replace(b"z9hG4bK", b"z9hG4bK%d" % number)
