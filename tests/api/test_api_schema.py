"""The OpenAPI document against the running API: schemathesis asks what the document allows, and what it does not.

``CAMEL_SCP_API_STORE`` sets the URL of another store than an SQLite file.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import schemathesis
from api_node import FakeNode, sha256
from hypothesis import HealthCheck, Phase, given
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from oracles.examples import examples
from oracles.servers import free_tcp_port
from scp.api.app import build_app
from scp.api.charging import charging_router
from scp.api.discards import discards_router
from scp.api.held_calls import held_calls_router
from scp.api.messages import messages_router
from scp.api.traces import traces_router
from scp.app.event_log import EventLog
from scp.app.metrics import metrics_for
from scp.app.node import Node
from scp.client import Client, authorize, register
from scp.config import Api, loads

KNOWN = "46701234567"
TOKEN = "schema-token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = """
[node]
name = "schema"
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
port = {m3ua}
[store]
url = "{store}"
[numbering]
country_code = "46"
[charging]
[[charging.tariffs]]
prefix = ""
name = "all"
price = 10
[api]
listen = "127.0.0.1:0"
rate = 100000.0
burst = 100000
audit = "{directory}/audit.jsonl"
[[api.keys]]
name = "schema"
sha256 = "{sha256}"
scopes = ["authorization", "registration", "forwarding", "charging", "read", "trace", "calls", "messages", "passes"]
[messages]
[messages.smpp]
addresses = ["127.0.0.1:1"]
system_id = "schema"
"""


def document() -> dict[str, Any]:
    """The document of a whole node; what its routers would work with is not asked for."""
    nothing: Any = None
    routers = [
        charging_router(nothing),
        discards_router(nothing),
        held_calls_router(nothing, nothing),
        messages_router(nothing, nothing),
        traces_router(nothing),
    ]
    app = build_app(Api(), FakeNode(), routers)
    return app.openapi_schema.to_schema()


DOCUMENT = schemathesis.openapi.from_dict(document())
CALLS = {operation.ok().label: operation.ok() for operation in DOCUMENT.get_all_operations()}
NDJSON = "application/x-ndjson"
# These have nothing that could be wrong, or, an import, say of each line what is wrong.
NEVER_WRONG = {
    "GET /livez",
    "GET /readyz",
    "GET /health",
    "GET /problems/{name}",
    "POST /v1/subscribers:import",
}
# What a schema can't say: preconditions fail, and a condition on locations needs some.
BEYOND_SCHEMA = {412, 422}
# Their 503 is the answer: nobody has connected to this node.
UNREADY = {"GET /readyz", "GET /health"}


@schemathesis.serializer(NDJSON)
def ndjson(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole node's API."""
    directory = tmp_path_factory.mktemp("schema")
    text = CONFIG.format(
        m3ua=free_tcp_port(),
        directory=directory,
        store=os.environ.get("CAMEL_SCP_API_STORE", f"sqlite:{directory}/subscribers.db"),
        sha256=sha256(TOKEN),
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Node:
        config = loads(text, {})
        node = Node(config, Random(1), metrics_for(config, sorted(config.services)), EventLog())
        await node.start()
        return node

    node = asyncio.run_coroutine_threadsafe(start(), loop).result(120)
    assert node.api is not None
    try:
        with Client(node.api.url, TOKEN) as client:
            client.send(authorize(KNOWN))
            client.send(register(KNOWN, "sip:a@b"))
        yield node.api.url
    finally:
        asyncio.run_coroutine_threadsafe(node.stop(), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)
        loop.close()


def ask(url: str, case: Any) -> int:
    """Make a request; the answer's status."""
    response = case.call(base_url=url, headers=AUTHORIZED)
    allowed = [positive_data_acceptance] if response.status_code in BEYOND_SCHEMA else []
    if case.operation.label in UNREADY:
        allowed.append(not_a_server_error)
    if any(value in ([], {}, None) for value in (case.query or {}).values()):
        allowed.append(negative_data_rejection)  # such a parameter is not sent at all
    case.validate_response(response, excluded_checks=allowed)
    return int(response.status_code)


@pytest.mark.hypothesis
@pytest.mark.parametrize(
    ("call", "mode"),
    [
        (call, mode)
        for call in CALLS
        for mode in GenerationMode
        if mode.is_positive or call not in NEVER_WRONG
    ],
)
def test_no_answer_is_a_failure_or_undocumented(url: str, call: str, mode: GenerationMode) -> None:
    statuses: list[int] = []

    @examples(
        10,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=CALLS[call].as_strategy(generation_mode=mode))
    def ask_for_cases(case: Any) -> None:
        statuses.append(ask(url, case))
        if mode.is_positive and "msisdn" in (case.path_parameters or {}):
            case.path_parameters["msisdn"] = KNOWN
            statuses.append(ask(url, case))

    ask_for_cases()
    assert mode.is_negative or not {412, 422}.issuperset(statuses), f"nothing came through: {set(statuses)}"
