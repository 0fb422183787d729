"""Text messages over the API: accepted, repeated, shown, followed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
from api_node import KEYS, READER, FakeNode, key

from oracles.waiting import PATIENCE
from scp.api.messages import messages_router
from scp.api.server import serve_api
from scp.client import AsyncClient, message, message_events, send_message
from scp.config import Api, HostPort, Messages, Scope
from scp.messages.queue import MessageQueue
from scp.messages.smpp.esme import Esme, EsmeSettings
from scp.simulator.smsc import Smsc, SmscSettings
from scp.store.messages_sqlite import SqliteMessages

SENDER = "messages-token"
OTHER = "other-token"
HELLO = {"recipient": "+46701234567", "text": "Hello 😀"}


class Uncounted:
    def message(self, result: str) -> None:
        pass

    def submission(self, result: str) -> None:
        pass

    def unmatched_receipt(self) -> None:
        pass


class Desk:
    """A served node with an SMSC; `ask` has the sender's token."""

    def __init__(self, http: httpx.AsyncClient, smsc: Smsc, audit: Path) -> None:
        self.http = http
        self.smsc = smsc
        self.audit = audit

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str = SENDER, **headers: str
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await self.http.request(method, f"/v1{path}", json=body, headers=headers)


def run(
    directory: Path, body: Callable[[Desk], Awaitable[None]], settings: SmscSettings | None = None
) -> None:
    async def main() -> None:
        audit = directory / "audit.jsonl"
        smsc = Smsc(settings or SmscSettings())
        await smsc.start()
        esme = Esme(EsmeSettings([("127.0.0.1", smsc.port)], "scp", ""), Random(1), lambda *_: None)
        queue = MessageQueue(
            SqliteMessages(":memory:"),
            esme,
            node="scp-test",
            retention_ms=10**9,
            repeat=False,
            failed=lambda _: None,
            telemetry=Uncounted(),
        )
        keys = (*KEYS, key("sms", SENDER, Scope.MESSAGES), key("other", OTHER, Scope.MESSAGES))
        config = Api(listen=HostPort("127.0.0.1", 0), keys=keys, audit=str(audit), rate=1e6, burst=1_000_000)
        node = FakeNode()
        await node.store.open()
        server = await serve_api(
            config, node, [messages_router(queue, Messages(sender="Example", most_parts=3))]
        )
        await queue.start()
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            try:
                await body(Desk(http, smsc, audit))
            finally:
                await server.close()
                await queue.stop()
                await smsc.stop()
                await node.store.close()

    asyncio.run(main())


async def delivered(desk: Desk, message_id: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while (view := (await desk.ask("GET", f"/messages/{message_id}")).json())["state"] != "delivered":  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    return view


def test_a_message_from_request_to_receipt(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        made = await desk.ask("POST", "/messages", HELLO)
        assert made.status_code == 202
        view = made.json()
        assert (view["state"], view["sender"], view["recipient"]) == ("queued", "Example", "46701234567")
        assert made.headers["location"] == f"/v1/messages/{view['id']}"
        view = await delivered(desk, view["id"])
        assert view["references"] == [desk.smsc.messages[0].id]
        assert desk.smsc.messages[0].text == "Hello 😀"
        desk.smsc.send("46709", "46701", "an answer")
        async with asyncio.timeout(PATIENCE):
            while len((await desk.ask("GET", "/messages/events")).json()["events"]) < 4:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        page = (await desk.ask("GET", "/messages/events?limit=2")).json()
        assert [each["state"] for each in page["events"]] == ["queued", "sent"]
        rest = (await desk.ask("GET", f"/messages/events?after={page['next']}")).json()
        assert [each["state"] for each in rest["events"]] == ["delivered", "received"]
        assert (rest["events"][1]["text"], rest["next"]) == ("an answer", None)
        assert '"message"' in desk.audit.read_text()

    run(tmp_path, body)


def test_a_repeated_request_sends_nothing_twice(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        first, *more = await asyncio.gather(
            *(desk.ask("POST", "/messages", HELLO, Idempotency_Key="k1") for _ in range(5))
        )
        ids = {each.json()["id"] for each in (first, *more)}
        assert len(ids) == 1
        assert sorted(each.status_code for each in (first, *more)) == [200, 200, 200, 200, 202]
        await delivered(desk, ids.pop())
        again = await desk.ask("POST", "/messages", HELLO, Idempotency_Key='"k1"')
        assert (again.status_code, again.json()["state"]) == (200, "delivered")
        assert len(desk.smsc.messages) == 1
        reused = await desk.ask("POST", "/messages", {**HELLO, "text": "else"}, Idempotency_Key="k1")
        assert (reused.status_code, reused.json()["type"]) == (422, "/problems/idempotency-key-reused")
        other = await desk.ask("POST", "/messages", HELLO, token=OTHER, Idempotency_Key="k1")
        assert other.status_code == 202  # a key is its client's

    run(tmp_path, body)


def test_what_is_refused(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        for wrong, path in (
            ({**HELLO, "recipient": "0701234567"}, "recipient"),
            ({**HELLO, "text": ""}, "text"),
            ({**HELLO, "text": "x" * 460}, "text"),  # 4 parts, and 3 are allowed
            ({**HELLO, "sender": "much too long a name"}, "sender"),
            ({**HELLO, "validity_s": 59}, "validity_s"),
            ({**HELLO, "colour": "red"}, "colour"),
        ):
            refused = await desk.ask("POST", "/messages", wrong)
            assert refused.status_code == 422, wrong
            assert refused.json()["errors"][0]["path"] == path, refused.json()
        assert (await desk.ask("POST", "/messages", HELLO, token=READER)).status_code == 403
        assert (await desk.ask("GET", "/messages/none")).status_code == 404
        assert desk.smsc.messages == []

    run(tmp_path, body)


def test_the_client(tmp_path: Path) -> None:
    async def body(desk: Desk) -> None:
        async with AsyncClient(str(desk.http.base_url), SENDER) as client:
            made = await client.send(send_message("46701234567", "Hello", sender="46700000001").once("k"))
            await delivered(desk, made.id)
            found = await client.send(message(made.id))
            assert (found.state, found.parts, found.attempts) == ("delivered", 1, 1)
            events = await client.send(message_events())
            assert [each.state for each in events.events] == ["queued", "sent", "delivered"]

    run(tmp_path, body)
