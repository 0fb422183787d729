"""Quotas behind the operator's charging function, over a real socket: TS 32.291 with used units and triggers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from unittest.mock import patch

import pytest
from chf import ROOT, Chf
from hypothesis import given
from hypothesis import strategies as st

from oracles.examples import examples
from scp.charging import nchf_http
from scp.charging.nchf_http import ChfClient
from scp.charging.nchf_messages import NfIdentification
from scp.charging.nchf_quotas import NchfQuotas
from scp.domain.breaker import Breaker
from scp.domain.quota import UNUSED, QuotaDenial, QuotaGrant, QuotaRequest, Settled, Usage
from scp.domain.reservation import State, reservation_id
from scp.ports import StoreError
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000009", "46701234567"
SESSION = reservation_id(A, b"0123456789")


def request(seconds: int, tenths: int = 0, told: int = 0, **more: int) -> QuotaRequest:
    usage = Usage(((tenths, 0),), told) if tenths else UNUSED
    return QuotaRequest(SESSION, A, "c", A, B, seconds, usage, **more)


def run(body, balance: int = 100_000) -> None:
    async def main() -> None:
        chf, ledger = Chf(balance), SqliteLedger(":memory:")
        url = await chf.start()
        client = ChfClient(
            url, Breaker(3, 1000.0), time.monotonic, random.Random(1), deadline=60.0, attempt=20.0
        )
        await ledger.open()

        def node() -> NchfQuotas:
            identity = NfIdentification("IMS_Node", "scp.example")
            wall = 1_700_000_000_000
            return NchfQuotas(client, ledger, identity, 7, lambda: wall, grace_ms=60_000, message_group=9)

        try:
            await body(node, chf, ledger)
        finally:
            await client.close()
            await chf.stop()
            await ledger.close()

    asyncio.run(main())


def test_3_each_update_tells_what_was_used_and_the_last_quota_is_told_as_such() -> None:
    async def body(node, chf, ledger) -> None:
        quotas = node()
        assert await quotas.reserve(request(60)) == QuotaGrant(SESSION, 60)
        grants = [await quotas.extend(request(*each)) for each in ((120, 300), (180, 900), (240, 1500))]
        assert [(grant.seconds, grant.last) for grant in grants] == [(120, False), (180, False), (200, True)]
        assert await quotas.settle(SESSION, Usage(((2000, 0),))) == Settled(SESSION, None, 200)
        told = [body["multipleUnitUsage"][0].get("usedUnitContainer") for _, body in chf.requests]
        assert told[0] is None
        assert [(each[0]["time"], each[0]["triggers"][0]["triggerType"]) for each in told[1:]] == [
            (30, "QUOTA_EXHAUSTED"),
            (60, "QUOTA_EXHAUSTED"),
            (60, "QUOTA_EXHAUSTED"),
            (50, "FINAL"),
        ]
        assert [body["invocationSequenceNumber"] for _, body in chf.requests] == [0, 1, 2, 3, 4]
        assert chf.used == {"session 0": 200}
        assert (chf.balance, chf.sessions) == (0, {})
        found = await ledger.reservation(SESSION)
        assert (found.state, found.used_seconds) == (State.COMMITTED, 200)
        assert [each.id for each in await ledger.unrecorded(9)] == [SESSION]

    run(body, 200)


def test_4_a_hang_up_is_told_to_the_begun_second_once() -> None:
    async def body(node, chf, _ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        await quotas.extend(request(120, 300))
        for _ in range(2):
            assert await quotas.settle(SESSION, Usage(((723, 0),))) == Settled(SESSION, None, 73)
        assert chf.used == {"session 0": 73}
        assert chf.balance == 27

    run(body, 100)


def test_another_node_goes_on_where_the_first_was() -> None:
    async def body(node, chf, _ledger) -> None:
        await node().reserve(request(60))
        await node().extend(request(120, 300, 0))
        await node().extend(request(180, 900, 30))
        await node().settle(SESSION, Usage(((1234, 0),), 90))
        assert chf.used == {"session 0": 124}

    run(body)


def test_a_call_that_is_not_answered_frees_the_session() -> None:
    async def body(node, chf, ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        assert (await quotas.settle(SESSION, UNUSED)).seconds == 0
        assert (chf.balance, chf.used) == (100_000, {"session 0": 0})
        assert not await ledger.unrecorded(9)

    run(body)


@pytest.mark.parametrize("fault", [403, "QUOTA_LIMIT_REACHED"])
def test_denials(fault) -> None:
    async def body(node, chf, _ledger) -> None:
        chf.faults.append(fault)
        assert await node().reserve(request(60)) == QuotaDenial("insufficient-balance")
        assert not chf.sessions

    run(body)


def test_too_small_a_grant_is_given_back() -> None:
    async def body(node, chf, _ledger) -> None:
        assert await node().reserve(request(60, least=30)) == QuotaDenial("insufficient-balance")
        assert (chf.balance, chf.sessions) == (20, {})
        assert chf.requests[-1][0].startswith(ROOT)

    run(body, 20)


def test_a_function_that_does_not_answer_is_a_failure_and_is_asked_again() -> None:
    async def body(node, chf, _ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        chf.faults.extend([500] * 9)
        with pytest.raises(StoreError) as failed:
            await quotas.settle(SESSION, Usage(((500, 0),)))
        assert failed.value.kind == "charging-unavailable"

    run(body)


def test_a_short_message_is_a_service_specific_unit_of_its_own_rating_group() -> None:
    async def body(node, chf, ledger) -> None:
        quotas = node()
        message = QuotaRequest(SESSION, A, "sms-1", A, B, 1, message=True)
        assert await quotas.reserve(message) == QuotaGrant(SESSION, 1)
        assert chf.balance == 0
        for _ in range(2):  # another node may settle it
            assert await node().settle(SESSION, Usage(((10, 0),))) == Settled(SESSION, None, 1)
        asked, used = (body["multipleUnitUsage"][0] for _, body in chf.requests)
        assert (asked["ratingGroup"], asked["requestedUnit"]) == (9, {"serviceSpecificUnits": 1})
        (container,) = used["usedUnitContainer"]
        assert (used["ratingGroup"], container["serviceSpecificUnits"], "time" in container) == (9, 1, False)
        assert chf.used == {"session 0": 1}
        other = QuotaRequest(reservation_id(A, b"other"), A, "sms-2", A, B, 1, message=True)
        assert isinstance(await quotas.reserve(other), QuotaDenial)
        assert len(await ledger.unrecorded(9)) == 1

    run(body, 1)


def test_a_smaller_grant_is_not_the_last_unless_the_function_says_so() -> None:
    async def body(node, chf, _ledger) -> None:
        carry_out = chf.carry_out

        def slices(path, body, fault=None):
            status, answer, location = carry_out(path, body, fault)
            for unit in (answer or {}).get("multipleUnitInformation", ()):
                unit.pop("finalUnitIndication", None)
            return status, answer, location

        chf.carry_out = slices
        grant = await node().reserve(request(60))
        assert (grant.seconds, grant.last) == (20, False)

    run(body, 20)


def test_5_a_change_of_the_tariff_is_told_and_divides_what_is_told() -> None:
    async def body(node, chf, _ledger) -> None:
        chf.change, chf.later = "2023-11-14T22:14:00Z", 2  # 40 s after the node's clock
        quotas = node()
        grant = await quotas.reserve(request(60))
        assert (grant.at, grant.switch_s) == (1_700_000_000, 40)
        used = Usage(((400, 0), (200, 1_700_000_040)))
        await quotas.extend(QuotaRequest(SESSION, A, "c", A, B, 120, used))
        await quotas.settle(SESSION, Usage(((400, 0), (800, 1_700_000_040)), 60))
        told = [body["multipleUnitUsage"][0].get("usedUnitContainer", []) for _, body in chf.requests]
        assert [[(each["time"], each["triggers"][0]["triggerType"]) for each in one] for one in told] == [
            [],
            [(40, "TARIFF_TIME_CHANGE"), (20, "QUOTA_EXHAUSTED")],
            [(60, "FINAL")],
        ]
        assert chf.balance == 0
        numbers = [each["localSequenceNumber"] for one in told for each in one]
        assert len(set(numbers)) == 3

    run(body, 200)


def test_a_call_that_began_while_nobody_answered_is_told_of_from_its_beginning() -> None:
    async def body(node, chf, _ledger) -> None:
        quotas = node()
        assert isinstance(await quotas.reserve(request(100, 400)), QuotaGrant)
        assert isinstance(await quotas.extend(request(100, 450, 40)), QuotaGrant)
        await quotas.settle(SESSION, Usage(((504, 0),), 45))
        assert chf.used == {"session 0": 51}

    run(body)


def test_a_call_that_ended_before_the_function_was_back_is_told_of_when_it_is() -> None:
    async def body(node, chf, _ledger) -> None:
        quotas, usage = node(), Usage(((504, 0),))
        chf.faults.extend([503] * 3)
        with pytest.raises(StoreError):
            await quotas.reserve(request(60))
        with pytest.raises(StoreError):
            await quotas.settle(SESSION, usage)  # the circuit is open
        quotas._client._breaker.succeeded(0.0)
        for _ in range(2):
            assert await quotas.settle(SESSION, usage) == Settled(SESSION, None, 51)
        assert chf.used == {"session 0": 51}

    with patch.object(nchf_http, "FIRST_PAUSE", 0.001):
        run(body)


def test_an_update_whose_answer_was_lost_is_told_once() -> None:
    """The function carried it out: it comes again as it was, marked, before what is asked then."""

    async def body(node, chf, _ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        chf.faults.extend(["lose", 503, 503, 503])
        with pytest.raises(StoreError):
            await quotas.extend(request(120, 300))
        quotas._client._breaker.succeeded(0.0)
        await quotas.extend(request(160, 450))
        await quotas.settle(SESSION, Usage(((723, 0),), 45))
        assert chf.used == {"session 0": 73}
        assert chf.balance == 100_000 - 73
        numbers = [body["invocationSequenceNumber"] for _, body in chf.requests]
        assert numbers == [0, 1, *numbers[2:-3], 1, 2, 3]

    run(body)


def test_a_denied_update_leaves_the_numbers_right() -> None:
    async def body(node, chf, _ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        assert await quotas.extend(request(120, 600)) == QuotaDenial("insufficient-balance")
        await quotas.settle(SESSION, Usage(((600, 0),), 60))
        assert [body["invocationSequenceNumber"] for _, body in chf.requests] == [0, 1, 2]
        assert chf.used == {"session 0": 60}

    run(body, 60)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_node_that_died_before_its_update_was_answered_has_told_once(goes_on) -> None:
    """Nothing is told twice; what was used since then, at most a period, is not told."""

    async def body(node, chf, _ledger) -> None:
        quotas = node()
        await quotas.reserve(request(60))
        chf.faults.extend(["lose", 503, 503, 503])
        with pytest.raises(StoreError):
            await quotas.extend(request(120, 300))
        quotas._client._breaker.succeeded(0.0)
        survivor = node()
        if goes_on:
            assert isinstance(await survivor.extend(request(150, 450)), QuotaGrant)
            await survivor.settle(SESSION, Usage(((723, 0),), 45))
        else:
            await survivor.settle(SESSION, Usage(((450, 0),)))
        assert chf.used == {"session 0": 58 if goes_on else 30}
        assert not chf.sessions

    run(body)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["", "", "drop", "lose"])), max_size=6),
    st.sampled_from(["", "drop", "lose"]),
)
@examples(8)
def test_whatever_is_lost_the_function_has_what_was_used(steps, last) -> None:
    async def body(node, chf, _ledger) -> None:
        quotas, used, told = node(), 0, 0
        await quotas.reserve(request(60))

        async def tried(asked: Awaitable[object], fault: str) -> object:
            chf.faults.extend([fault, 503, 503, 503] if fault else [])
            try:
                return await asked
            except StoreError:
                return None
            finally:
                chf.faults.clear()
                quotas._client._breaker.succeeded(0.0)

        for tenths, fault in steps:
            used += tenths
            answer = await tried(quotas.extend(request(used // 10 + 90, used, told)), fault)
            told = used // 10 if isinstance(answer, QuotaGrant) else told
        usage = Usage(((used, 0),), told)
        await tried(quotas.settle(SESSION, usage), last)
        assert await quotas.settle(SESSION, usage) == Settled(SESSION, None, usage.seconds)
        assert chf.used == {"session 0": usage.seconds}
        assert (chf.balance, chf.sessions) == (100_000 - usage.seconds, {})

    with patch.object(nchf_http, "FIRST_PAUSE", 0.001):
        run(body)
