"""Charging by Diameter Ro against servers that are python-diameter's, over TCP; the client's time is virtual."""

from __future__ import annotations

import asyncio

import pytest
from diameter.message import Avp, constants
from hypothesis import given
from hypothesis import strategies as st
from ocs import CLIENT, REALM, Books, Ocs
from ro_room import FAILOVER, HOST, NOW, SESSION, A, B, Room, flagged, kinds, request, run, tried

from oracles.examples import examples
from scp.charging.ro_messages import FailureHandling
from scp.charging.ro_sessions import Session
from scp.domain.quota import QuotaDenial, QuotaGrant, QuotaRequest, Settled, Usage
from scp.domain.reservation import State, reservation_id
from scp.ports import ChargingRequest, Denied, StoreError


def test_a_request_has_what_an_operator_expects(start) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        await room.quotas.extend(request(120, 300))
        await room.quotas.settle(SESSION, Usage(((723, 0),)))
        first, second, last = ocs.books.requests
        assert first.session_id.startswith(f"{CLIENT};")
        assert first.session_id == second.session_id == last.session_id
        assert (first.origin_host, first.origin_realm) == (CLIENT.encode(), REALM.encode())
        assert (first.destination_realm, first.destination_host) == (REALM.encode(), None)
        assert second.destination_host == last.destination_host == HOST.encode()
        assert (first.auth_application_id, first.service_context_id) == (4, "32260@3gpp.org")
        assert first.multiple_services_indicator == 1
        (subscription,) = first.subscription_id
        assert (subscription.subscription_id_type, subscription.subscription_id_data) == (0, A)
        ims = first.service_information.ims_information
        assert (ims.calling_party_address, ims.called_party_address) == ([f"tel:+{A}"], f"tel:+{B}")
        assert (ims.role_of_node, ims.node_functionality, ims.user_session_id) == (0, 6, "c")
        asked, updated, ended = (each.multiple_services_credit_control[0] for each in ocs.books.requests)
        assert (asked.rating_group, asked.requested_service_unit.cc_time, asked.used_service_unit) == (
            7,
            60,
            [],
        )
        (used,) = updated.used_service_unit
        assert (used.cc_time, used.reporting_reason, used.tariff_change_usage) == (30, 3, None)
        assert updated.requested_service_unit.cc_time == 90
        (used,) = ended.used_service_unit
        assert (used.cc_time, ended.reporting_reason, ended.requested_service_unit) == (43, [2], None)
        assert last.termination_cause == 1
        assert kinds(ocs.books) == [(1, 0), (2, 1), (3, 2)]

    run(body, ocs)


def test_a_message_is_a_service_specific_unit_of_its_rating_group(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        await room.quotas.reserve(QuotaRequest(SESSION, A, "c", A, B, 1, message=True))
        (asked,) = ocs.books.requests[0].multiple_services_credit_control
        assert (asked.rating_group, asked.requested_service_unit.cc_service_specific_units) == (8, 1)
        assert asked.requested_service_unit.cc_time is None

    run(body, ocs)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (4010, Denied.SERVICE_DENIED),
        (4012, Denied.INSUFFICIENT),
        (5003, Denied.SERVICE_DENIED),
        (5030, Denied.UNKNOWN_ACCOUNT),
        (5031, Denied.NO_TARIFF),
        (5012, Denied.SERVICE_DENIED),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_each_result_code_has_its_reason(start, code, reason, whole) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        ocs.faults.append(code if whole else (code,))
        assert await room.quotas.reserve(request(60)) == QuotaDenial(reason)
        # A session that was opened is closed; a request that was refused as a whole opened none (RFC 8506 §7).
        assert kinds(ocs.books) == ([(1, 0)] if whole else [(1, 0), (3, 1)])
        assert await room.ledger.reservation(SESSION) is None
        asked = ChargingRequest(reservation_id(A, b"another123"), A, "c", A, B, 60, "print")
        ocs.faults.append(code if whole else (code,))
        assert (await room.minutes.create(asked)).denied is reason

    run(body, ocs)


def test_a_call_that_nothing_is_charged_for_is_granted_and_not_told_of(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        ocs.faults.append(4011)
        assert (await room.quotas.reserve(request(60))).seconds == 60
        assert (await room.quotas.extend(request(120, 300))).seconds == 120
        assert await room.quotas.settle(SESSION, Usage(((723, 0),))) == Settled(SESSION, None, 73)
        assert kinds(ocs.books) == [(1, 0)]

    run(body, ocs)


def test_the_last_quota_is_told_as_such_and_a_denial_after_it_leaves_the_numbers_right(start) -> None:
    ocs = start(Books(20, 6))

    async def body(room: Room) -> None:
        assert await room.quotas.reserve(request(60)) == QuotaGrant(SESSION, 60)
        grants = [await room.quotas.extend(request(*each)) for each in ((120, 300), (180, 900), (240, 1500))]
        assert [(each.seconds, each.last) for each in grants] == [(120, False), (180, False), (200, True)]
        assert await room.quotas.extend(request(260, 2000)) == QuotaDenial(Denied.INSUFFICIENT)
        assert await room.quotas.settle(SESSION, Usage(((2000, 0),))) == Settled(SESSION, None, 200)
        assert kinds(ocs.books) == [(1, 0), (2, 1), (2, 2), (2, 3), (2, 4), (3, 5)]
        assert (ocs.books.balance, ocs.books.used) == (0, [200])
        found = await room.ledger.reservation(SESSION)
        assert (found.state, found.used_seconds) == (State.COMMITTED, 200)
        assert [each.id for each in await room.ledger.unrecorded(9)] == [SESSION]

    run(body, ocs)


def test_a_quota_is_not_longer_than_it_is_valid(start) -> None:
    ocs = start()
    ocs.unit.append(Avp.new(constants.AVP_VALIDITY_TIME, value=40))

    async def body(room: Room) -> None:
        grant = await room.quotas.reserve(request(60))
        assert (grant.seconds, grant.last) == (40, False)
        assert (await room.quotas.extend(request(100, 400))).seconds == 80

    run(body, ocs)


def test_a_change_of_the_tariff_divides_what_is_told(start) -> None:
    ocs = start(Books(1000, 6, 12, NOW + 40))

    async def body(room: Room) -> None:
        grant = await room.quotas.reserve(request(60))
        assert (grant.at, grant.switch_s) == (NOW, 40)
        used = Usage(((405, 0), (195, NOW + 40)))
        await room.quotas.extend(QuotaRequest(SESSION, A, "c", A, B, 120, used))
        await room.quotas.settle(SESSION, Usage(((405, 0), (514, NOW + 40)), 60))
        told = [
            [
                (each.cc_time, each.tariff_change_usage)
                for each in one.multiple_services_credit_control[0].used_service_unit
            ]
            for one in ocs.books.requests
        ]
        assert told == [[], [(40, 0), (20, 1)], [(32, None)]]
        assert ocs.books.used == [92]

    run(body, ocs)


def test_too_small_a_grant_is_given_back(start) -> None:
    ocs = start(Books(20, 60))

    async def body(room: Room) -> None:
        assert await room.quotas.reserve(request(60, least=30)) == QuotaDenial(Denied.INSUFFICIENT)
        assert (ocs.books.balance, ocs.books.charged) == (20, dict.fromkeys(ocs.books.sessions, 0))

    run(body, ocs)


def test_another_node_goes_on_where_the_first_was(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        await room.another().reserve(request(60))
        await room.another().extend(request(120, 300))
        await room.another().extend(request(180, 900, 30))
        assert (await room.another().settle(SESSION, Usage(((1234, 0),), 90))).seconds == 124
        assert ocs.books.used == [124]
        assert kinds(ocs.books) == [(1, 0), (2, 1), (2, 2), (3, 3)]

    run(body, ocs)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_node_that_died_before_its_update_was_answered_has_told_once(start, goes_on) -> None:
    """Nothing is told twice; what was used since then, at most a period, is not told."""
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        ocs.faults.append("mute")
        with pytest.raises(StoreError):
            await room.quotas.extend(request(120, 300))
        room.client.open.clear()
        survivor = room.another()
        if goes_on:
            assert isinstance(await survivor.extend(request(150, 450)), QuotaGrant)
            await survivor.settle(SESSION, Usage(((723, 0),), 45))
        else:
            await survivor.settle(SESSION, Usage(((450, 0),)))
        assert kinds(ocs.books) == [(1, 0), (2, 1), *([(2, 1), (3, 2)] if goes_on else [(3, 1), (3, 2)])]
        assert flagged(ocs.books) == [False, False, True, not goes_on]
        assert ocs.books.used == [58 if goes_on else 30]
        assert not any(each.open for each in ocs.books.sessions.values())

    run(body, ocs)


@pytest.mark.parametrize("fault", ["drop", "lose", "silent", "mute"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_one_server_does_not_answer_the_other_does_with_the_t_flag(start, fault, at) -> None:
    """Both know the account and its sessions, as a pair does that says CC-Session-Failover."""
    books = Books(200, 60)
    pair = start(books, "ocs1", FAILOVER), start(books, "ocs2", FAILOVER)

    async def body(room: Room) -> None:
        steps = [
            lambda: room.quotas.reserve(request(60)),
            lambda: room.quotas.extend(request(120, 300)),
            lambda: room.quotas.settle(SESSION, Usage(((723, 0),))),
        ]
        for number, step in enumerate(steps):
            if number == at:
                pair[0].faults.append(fault)
            answer = await step()
            assert isinstance(answer, QuotaGrant | Settled)
        assert books.used == [73]
        assert books.balance == 200 - 73
        again = [each for each in books.requests if each.header.command_flags & 0x10]
        assert [each.cc_request_number for each in again] == [at]
        before = books.requests[books.requests.index(again[0]) - 1]
        assert before.header.end_to_end_identifier == again[0].header.end_to_end_identifier
        assert books.repeats == (fault in ("lose", "mute"))
        assert room.client.repeated == 1
        assert room.client.results == {"answered": 3, "refused": 0, "unavailable": 0}

    run(body, *pair)


def test_a_session_stays_with_its_server_unless_that_says_that_it_may_move(start) -> None:
    books = Books(200, 60)
    pair = start(books, "ocs1"), start(books, "ocs2")

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        pair[0].down()
        await asyncio.sleep(0.1)
        with pytest.raises(StoreError) as failed:
            await room.quotas.extend(request(120, 300))
        assert failed.value.kind == Denied.UNAVAILABLE
        assert f"{HOST}, which has the session, is not connected" in str(failed.value)
        with pytest.raises(StoreError):
            await room.quotas.settle(SESSION, Usage(((723, 0),)))
        pair[0].up()
        await asyncio.sleep(5.0)
        assert await room.quotas.settle(SESSION, Usage(((723, 0),))) == Settled(SESSION, None, 73)
        assert (books.used, books.balance) == ([73], 127)
        other = QuotaRequest(reservation_id(A, b"another123"), A, "d", A, B, 60)
        assert isinstance(await room.quotas.reserve(other), QuotaGrant)

    run(body, *pair)


def test_a_server_that_is_busy_sends_the_request_to_the_other(start) -> None:
    books = Books(200, 60)
    pair = start(books, "ocs1"), start(books, "ocs2")

    async def body(room: Room) -> None:
        pair[0].faults.append(3004)
        assert isinstance(await room.quotas.reserve(request(60)), QuotaGrant)
        assert flagged(books) == [False, False]  # the first answered: nothing can come twice
        assert Session.of((await room.ledger.reservation(SESSION)).reference).host == f"ocs2.{REALM}"

    run(body, *pair)


def test_failure_handling_terminate_asks_no_other_server(start) -> None:
    books = Books(200, 60)
    pair = start(books, "ocs1"), start(books, "ocs2")

    async def body(room: Room) -> None:
        pair[0].faults.append("silent")
        with pytest.raises(StoreError):
            await room.quotas.reserve(request(60))
        assert len(books.requests) == 1
        assert room.client.results["unavailable"] == 1

    run(body, *pair, handling=FailureHandling.TERMINATE)


def test_failure_handling_continue_grants_and_tells_later(start) -> None:
    """What an answer says counts: the session's server says CONTINUE, the configuration does not."""
    ocs = start(Books(200, 60), "ocs1", Avp.new(constants.AVP_CREDIT_CONTROL_FAILURE_HANDLING, value=1))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        ocs.faults.extend(["silent"])
        assert await room.quotas.extend(request(120, 300)) == QuotaGrant(SESSION, 120)
        assert (await room.quotas.extend(request(180, 900, 30))).seconds == 180
        await room.quotas.settle(SESSION, Usage(((1004, 0),), 90))
        assert ocs.books.used == [101]

    run(body, ocs)


def test_a_call_that_begins_while_nobody_answers_is_free_by_setting(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        ocs.faults.extend(["silent"] * 3)
        assert (await room.quotas.reserve(request(60))).seconds == 60
        assert (await room.quotas.settle(SESSION, Usage(((100, 0),)))).seconds == 10
        assert (await room.ledger.reservation(SESSION)).reference == ""
        assert not ocs.books.charged

    run(body, ocs, handling=FailureHandling.CONTINUE)


def test_a_call_that_began_while_nobody_answered_is_told_of_from_its_beginning(start) -> None:
    """It had grace; then its session is opened, and who asks takes that its use is told with that."""
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        assert isinstance(await room.quotas.reserve(request(100, 400)), QuotaGrant)
        await room.quotas.settle(SESSION, Usage(((504, 0),), 40))
        assert kinds(ocs.books) == [(1, 0), (2, 1), (3, 2)]
        assert ocs.books.used == [51]

    run(body, ocs)


def test_a_call_that_ended_before_the_system_was_back_is_told_of_when_it_is(start) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        usage = Usage(((504, 0),))
        ocs.faults.extend(["silent"] * 2)
        for asked in (room.quotas.reserve(request(60)), room.quotas.settle(SESSION, usage)):
            with pytest.raises(StoreError):
                await asked
        for _ in range(2):
            assert await room.quotas.settle(SESSION, usage) == Settled(SESSION, None, 51)
        assert (ocs.books.used, ocs.books.balance) == ([51], 149)
        other = reservation_id(A, b"another123")
        assert await room.quotas.settle(other, usage) == QuotaDenial(Denied.UNKNOWN_RESERVATION)

    run(body, ocs)


def test_a_quota_that_is_granted_already_tells_nothing(start) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        assert (await room.quotas.extend(request(50, 400))).seconds == 60
        await room.quotas.settle(SESSION, Usage(((504, 0),), 40))
        assert ocs.books.used == [51]

    run(body, ocs)


def test_an_update_whose_answer_was_lost_is_told_once(start) -> None:
    """One server, which carried it out: it comes again as it was, before what is asked then."""
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        ocs.faults.append("lose")
        with pytest.raises(StoreError):
            await room.quotas.extend(request(120, 300))
        await room.connected()
        assert (await room.quotas.extend(request(160, 450))).seconds == 160
        await room.quotas.settle(SESSION, Usage(((723, 0),), 45))
        assert kinds(ocs.books) == [(1, 0), (2, 1), (2, 1), (2, 2), (3, 3)]
        assert flagged(ocs.books) == [False, False, True, False, False]
        assert (ocs.books.used, ocs.books.repeats, ocs.books.balance) == ([73], 1, 127)

    run(body, ocs)


@pytest.mark.parametrize("fault", ["drop", "lose"])
def test_a_settlement_that_failed_is_repeated_and_charges_once(start, fault) -> None:
    ocs = start(Books(200, 60))

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        ocs.faults.append(fault)
        with pytest.raises(StoreError):
            await room.quotas.settle(SESSION, Usage(((500, 0),)))
        await room.connected()
        for _ in range(2):
            assert await room.quotas.settle(SESSION, Usage(((500, 0),))) == Settled(SESSION, None, 50)
        assert (ocs.books.used, ocs.books.balance) == ([50], 150)

    run(body, ocs)


def test_a_session_that_the_server_has_forgotten_is_closed(start) -> None:
    ocs = start()

    async def body(room: Room) -> None:
        await room.quotas.reserve(request(60))
        ocs.books.sessions.clear()
        assert await room.quotas.extend(request(120, 300)) == QuotaDenial(Denied.CLOSED)
        assert (await room.quotas.settle(SESSION, Usage(((400, 0),)))).seconds == 40

    run(body, ocs)


def test_minutes_from_reservation_to_settlement(start) -> None:
    ocs = start(Books(1000, 60))

    async def body(room: Room) -> None:
        asked = ChargingRequest(SESSION, A, "c", A, B, 300, "print")
        for _ in range(2):
            grant = await room.minutes.create(asked)
            assert (grant.denied, grant.reservation.granted_seconds) == (None, 300)
        assert (await room.minutes.update(SESSION, 480)).reservation.granted_seconds == 480
        (session,) = ocs.books.sessions.values()
        assert session.held == 480 * 60
        for _ in range(2):
            paid = await room.minutes.release(SESSION, 400)
            assert (paid.denied, paid.reservation.state) == (None, State.COMMITTED)
        assert (ocs.books.used, ocs.books.balance) == ([400], 600)
        assert kinds(ocs.books) == [(1, 0), (2, 1), (3, 2)]

    run(body, ocs)


def test_minutes_that_are_not_used_are_given_back(start) -> None:
    ocs = start(Books(1000, 60))

    async def body(room: Room) -> None:
        await room.minutes.create(ChargingRequest(SESSION, A, "c", A, B, 300, "print"))
        ocs.faults.append("lose")
        assert (await room.minutes.update(SESSION, 480)).denied is Denied.UNAVAILABLE
        await room.connected()
        assert (await room.minutes.release(SESSION, None)).reservation.state is State.RELEASED
        assert (ocs.books.balance, ocs.books.used) == (1000, [0])

    run(body, ocs)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["extend", "extend", "settle"]),
            st.integers(0, 400),
            st.sampled_from([None, None, None, "drop", "lose", "silent", "mute"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([None, "lose", "mute", "drop"]),
    st.booleans(),
)
@examples(12)
def test_whatever_is_lost_the_books_have_what_was_used(steps, first, together) -> None:
    """A naive sum: what was used in all, to the begun second, is what the server has of the session."""
    books = Books(100_000, 60)
    pair = [Ocs(books, name) for name in ("ocs1", "ocs2")[: 1 + together]]
    for each in pair:
        each.more.append(FAILOVER)
        each.up()

    async def body(room: Room) -> None:
        if first:
            pair[0].faults.append(first)
        used, told = 0, 0
        while not isinstance(await tried(room.quotas.reserve(request(60))), QuotaGrant):  # noqa: ASYNC110
            await asyncio.sleep(6)
        for kind, tenths, fault in steps:
            used += tenths
            if fault:
                pair[0].faults.append(fault)
            if kind != "extend":
                break
            answer = await tried(room.quotas.extend(request(used // 10 + 90, used, told)))
            told = used // 10 if isinstance(answer, QuotaGrant) else told
            await asyncio.sleep(6)
        usage = Usage(((used, 0),), told)
        while not isinstance(await tried(room.quotas.settle(SESSION, usage)), Settled):  # noqa: ASYNC110
            await asyncio.sleep(6)
        open_ones = [each for each in books.sessions.values() if each.open]
        assert not open_ones
        assert books.used == [-(-used // 10)]
        assert books.balance == 100_000 + used // -10

    try:
        run(body, *pair)
    finally:
        for each in pair:
            each.down()
