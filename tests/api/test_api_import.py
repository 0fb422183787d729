"""Bulk import: NDJSON in, a result a line, whatever the lines are and however they are cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from api_node import OPERATOR, Served
from api_node import served as serve
from hypothesis import given
from hypothesis import strategies as st

from scp.api.imports import MAX_LINE, lines
from scp.client import Client, authorize, import_subscribers, register
from scp.domain.subscriber import Subscriber, When
from scp.ports import StoreError

HEADERS = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/x-ndjson"}
FULL = {
    "msisdn": "+46701234567",
    "imsi": "240010123456789",
    "authorized": True,
    "aor": "sip:a@b",
    "forwarding_number": "46850000001",
    "forwarding": True,
    "when": "locations",
    "locations": ["4673"],
    "roaming": False,
    "vlr": "46709",
}


def post(served: Served, body: bytes, query: str = "") -> list[dict[str, Any]]:
    response = httpx.post(f"{served.url}/v1/subscribers:import{query}", content=body, headers=HEADERS)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_line_has_its_result(served: Served) -> None:
    body = b"\n".join(
        [
            msgspec.json.encode(FULL),
            b"",
            b'{"msisdn": "46700000002"}',
            b'{"msisdn": "0700000003"}',
            b'{"msisdn": "46700000004", "colour": "red"}',
            b'{"msisdn": "46700000005", "authorized": false, "aor": "sip:a@b"}',
            b"no json",
            b'{"msisdn": "46700000007", "when": "locations"}',
            b'{"aor": "' + b"x" * MAX_LINE + b'"}',
            b'{"msisdn": "46700000009", "roaming": null}\r',
        ]
    )
    *results, summary = post(served, body)
    assert summary == {"summary": True, "stored": 3, "refused": 6, "failed": 0}
    assert [(each["line"], each["result"]) for each in results] == [
        (1, "stored"),
        (3, "stored"),
        (4, "refused"),
        (5, "refused"),
        (6, "refused"),
        (7, "refused"),
        (8, "refused"),
        (9, "refused"),
        (10, "stored"),
    ]
    assert [each["errors"][0]["path"] for each in results[2:8]] == [
        "msisdn",
        "colour",
        "aor",
        "",
        "locations",
        "",
    ]
    assert served.find("46701234567") == Subscriber(
        "46701234567",
        "240010123456789",
        authorized=True,
        aor="sip:a@b",
        forwarding_number="46850000001",
        forwarding=True,
        when=When.LOCATIONS,
        locations=("4673",),
        roaming=False,
        vlr="46709",
        version=1,
    )
    assert served.find("46700000002") == Subscriber("46700000002", authorized=True, version=1)
    assert len(served.everything()) == 3
    assert post(served, body, "?results=refused") == [*results[2:8], summary]


def test_an_import_takes_the_place_of_the_whole_record(served: Served, operator: Client) -> None:
    operator.send(authorize("46701234567", "240010123456789"))
    operator.send(register("46701234567", "sip:a@b"))
    imported = operator.send(import_subscribers([{"msisdn": "46701234567", "imsi": "240010000000001"}]))
    assert (imported.stored, imported.lines) == (1, ())
    assert served.find("46701234567") == Subscriber(
        "46701234567", "240010000000001", authorized=True, version=3
    )
    assert served.audited()[-1]["after"] == {"stored": 1, "refused": 0, "failed": 0}


def test_what_is_shown_can_be_imported_again(served: Served, operator: Client) -> None:
    operator.send(import_subscribers([FULL]))
    view = httpx.get(f"{served.url}/v1/subscribers/46701234567", headers=HEADERS).json()
    line = {name: value for name, value in view.items() if name not in {"registered", "version"}}
    assert operator.send(import_subscribers([line])).stored == 1
    assert httpx.get(f"{served.url}/v1/subscribers/46701234567", headers=HEADERS).json() == view | {
        "version": 2
    }


def test_a_store_that_fails_is_said_line_by_line(served: Served, operator: Client, monkeypatch: Any) -> None:
    async def put_many(_records: list[Subscriber]) -> None:
        raise StoreError("no space left on device", "disk-full")

    monkeypatch.setattr(type(served.node.store), "put_many", lambda _self, records: put_many(records))
    imported = operator.send(import_subscribers([{"msisdn": "46701234567"}, {"msisdn": "x"}]))
    assert (imported.stored, imported.refused, imported.failed) == (0, 1, 1)
    assert "no space" in imported.lines[0].errors[0].reason
    assert served.find("46701234567") is None


def test_many_lines_answered_in_order_and_the_node_turns_over(
    served: Served, operator: Client, slowdown: float
) -> None:
    count = 20_000
    late: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.001
            await asyncio.sleep(0.001)
            late.append(loop.time() - due)

    watching = asyncio.run_coroutine_threadsafe(watch(), served.loop)
    *results, summary = post(served, b"".join(b'{"msisdn":"4670%07d"}\n' % number for number in range(count)))
    watching.cancel()
    assert summary["stored"] == count
    assert [each["line"] for each in results] == list(range(1, count + 1))
    assert sorted(late)[len(late) * 9 // 10] < 0.1 * slowdown, "calls are answered meanwhile"


def test_an_import_beyond_the_limit_is_cut_off(tmp_path: Path) -> None:
    with serve(tmp_path, max_import=2048) as served:
        url = f"{served.url}/v1/subscribers:import"
        body = b"".join(b'{"msisdn":"4670%07d"}\n' % number for number in range(1000))
        response = httpx.post(url, content=body, headers=HEADERS)
        assert (response.status_code, response.json()["type"]) == (413, "/problems/too-large")
        assert served.audited()[-1]["problem"] == "too-large"


@pytest.mark.parametrize("limit", [10, 10_000])
def test_a_stream_beyond_its_limit(limit: int) -> None:
    from scp.api.problems import ProblemError

    async def read() -> list[bytes]:
        return [line async for line in lines(_pieces([b"x" * 6, b"x" * 6]), limit)]

    if limit == 10:
        with pytest.raises(ProblemError):
            asyncio.run(read())
    else:
        assert asyncio.run(read()) == [b"x" * 12]


@given(st.lists(st.binary(max_size=20)), st.randoms(use_true_random=False))
def test_however_a_stream_is_cut_its_lines_are_the_same(components: list[bytes], random: Any) -> None:
    stream = b"\n".join(components)
    cuts = sorted(random.randrange(len(stream) + 1) for _ in range(5))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def read() -> list[bytes]:
        return [line async for line in lines(_pieces(pieces), 10_000)]

    expected = stream.split(b"\n")
    assert asyncio.run(read()) == (expected if expected[-1] else expected[:-1])


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
