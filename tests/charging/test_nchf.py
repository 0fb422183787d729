"""Charging behind the operator's charging function, over a real socket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from chf import ROOT, Chf

from scp.charging.nchf import NchfCharging, read_response
from scp.charging.nchf_http import ChfClient, ChfUnavailableError, _cause
from scp.charging.nchf_messages import NfIdentification
from scp.domain.breaker import Breaker, Circuit
from scp.domain.reservation import State, reservation_id
from scp.ports import ChargingRequest, Denied, StoreError
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000001", "46850000002"


def request(number: int = 1, minutes: int = 5, account: str = A, **more: bool) -> ChargingRequest:
    identity = reservation_id(account, number.to_bytes(8, "big"))
    return ChargingRequest(
        identity, account, f"call-{number}", account, B, minutes * 60, f"print-{minutes}", **more
    )


PAUSE = 1000.0
"""Seconds that the function is left alone when it does not answer."""


class Clock:
    """Seconds, of which a test may let more pass than there were."""

    later = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.later


class Desk:
    """A charging system and the CHF behind it."""

    def __init__(
        self, system: NchfCharging, chf: Chf, ledger: SqliteLedger, breaker: Breaker, clock: Clock
    ) -> None:
        self.system = system
        self.chf = chf
        self.ledger = ledger
        self.breaker = breaker
        self.clock = clock


def run(
    body: Callable[[Desk], Awaitable[None]],
    *,
    balance: int = 100_000,
    carry_on: bool = False,
    deadline: float = 60.0,
    attempt: float = 20.0,
) -> None:
    async def main() -> None:
        chf, ledger, breaker = Chf(balance), SqliteLedger(":memory:"), Breaker(3, PAUSE)
        url = await chf.start()
        clock = Clock()
        client = ChfClient(url, breaker, clock, random.Random(1), deadline=deadline, attempt=attempt)
        system = NchfCharging(
            client,
            ledger,
            NfIdentification("IMS_Node", "scp.example"),
            7,
            lambda: 1_700_000_000_000,
            grace_ms=60_000,
            max_seconds=3600,
            carry_on=carry_on,
        )
        desk = Desk(system, chf, ledger, breaker, clock)
        await ledger.open()
        try:
            await body(desk)
        finally:
            await client.close()
            await chf.stop()
            await ledger.close()

    asyncio.run(main())


def test_a_call() -> None:
    async def body(desk):
        grant = await desk.system.create(request())
        assert grant.denied is None
        assert grant.reservation.granted_seconds == 300
        assert grant.reservation.reference == "session 0"
        assert grant.reservation.expires_ms == 1_700_000_000_000 + 3_600_000
        path, message = desk.chf.requests[0]
        assert path == ROOT
        assert message == {
            "subscriberIdentifier": f"msisdn-{A}",
            "nfConsumerIdentification": {"nodeFunctionality": "IMS_Node", "nFFqdn": "scp.example"},
            "invocationTimeStamp": "2023-11-14T22:13:20.000+00:00",
            "invocationSequenceNumber": 0,
            "multipleUnitUsage": [{"ratingGroup": 7, "requestedUnit": {"time": 300}}],
            "iMSChargingInformation": {
                "callingPartyAddresses": [f"tel:+{A}"],
                "calledPartyAddress": f"tel:+{B}",
            },
        }
        more = await desk.system.update(request().id, 8 * 60)
        assert more.reservation.granted_seconds == 480
        path, message = desk.chf.requests[1]
        assert path == f"{ROOT}/session%200/update"
        assert message["invocationSequenceNumber"] == 1
        assert message["multipleUnitUsage"][0]["requestedUnit"] == {"time": 180}
        paid = await desk.system.release(request().id, 400)
        assert paid.reservation.state is State.COMMITTED
        path, message = desk.chf.requests[2]
        assert path.endswith("/release")
        assert message["invocationSequenceNumber"] == 2
        assert message["multipleUnitUsage"][0]["usedUnitContainer"] == [
            {"localSequenceNumber": 1, "time": 400}
        ]
        assert desk.chf.balance == 100_000 - 400
        assert [each.reference for each in await desk.ledger.unrecorded(9)] == ["session 0"]
        assert desk.chf.connections == 1  # kept alive

    run(body)


def test_repeated_requests_reach_the_charging_function_once() -> None:
    async def body(desk):
        first = await desk.system.create(request())
        assert await desk.system.create(request()) == first
        assert (await desk.system.create(request(minutes=6))).denied is Denied.MISMATCH
        assert await desk.system.update(request().id, 5 * 60) == first
        paid = await desk.system.release(request().id, 9)
        assert await desk.system.release(request().id, 9) == paid._replace(done=False)
        assert (await desk.system.release(request().id, 10)).denied is Denied.MISMATCH
        assert (await desk.system.release(request().id, None)).denied is Denied.CLOSED
        assert (await desk.system.update(request().id, 9 * 60)).denied is Denied.CLOSED
        assert len(desk.chf.requests) == 2

    run(body)


@pytest.mark.parametrize("fault", ["drop", "lose", "slow", 500, 503, 429])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_fails_once_is_sent_again_and_counts_once(fault: str | int, at: int) -> None:
    async def body(desk):
        for step in range(3):
            if step == at:
                desk.chf.faults.append(fault)
            if step == 0:
                assert (await desk.system.create(request())).denied is None
            elif step == 1:
                assert (await desk.system.update(request().id, 10 * 60)).reservation.granted_seconds == 600
            else:
                assert (await desk.system.release(request().id, 500)).denied is None
        assert desk.chf.balance == 100_000 - 500
        assert desk.chf.used == {"session 0": 500}
        again = [message.get("retransmissionIndicator", False) for _, message in desk.chf.requests].count(
            True
        )
        assert len(desk.chf.requests) == 3 + again
        # on a slow machine another answer may not come in the short time of an attempt, either
        assert again == 1 or (fault == "slow" and again > 1)

    run(body, attempt=1.0 if fault == "slow" else 20.0)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("QUOTA_LIMIT_REACHED", Denied.INSUFFICIENT),
        ("USER_UNKNOWN", Denied.UNKNOWN_ACCOUNT),
        ("RATING_FAILED", Denied.NO_TARIFF),
        ("END_USER_SERVICE_DENIED", Denied.SERVICE_DENIED),
        ("SOMETHING_NEW", Denied.SERVICE_DENIED),
        (403, Denied.INSUFFICIENT),
        (400, Denied.SERVICE_DENIED),
    ],
)
def test_denials(code: str | int, reason: Denied) -> None:
    async def body(desk):
        desk.chf.faults.append(code)
        grant = await desk.system.create(request())
        assert (grant.reservation, grant.denied) == (None, reason)
        assert desk.chf.sessions == {}  # nothing is left open
        assert await desk.ledger.reservation(request().id) is None

    run(body)


def test_a_denial_stands_where_the_request_comes_again_and_an_outage_does_not() -> None:
    async def body(desk):
        keyed = request(repeatable=True)
        desk.chf.faults.extend([503] * 3)
        assert (await desk.system.create(keyed)).denied is Denied.UNAVAILABLE
        desk.breaker.succeeded(desk.clock())
        desk.chf.faults.append("QUOTA_LIMIT_REACHED")
        denied = await desk.system.create(keyed)
        assert denied.denied is Denied.INSUFFICIENT
        asked = len(desk.chf.requests)
        assert await desk.system.create(keyed) == denied
        assert (await desk.system.create(request(minutes=6, repeatable=True))).denied is Denied.MISMATCH
        assert (await desk.system.release(keyed.id, 60)).denied is Denied.CLOSED
        assert (await desk.system.update(keyed.id, 6 * 60)).denied is Denied.CLOSED
        assert (await desk.system.release(keyed.id, None)).denied is None  # it holds nothing
        assert len(desk.chf.requests) == asked

    run(body)


def test_one_request_twice_at_once_leaves_one_session() -> None:
    async def body(desk):
        grants = await asyncio.gather(
            *(desk.system.create(each) for each in (request(), request(), request(minutes=6)))
        )
        assert sorted(str(each.denied) for each in grants) in (
            ["None", "None", "another-request"],
            ["None", "another-request", "another-request"],
        )
        found = await desk.ledger.reservation(request().id)
        assert list(desk.chf.sessions) == [found.reference]

    run(body)


def test_less_than_was_asked_for() -> None:
    async def body(desk):
        assert (await desk.system.create(request())).reservation.granted_seconds == 200
        assert (await desk.system.update(request().id, 9 * 60)).denied is Denied.INSUFFICIENT
        assert (await desk.system.release(request().id, 100)).denied is None
        assert (await desk.system.create(request(2, minutes=99))).denied is Denied.TOO_LONG

    run(body, balance=200)


def test_down_and_up_again() -> None:
    """Its absence is noticed, it is left alone, and found again; a commit is never taken for done meanwhile."""

    async def body(desk):
        await desk.system.create(request(1))
        desk.chf.faults.extend([503] * 3)
        assert (await desk.system.create(request(2))).denied is Denied.UNAVAILABLE
        assert desk.breaker.state is Circuit.OPEN
        asked = len(desk.chf.requests)
        assert (await desk.system.create(request(3))).denied is Denied.UNAVAILABLE
        with pytest.raises(StoreError):
            await desk.system.release(request(1).id, 60)
        assert len(desk.chf.requests) == asked
        assert (await desk.ledger.reservation(request(1).id)).state is State.RESERVED
        desk.clock.later = PAUSE
        assert (await desk.system.release(request(1).id, 60)).denied is None
        assert desk.breaker.state is Circuit.CLOSED
        assert desk.chf.used == {"session 0": 60}

    run(body)


def test_the_deadline_holds() -> None:
    async def body(desk):
        desk.chf.faults.extend(["slow"] * 20)
        assert (await desk.system.create(request())).denied is Denied.UNAVAILABLE
        assert len(desk.chf.requests) <= 5, "no more attempts than the deadline has room for"

    run(body, deadline=1.0, attempt=0.2)


def test_carrying_on_without_it() -> None:
    async def body(desk):
        desk.chf.faults.extend([503] * 3)
        grant = await desk.system.create(request())
        assert grant.denied is None
        assert grant.reservation.reference == ""
        assert (await desk.system.update(request().id, 7 * 60)).reservation.granted_seconds == 420
        assert (await desk.system.release(request().id, 61)).reservation.used_seconds == 61
        assert len(desk.chf.requests) == 3

    run(body, carry_on=True)


def test_a_crash_between_the_two_steps_of_a_commit() -> None:
    """The CHF has released the session, the ledger knows nothing of it: the repeated commit heals it."""

    async def body(desk):
        found = (await desk.system.create(request())).reservation
        await desk.system._close(found, 77)
        assert (await desk.ledger.reservation(found.id)).state is State.RESERVED
        assert (await desk.system.release(found.id, 77)).reservation.state is State.COMMITTED
        assert desk.chf.used == {"session 0": 77}
        assert desk.chf.balance == 100_000 - 77

    run(body)


def test_answers_that_can_not_be_read() -> None:
    async def body(desk):
        desk.chf.faults.append("garbage")
        assert (await desk.system.create(request())).denied is Denied.UNAVAILABLE

    run(body)


def test_expiry() -> None:
    async def body(desk):
        await desk.system.create(request())
        assert await desk.system.expire(1_700_000_000_000) == 0
        assert await desk.system.expire(1_700_000_000_000 + 3_600_000) == 1
        assert (await desk.system.release(request().id, 30)).reservation.state is State.COMMITTED
        assert desk.chf.used == {"session 0": 30}
        assert (await desk.system.release("00" + "ff" * 8, 1)).denied is Denied.UNKNOWN_RESERVATION

    run(body)


def test_an_answer_that_is_nested_too_deep_is_none() -> None:
    with pytest.raises(ChfUnavailableError, match="the answer can't be read"):
        read_response(b'{"more":' + b'{"a":' * 5000)
    assert _cause(httpx.Response(400, content=b'{"a":' * 5000)) == ""
