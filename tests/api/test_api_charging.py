"""Reservations, accounts and CDRs over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from api_node import KEYS, OPERATOR, READER, FakeNode, key

from scp.api.charging import charging_router
from scp.api.server import serve_api
from scp.charging.local import LocalCharging
from scp.charging.service import ChargingService
from scp.client import (
    ApiError,
    AsyncClient,
    Charge,
    VoipLeg,
    VoipRecord,
    account,
    cdrs,
    commit,
    credit,
    extend,
    record_leg,
    related_cdrs,
    release,
    reservation,
    reserve,
)
from scp.config import Api, HostPort, Scope
from scp.domain.tariff import Tariff, TariffTable
from scp.store.cdr_sqlite import SqliteCdrStore
from scp.store.ledger_sqlite import SqliteLedger

A, B = "46700000001", "46850000002"
SERVICE = "charging-token"
NOW = 1_700_000_000_000
ORDER = {"call_id": "call-1", "a_number": f"+{A}", "b_number": B, "minutes": 5}
CDR = {"id": "x1", "call_id": "call-1", "a_number": A, "b_number": B, "started_ms": 1, "ended_ms": 2}


class Desk:
    """A served node: `http` with the charging service's token, `room` behind it."""

    def __init__(self, http: httpx.AsyncClient, room: ChargingService, audit: Path) -> None:
        self.http = http
        self.room = room
        self._audit = audit
        self.now = NOW

    async def ask(
        self, method: str, path: str, body: object = None, *, token: str = SERVICE, **headers: str
    ) -> httpx.Response:
        return await self.http.request(
            method,
            f"/v1{path}",
            json=body,
            headers={
                "Authorization": f"Bearer {token}",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
        )

    async def credit(self, amount: int, name: str = "p1", account: str = A) -> httpx.Response:
        path = f"/charging/accounts/{account}/credits/{name}"
        return await self.ask("PUT", path, {"amount": amount}, token=OPERATOR)

    def client(self, token: str = SERVICE) -> AsyncClient:
        return AsyncClient(str(self.http.base_url), token)

    async def account(self) -> tuple[int, int]:
        answer = (await self.ask("GET", f"/charging/accounts/{A}")).json()
        assert answer["available"] == answer["balance"] - answer["held"]
        return answer["balance"], answer["held"]

    def audited(self) -> list[dict]:
        return [json.loads(line) for line in self._audit.read_text().splitlines()]


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Desk]:
    """A node that charges, and its API."""
    audit = directory / "audit.jsonl"
    ledger = SqliteLedger(":memory:")
    desk: Desk
    system = LocalCharging(
        ledger,
        TariffTable([Tariff("46", 12, setup=5), Tariff("4685", 1, per_seconds=1)]),
        lambda: desk.now,
        lambda at: at // 1000,
        grace_ms=60_000,
        max_seconds=3600,
    )
    room = ChargingService(
        ledger,
        SqliteCdrStore(":memory:"),
        system,
        None,
        node="scp-test",
        currency="SEK",
        retention_ms=10**12,
        failed=lambda trouble: None,
        wall=lambda: desk.now,
    )
    config = Api(
        listen=HostPort("127.0.0.1", 0),
        keys=(*KEYS, key("service", SERVICE, Scope.CHARGING)),
        audit=str(audit),
        rate=1e6,
        burst=1_000_000,
    )
    node = FakeNode()
    await node.store.open()
    server = await serve_api(config, node, [charging_router(room)])
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        desk = Desk(http, room, audit)
        await room.start()
        try:
            yield desk
        finally:
            await server.close()
            await room.stop()
            await node.store.close()


def run(directory: Path, body: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(directory) as desk:
            await body(desk)

    asyncio.run(main())


def test_a_call_from_payment_to_record(tmp_path: Path) -> None:
    async def body(desk):
        assert (await desk.credit(1000)).status_code == 201
        made = await desk.ask("POST", "/charging/reservations", ORDER)
        assert made.status_code == 201
        view = made.json()
        assert view["approved"] is True
        assert (view["granted_minutes"], view["price"], view["currency"]) == (5, 300, "SEK")
        assert view["expires_ms"] == NOW + 300_000 + 60_000
        path = f"/charging/reservations/{view['id']}"
        more = await desk.ask("PUT", path, {"minutes": 7})
        assert (more.status_code, more.json()["granted_minutes"], more.json()["state"]) == (
            200,
            7,
            "extended",
        )
        assert await desk.account() == (1000, 420)
        paid = await desk.ask("POST", f"{path}/commit", {"used_seconds": 321})
        assert (paid.status_code, paid.json()["charged"], paid.json()["state"]) == (200, 321, "committed")
        assert await desk.account() == (679, 0)
        assert (await desk.ask("GET", path)).json()["used_seconds"] == 321
        assert (await desk.ask("POST", "/cdrs", CDR)).status_code == 201
        await desk.room.record()
        page = (await desk.ask("GET", "/cdrs")).json()
        assert sorted(each["kind"] for each in page["cdrs"]) == ["charge", "voip"]
        assert page["next"] is None
        (charge,) = [each for each in page["cdrs"] if each["kind"] == "charge"]
        assert (charge["charged"], charge["call_id"], charge["tariff"]) == (321, "call-1", "4685")
        related = (await desk.ask("GET", "/cdrs/related?to=voip-x1")).json()["cdrs"]
        assert {each["id"] for each in related} == {"voip-x1", charge["id"]}
        assert [each["what"] for each in desk.audited()] == ["credit p1: 1000", "reserve", "extend", "commit"]

    run(tmp_path, body)


def test_a_commit_that_comes_again_at_another_node_is_recorded_once(tmp_path: Path) -> None:
    """The answer to the first was lost: the client asks a node that has none of its records."""

    async def body(desk):
        await desk.credit(1000)
        made = await desk.ask("POST", "/charging/reservations", ORDER)
        path = f"/charging/reservations/{made.json()['id']}/commit"
        await desk.ask("POST", path, {"used_seconds": 10})
        await desk.room.record()
        others = SqliteCdrStore(":memory:")
        await others.open()
        first, desk.room.cdrs = desk.room.cdrs, others
        assert (await desk.ask("POST", path, {"used_seconds": 10})).json()["charged"] == 10
        await desk.room.record()
        assert await others.page(0, 9) == []
        desk.room.cdrs = first
        await others.close()
        assert len(await first.page(0, 9)) == 1

    run(tmp_path, body)


def test_repeated_requests_change_nothing(tmp_path: Path) -> None:
    async def body(desk):
        await desk.credit(1000)
        assert (await desk.credit(1000)).status_code == 200
        assert (await desk.credit(999)).json()["type"] == "/problems/settled-otherwise"
        first = await desk.ask("POST", "/charging/reservations", ORDER, Idempotency_Key="k")
        again = await desk.ask("POST", "/charging/reservations", ORDER, Idempotency_Key="k")
        assert first.json() == again.json()
        other = await desk.ask("POST", "/charging/reservations", ORDER | {"minutes": 6}, Idempotency_Key="k")
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
        assert await desk.account() == (1000, 300)
        path = f"/charging/reservations/{first.json()['id']}"
        for _ in range(2):
            assert (await desk.ask("PUT", path, {"minutes": 6})).json()["granted_minutes"] == 6
        assert (await desk.ask("PUT", path, {"minutes": 2})).json()["granted_minutes"] == 6
        for _ in range(2):
            assert (await desk.ask("POST", f"{path}/commit", {"used_seconds": 10})).json()["charged"] == 10
        otherwise = await desk.ask("POST", f"{path}/commit", {"used_seconds": 11})
        assert (otherwise.status_code, otherwise.json()["type"]) == (409, "/problems/settled-otherwise")
        for method, what, body in (("DELETE", path, None), ("PUT", path, {"minutes": 9})):
            closed = await desk.ask(method, what, body)
            assert (closed.status_code, closed.json()["type"]) == (409, "/problems/reservation-closed")
        assert await desk.account() == (990, 0)
        assert [(await desk.ask("POST", "/cdrs", CDR)).status_code for _ in range(2)] == [201, 200]
        changed = await desk.ask("POST", "/cdrs", CDR | {"cause": 16})
        assert (changed.status_code, changed.json()["type"]) == (409, "/problems/settled-otherwise")

    run(tmp_path, body)


def test_a_denial_belongs_to_its_key(tmp_path: Path) -> None:
    """Who repeats a request after a denial that got lost must not hold minutes that nobody will give back."""

    async def body(desk):
        async def asked(name: str, **fields) -> httpx.Response:
            path = "/charging/reservations"
            return await desk.ask("POST", path, ORDER | fields, Idempotency_Key=name)

        denials = {"k1": {}, "k2": {"b_number": "3312345678"}, "k3": {"minutes": 61}}
        first = {name: await asked(name, **fields) for name, fields in denials.items()}
        await desk.credit(40)
        first["k4"] = await asked("k4")
        assert [each.json()["reason"] for each in first.values()] == [
            "unknown-account",
            "no-tariff",
            "too-many-minutes",
            "insufficient-balance",
        ]
        await desk.credit(100_000, "p2")
        for name, answer in first.items():
            again = await asked(name, **denials.get(name, {}))
            assert (again.status_code, again.content) == (answer.status_code, answer.content)
            other = await asked(name, call_id="call-2")
            assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
        assert await desk.account() == (100_040, 0)
        assert (await asked("k5")).status_code == 201
        assert (await desk.ask("POST", "/charging/reservations", ORDER)).status_code == 201

    run(tmp_path, body)


def test_two_requests_with_one_key_at_once_have_one_answer(tmp_path: Path) -> None:
    async def body(desk):
        for number in range(10):
            order = ORDER | {"call_id": f"call-{number}"}
            asked = (
                desk.ask("POST", "/charging/reservations", order, Idempotency_Key=f"k{number}")
                for _ in range(4)
            )
            one, *others, _ = await asyncio.gather(*asked, desk.credit(60, f"p{number}"))
            assert [(each.status_code, each.content) for each in others] == [
                (one.status_code, one.content)
            ] * 3

    run(tmp_path, body)


def test_without_a_key_nothing_is_kept_of_a_denial(tmp_path: Path) -> None:
    async def body(desk):
        await desk.ask("POST", "/charging/reservations", ORDER)
        assert await desk.room.ledger.forget(10**15, 9) == 0

    run(tmp_path, body)


def test_a_key_with_and_without_the_quotes_of_a_structured_field(tmp_path: Path) -> None:
    async def body(desk):
        await desk.credit(10_000)
        path = "/charging/reservations"
        one, same, other = [
            (await desk.ask("POST", path, ORDER, Idempotency_Key=name)).json() for name in ("k", '"k"', '"')
        ]
        assert one == same
        assert one["id"] != other["id"]
        for empty in ('""', '" "'):
            refused = await desk.ask("POST", path, ORDER, Idempotency_Key=empty)
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "Idempotency-Key")

    run(tmp_path, body)


def test_ids_have_no_control_characters(tmp_path: Path) -> None:
    async def body(desk):
        for bad in ("a\x00b", "a\n", "\x1b[31m", "\x7f"):
            refused = await desk.ask("POST", "/charging/reservations", ORDER | {"call_id": bad})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "call_id")
            assert "without control characters" in refused.json()["detail"]
            refused = await desk.credit(5, httpx.QueryParams({"": bad}).__str__()[1:])
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "credit")
        assert await desk.room.ledger.account(A) is None
        assert (
            await desk.ask("POST", "/charging/reservations", ORDER | {"call_id": "é 😀"})
        ).status_code == 200

    run(tmp_path, body)


@pytest.mark.parametrize("field", ["id", "call_id", "a_number", "b_number", "reservation"])
def test_nothing_in_a_leg_has_control_characters(tmp_path: Path, field: str) -> None:
    async def body(desk):
        for bad in ("a\x00b", "a\n", "\x1b[31m", "\x7f"):
            refused = await desk.ask("POST", "/cdrs", CDR | {field: bad})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, field)
            assert "without control characters" in refused.json()["detail"]
        assert (await desk.ask("POST", "/cdrs", CDR | {field: "é 😀"})).status_code == 201

    run(tmp_path, body)


def test_the_times_of_a_leg_are_in_order(tmp_path: Path) -> None:
    async def body(desk):
        for number, (started, answered, ended, fault) in enumerate(
            (
                (5, None, 4, "ended_ms: before started_ms"),
                (5, 4, 6, "answered_ms: before started_ms"),
                (5, 7, 6, "ended_ms: before answered_ms"),
                (5, None, 5, ""),
                (5, 5, 5, ""),
            )
        ):
            leg = {"id": f"x{number}", "started_ms": started, "answered_ms": answered, "ended_ms": ended}
            answer = await desk.ask("POST", "/cdrs", CDR | leg)
            assert (answer.status_code, answer.json().get("detail", "")) == (422 if fault else 201, fault)
            if fault:
                assert answer.json()["errors"][0]["path"] == fault.partition(":")[0]

    run(tmp_path, body)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    async def body(desk):
        path = "/charging/reservations/00ff"
        for method, what, sent in (
            ("GET", path, None),
            ("PUT", path, {"minutes": 1}),
            ("DELETE", path, None),
            ("POST", f"{path}/commit", {"used_seconds": 1}),
        ):
            missing = await desk.ask(method, what, sent)
            assert (missing.status_code, missing.json()["detail"]) == (404, "no such reservation")

    run(tmp_path, body)


def test_denials(tmp_path: Path) -> None:
    async def body(desk):
        async def denied(**fields) -> str:
            answer = await desk.ask("POST", "/charging/reservations", ORDER | fields)
            assert answer.status_code == 200
            assert answer.json()["approved"] is False
            assert answer.json()["id"] is None
            return answer.json()["reason"]

        assert await denied() == "unknown-account"
        assert await denied(b_number="3312345678") == "no-tariff"
        assert await denied(minutes=61) == "too-many-minutes"
        await desk.credit(59)
        assert await denied() == "insufficient-balance"
        await desk.credit(66, "p2")
        some = (await desk.ask("POST", "/charging/reservations", ORDER)).json()
        assert (some["approved"], some["granted_minutes"], some["price"]) == (True, 2, 120)
        path = f"/charging/reservations/{some['id']}"
        more = (await desk.ask("PUT", path, {"minutes": 3})).json()
        assert (more["approved"], more["reason"], more["granted_minutes"]) == (
            False,
            "insufficient-balance",
            2,
        )
        too_little = await desk.credit(-6, "p3")
        assert (too_little.status_code, too_little.json()["type"]) == (409, "/problems/balance-out-of-range")
        over = (await desk.ask("POST", f"{path}/commit", {"used_seconds": 500})).json()
        assert over["charged"] == 120  # what was used beyond the grant is the VoIP service's
        assert await desk.account() == (5, 0)

    run(tmp_path, body)


def test_another_account_may_pay(tmp_path: Path) -> None:
    async def body(desk):
        await desk.credit(100)
        order = ORDER | {"a_number": "4799999999", "account": A, "minutes": 1}
        assert (await desk.ask("POST", "/charging/reservations", order)).json()["account"] == A
        assert await desk.account() == (100, 60)

    run(tmp_path, body)


def test_release_and_expiry(tmp_path: Path) -> None:
    async def body(desk):
        await desk.credit(1000)
        one, two = [(await desk.ask("POST", "/charging/reservations", ORDER)).json() for _ in range(2)]
        assert one["id"] != two["id"]
        for _ in range(2):
            gone = await desk.ask("DELETE", f"/charging/reservations/{one['id']}")
            assert (gone.status_code, gone.content) == (204, b"")
        assert await desk.account() == (1000, 300)
        desk.now = two["expires_ms"]
        await desk.room.sweep()
        assert await desk.account() == (1000, 0)
        path = f"/charging/reservations/{two['id']}"
        assert (await desk.ask("GET", path)).json()["state"] == "expired"
        assert (await desk.ask("PUT", path, {"minutes": 9})).status_code == 409
        late = await desk.ask("POST", f"{path}/commit", {"used_seconds": 50})
        assert (late.json()["state"], late.json()["charged"]) == ("committed", 50)
        desk.now += 8 * 86_400_000
        await desk.room.record()
        await desk.room.forget()
        assert (await desk.ask("GET", path)).status_code == 404

    run(tmp_path, body)


FAULTS = [
    ("POST", "/charging/reservations", ORDER | {"minutes": 0}, 422),
    ("POST", "/charging/reservations", ORDER | {"minutes": "5"}, 422),
    ("POST", "/charging/reservations", ORDER | {"a_number": "abc"}, 422),
    ("POST", "/charging/reservations", ORDER | {"b_number": "46\n"}, 422),
    ("POST", "/charging/reservations", ORDER | {"price": 1}, 422),
    ("POST", "/charging/reservations", {}, 422),
    ("PUT", "/charging/reservations/zz", {"minutes": 1}, 404),
    ("PUT", "/charging/reservations/00ff", {"minutes": 1}, 404),
    ("POST", "/charging/reservations/00ff/commit", {"used_seconds": -1}, 422),
    ("POST", "/charging/reservations/00ff/commit", {"used_seconds": 1}, 404),
    ("DELETE", "/charging/reservations/00ff", None, 404),
    ("GET", "/charging/reservations/00ff", None, 404),
    ("GET", f"/charging/accounts/{B}", None, 404),
    ("GET", "/charging/accounts/x", None, 422),
    ("POST", "/cdrs", CDR | {"id": ""}, 422),
    ("POST", "/cdrs", CDR | {"started_ms": -1}, 422),
    ("POST", "/cdrs", CDR | {"call_reference": "0"}, 422),
    ("POST", "/cdrs", CDR | {"charged": 5}, 422),
    ("GET", "/cdrs?limit=0", None, 422),
    ("GET", "/cdrs?after=-1", None, 422),
    ("GET", "/cdrs/related?to=nothing", None, 404),
]


def test_faults_of_requests(tmp_path: Path) -> None:
    async def body(desk):
        for method, path, what, status in FAULTS:
            answer = await desk.ask(method, path, what)
            assert answer.status_code == status, (method, path, what)
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await desk.room.ledger.totals()).credited == 0
        assert await desk.room.cdrs.page(0, 1) == []
        assert {each["result"] for each in desk.audited()} == {"refused"}
        assert len(desk.audited()) == len([method for method, *_ in FAULTS if method != "GET"])

    run(tmp_path, body)


def test_who_may(tmp_path: Path) -> None:
    async def body(desk):
        credit = (f"/charging/accounts/{A}/credits/p", {"amount": 5})
        assert (await desk.ask("PUT", *credit)).status_code == 403  # the VoIP service gives itself no money
        for method, path, what in (
            ("POST", "/charging/reservations", ORDER),
            ("POST", "/cdrs", CDR),
            ("GET", "/cdrs", None),
            ("GET", f"/charging/accounts/{A}", None),
        ):
            assert (await desk.ask(method, path, what, token=READER)).status_code == 403
            assert (await desk.ask(method, path, what, token="wrong")).status_code == 401
        assert await desk.room.ledger.account(A) is None

    run(tmp_path, body)


def test_export(tmp_path: Path) -> None:
    async def body(desk):
        for number in range(7):
            await desk.ask("POST", "/cdrs", CDR | {"id": f"x{number}"})
        seen, after = [], 0
        while after is not None:
            page = (await desk.ask("GET", f"/cdrs?limit=3&after={after}")).json()
            seen += [each["id"] for each in page["cdrs"]]
            after = page["next"]
        assert seen == [f"voip-x{number}" for number in range(7)]
        lines = await desk.ask("GET", "/cdrs?after=2", Accept="application/x-ndjson")
        assert lines.headers["content-type"].startswith("application/x-ndjson")
        assert [json.loads(line)["id"] for line in lines.text.splitlines()] == seen[2:]
        table = await desk.ask("GET", "/cdrs", Accept="text/csv")
        assert table.headers["content-type"].startswith("text/csv")
        assert len(table.text.splitlines()) == 8

    run(tmp_path, body)


def test_the_client_charges_a_call(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        async with desk.client(OPERATOR) as operator, desk.client() as client:
            assert (await operator.send(credit(A, "p1", 1000))).balance == 1000
            assert (await operator.exchange(credit(A, "p1", 1000))).status == 200
            order = reserve("call-1", f"+{A}", B, 5).once("call-1")
            held = await client.send(order)
            assert (held.approved, held.reason, held.state, held.account) == (True, None, "reserved", A)
            assert await client.send(order) == held
            assert held.id is not None
            more = await client.send(extend(held.id, 7))
            assert (more.state, more.granted_minutes, more.price) == ("extended", 7, 420)
            assert (await client.send(account(A))).held == 420
            paid = await client.send(commit(held.id, 321))
            assert (paid.state, paid.charged, paid.used_seconds) == ("committed", 321, 321)
            assert await client.send(reservation(held.id)) == paid
            leg = VoipLeg(id="a/b?c", call_id="call-1", a_number=A, b_number=B, started_ms=1, ended_ms=2)
            assert (await client.send(record_leg(leg))).id == "voip-a/b?c"
            await desk.room.record()
            first = await client.send(cdrs(limit=1))
            assert first.next == first.cdrs[0].seq
            last = await client.send(cdrs(first.next, since_ms=1))
            assert last.next is None
            assert {type(each) for each in (*first.cdrs, *last.cdrs)} == {VoipRecord, Charge}
            related = await client.send(related_cdrs("voip-a/b?c"))
            assert {each.seq for each in related.cdrs} == {1, 2}

    run(tmp_path, body)


def test_the_client_is_told_what_is_denied_and_what_is_wrong(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        async with desk.client(OPERATOR) as operator, desk.client() as client:
            denied = await client.exchange(reserve("call-1", A, B, 5, account="46700000009"))
            assert (denied.status, denied.value.approved, denied.value.reason) == (
                200,
                False,
                "unknown-account",
            )
            await operator.send(credit(A, "p1", 1000))
            held = await client.send(reserve("call-1", A, B, 5))
            assert held.id is not None
            await client.send(release(held.id))
            assert (await client.send(account(A))).available == 1000
            for call, kind in (
                (commit(held.id, 1), "reservation-closed"),
                (reservation("nobody"), "not-set"),
                (related_cdrs("voip-x9"), "not-set"),
                (credit(A, "p2", 1), "missing-scope"),
                (cdrs(limit=0), "invalid"),
            ):
                with pytest.raises(ApiError) as refused:
                    await client.send(call)
                assert refused.value.kind == kind

    run(tmp_path, body)
