"""Captures that are none, broken, of any kind or too large: each gets a clear answer, and calls go on."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from console_node import TOKENS, Served, running_node

from oracles.waiting import PATIENCE, wait_until

PCAPS = Path(__file__).parents[2] / "pcaps"
STEERED = (PCAPS / "cap2-steered.pcapng").read_bytes()
WHOLE, MANY = 1 << 20, 200
"""More octets than the pipe to the command holds; copies of a capture that are more messages than are asked for."""
REFUSED = {
    "nothing": (b"", "empty"),
    "markup": (b"<img src=x onerror=alert(1)>", "neither pcap nor pcapng"),
    "no capture that is larger than a pipe": (
        random.Random(1).randbytes(WHOLE),
        "neither pcap nor pcapng",
    ),
    "compressed octets that are no capture": (
        gzip.compress(random.Random(1).randbytes(WHOLE)),
        "neither pcap nor pcapng",
    ),
    "octets that look compressed": (b"\x1f\x8b" + bytes(WHOLE), "compression"),
    "more than 64 MiB": (bytes((64 << 20) + 1), "at most 67108864 octets"),
}
READ = {
    "as it is": (STEERED, 8, "20 packets, 0 undecodable"),
    "compressed": (gzip.compress(STEERED), 8, "20 packets, 0 undecodable"),
    "cut": (STEERED[: len(STEERED) * 2 // 3], None, "undecodable"),
    "compressed, then cut": (gzip.compress(STEERED)[:-300], None, "undecodable"),
    "IPv6": ((PCAPS / "ipv6.pcapng").read_bytes(), None, " 0 undecodable"),
    "in fragments": ((PCAPS / "fragmented.pcapng").read_bytes(), None, " 0 undecodable"),
    "several, one behind another": (STEERED * 3, None, "60 packets"),
}


@pytest.fixture(scope="module", name="node")
def node_without_switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node that nobody calls."""
    with running_node(tmp_path_factory.mktemp("captures")) as served:
        yield served


def posted(node: Served, what: str, octets: bytes) -> tuple[int, bytes]:
    """Send a capture; return the status and the body."""
    headers = {
        "Authorization": f"Bearer {TOKENS['operator']}",
        "Content-Type": "application/octet-stream",
    }
    request = Request(f"{node.url}/v1/captures/{what}", data=octets, headers=headers, method="POST")
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def decoded(node: Served, octets: bytes, limit: int = 1000) -> dict[str, Any]:
    status, body = posted(node, f"decoded?limit={limit}", octets)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_capture_is_refused_with_the_reason(node: Served, name: str) -> None:
    octets, why = REFUSED[name]
    for what in ("decoded", "replayed", "anonymised"):
        status, body = posted(node, what, octets)
        assert status == (413 if "at most" in why else 422), body
        assert why in json.loads(body)["detail"]
        assert not json.loads(body)["detail"].startswith("-")


@pytest.mark.parametrize("name", READ)
def test_any_capture_is_read_as_far_as_it_goes(node: Served, name: str) -> None:
    octets, count, account = READ[name]
    found = decoded(node, octets)
    assert not found["more"]
    assert account in found["account"]
    assert any(each.get("components") for each in found["items"]) or "undecodable" in account
    assert count is None or len(found["items"]) == count


def test_of_a_large_one_the_first_messages_are_shown(node: Served) -> None:
    large = STEERED * MANY + bytes(16 << 20)  # most of it comes after enough was read
    found = decoded(node, large, 5)
    assert (len(found["items"]), found["more"]) == (5, True)
    assert found["items"] == decoded(node, STEERED)["items"][:5]


def test_a_command_that_something_else_ends_is_no_success_and_the_next_one_is_read(node: Served) -> None:
    slow = STEERED + bytes(32 << 20)  # octets that may be packets are looked at one by one
    children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children")
    with ThreadPoolExecutor() as beside:
        asked = beside.submit(posted, node, "decoded", slow)
        wait_until(lambda: children.read_text().split())
        for each in children.read_text().split():
            os.kill(int(each), signal.SIGKILL)
        status, body = asked.result()
    assert (status, json.loads(body)["detail"]) == (422, "the command ended with status -9")
    assert len(decoded(node, STEERED)["items"]) == 8
