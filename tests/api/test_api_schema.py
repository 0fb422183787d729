"""The OpenAPI document against the running API: schemathesis asks what the document allows, and what it does not.

``CAMEL_SCP_API_EXAMPLES`` sets how many requests are made of each call, each way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from api_node import OPERATOR, FakeNode, Served, served
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from scp.api.app import build_app
from scp.config import Api

EXAMPLES = int(os.environ.get("CAMEL_SCP_API_EXAMPLES", "12"))
KNOWN = "46701234567"
AUTHORIZED = {"Authorization": f"Bearer {OPERATOR}"}
DOCUMENT = schemathesis.openapi.from_dict(build_app(Api(), FakeNode()).openapi_schema.to_schema())
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


@schemathesis.serializer(NDJSON)
def ndjson(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("schema")) as running:
        running.store(msisdn=KNOWN, authorized=True, aor="sip:a@b", forwarding=True, roaming=True)
        yield running


def ask(node: Served, case: Any, mode: GenerationMode) -> int:
    """Make a request; the answer's status."""
    response = case.call(base_url=node.url, headers=AUTHORIZED)
    allowed = [positive_data_acceptance] if response.status_code in BEYOND_SCHEMA else []
    case.validate_response(response, excluded_checks=allowed)
    return int(response.status_code)


@pytest.mark.parametrize(
    ("call", "mode"),
    [
        (call, mode)
        for call in CALLS
        for mode in GenerationMode
        if mode.is_positive or call not in NEVER_WRONG
    ],
)
def test_no_answer_is_a_failure_or_undocumented(node: Served, call: str, mode: GenerationMode) -> None:
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=CALLS[call].as_strategy(generation_mode=mode))
    def ask_for_cases(case: Any) -> None:
        statuses.append(ask(node, case, mode))
        if mode.is_positive and "msisdn" in (case.path_parameters or {}):
            case.path_parameters["msisdn"] = KNOWN
            statuses.append(ask(node, case, mode))

    ask_for_cases()
    assert mode.is_negative or not {412, 422}.issuperset(statuses), f"nothing came through: {set(statuses)}"
