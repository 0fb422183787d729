"""livez, readyz, health, the pages and the document."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec
import pytest
from api_node import FakeNode, Served
from litestar import Litestar

from scp import client as client_module
from scp.api.app import build_app
from scp.api.charging import charging_router
from scp.api.discards import discards_router
from scp.client import Client, readiness
from scp.config import Api
from scp.domain.cdr import CallAttempt, ChargeRecord, VoipRecord
from scp.engine.status import ComponentStatus, LinkStatus

VOID = {"meta", "link", "br"}


def test_alive_needs_nothing(shared: Served) -> None:
    response = httpx.get(shared.url + "/livez")
    assert (response.status_code, response.json()) == (200, {"alive": True})
    assert response.headers["cache-control"] == "no-store"


def test_ready_says_why_not(served: Served, operator: Client) -> None:
    assert operator.send(readiness()).ready
    served.node.reasons = ["draining", "no ASP is active"]
    assert operator.exchange(readiness()).status == 503
    assert operator.send(readiness()).reasons == ("draining", "no ASP is active")


def test_what_is_wrong_beside_the_links_is_a_warning_and_no_reason_to_be_taken_out(served: Served) -> None:
    served.node.beside.append(
        ComponentStatus("charging:records", "call detail records", "datastore", "7 wait", 0.0, "the disk", "it is full", 60.0)
    )  # fmt: skip
    response = httpx.get(served.url + "/health")
    body = response.json()
    assert (response.status_code, body["status"], body["notes"]) == (200, "warn", [])
    assert body["checks"]["charging:records"] == [
        {
            "componentId": "call detail records",
            "componentType": "datastore",
            "status": "warn",
            "observedValue": "7 wait",
            "time": "1970-01-01T00:00:00.000+00:00",
            "output": "it is full; check the disk",
            "lastError": "it is full",
            "lastErrorTime": "1970-01-01T00:01:00.000+00:00",
            "check": "the disk",
        }
    ]
    assert httpx.get(served.url + "/readyz").status_code == 200
    served.node.beside[0].check = ""
    assert httpx.get(served.url + "/health").json()["status"] == "pass"


def test_health_says_what_to_look_at(served: Served) -> None:
    def health() -> tuple[int, dict[str, object]]:
        response = httpx.get(served.url + "/health")
        assert response.headers["content-type"] == "application/health+json"
        return response.status_code, response.json()

    status, body = health()
    assert (status, body["status"], body["serviceId"]) == (200, "pass", "scp-test")
    down = LinkStatus(
        "stp-b", connected=False, asp="down", since=0.0, last_error="refused", check="the address"
    )
    served.node.status.append(down)
    status, body = health()
    assert (status, body["status"]) == (200, "warn")
    expected = {
        "componentId": "stp-b",
        "componentType": "component",
        "status": "fail",
        "observedValue": "not connected",
        "time": "1970-01-01T00:00:00.000+00:00",
        "output": "refused; check the address",
    }
    assert body["checks"]["m3ua:asp"][1].items() >= expected.items()  # type: ignore[index]
    served.node.reasons = ["no ASP is active"]
    status, body = health()
    assert (status, body["status"], body["notes"]) == (503, "fail", ["no ASP is active"])


class Page(HTMLParser):
    """What a page refers to, and whether it is all closed."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src"}:
                self.references.append(value or "")
            if name == "id":
                self.ids.add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_pages_work_without_a_network(shared: Served) -> None:
    response = httpx.get(shared.url + "/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in response.headers["content-security-policy"]
    page = Page()
    page.feed(response.text)
    assert not page.tags & {"script", "link", "img", "iframe"}
    for reference in page.references:
        assert reference.startswith(("/", "#")), reference
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        else:
            assert httpx.get(shared.url + reference).status_code == 200
    document = httpx.get(shared.url + "/schema/openapi.json").json()
    for path in document["paths"]:
        assert path in page.text


def test_every_call_is_described_with_scope_answers_and_examples(shared: Served) -> None:
    document = httpx.get(shared.url + "/schema/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token."}
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["description"], where
            if path.startswith("/v1"):
                assert operation["security"], where
                assert {"401", "403", "422", "429", "500", "503"} <= set(operation["responses"]), where
            for status, answer in operation["responses"].items():
                for kind, content in (answer.get("content") or {}).items():
                    if int(status) >= 400 and kind == "application/problem+json":
                        assert content["examples"], where


STRUCTS = {
    name: kind
    for name, kind in vars(client_module).items()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind.__module__.startswith("scp.client.")
}
SAME = {
    "Authorization": "Authorization",
    "Registration": "Registration",
    "Forwarding": "Forwarding",
    "Roaming": "Roaming",
    "Subscriber": "SubscriberView",
    "Condition": "Condition",
    "Decision": "DryRun",
    "FieldError": "FieldError",
    "LineResult": "LineResult",
    "Problem": "Problem",
    "Readiness": "Ready",
    "Reservation": "ReservationView",
    "Account": "AccountView",
    "VoipLeg": "VoipBody",
    "CdrPage": "CdrPage",
}
RECORDS = {"Attempt": CallAttempt, "VoipRecord": VoipRecord, "Charge": ChargeRecord}


def whole_app() -> Litestar:
    """With every router that a node can have; what they would work with is not asked for."""
    nothing: Any = None
    return build_app(Api(), FakeNode(), [charging_router(nothing), discards_router(nothing)])


@pytest.mark.parametrize("name", SAME)
def test_the_client_has_the_shapes_of_the_document(name: str) -> None:
    schemas = whole_app().openapi_schema.to_schema()["components"]["schemas"]
    schema = next((s for key, s in schemas.items() if re.fullmatch(rf"(.*_)?{SAME[name]}", key)), None)
    if schema is None:
        assert SAME[name] == "LineResult"  # its media type, NDJSON, has no schema in OpenAPI 3.1
        return
    assert set(schema["properties"]) == set(STRUCTS[name].__struct_fields__)


@pytest.mark.parametrize("name", RECORDS)
def test_the_client_has_the_fields_of_records(name: str) -> None:
    assert {*STRUCTS[name].__struct_fields__} == {"seq", *RECORDS[name].__struct_fields__}
    assert STRUCTS[name].__struct_config__.tag == RECORDS[name].__struct_config__.tag


def test_every_body_has_an_example_that_is_one() -> None:
    from litestar.openapi.spec import Schema

    app = whole_app()
    schemas = {schema.title: schema for schema in app.openapi_schema.components.schemas.values()}
    bodies = [
        handler.parsed_data_field.annotation
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.parsed_data_field is not None
    ]
    assert len(bodies) >= 10
    for kind in bodies:
        schema = schemas[kind.__name__]
        assert isinstance(schema, Schema)
        assert schema.additional_properties is False
        [example] = schema.examples or [None]
        msgspec.json.decode(msgspec.json.encode(example), type=kind)


def test_what_may_be_null_has_its_least_value_in_the_document() -> None:
    schemas = whole_app().openapi_schema.to_schema()["components"]["schemas"]
    [posted] = [schema for key, schema in schemas.items() if key.endswith("VoipBody")]
    assert posted["properties"]["cause"]["minimum"] == 0
    bounded = [
        (key, name)
        for key, schema in schemas.items()
        for name, field in schema.get("properties", {}).items()
        if "maximum" in field and "minimum" not in field
    ]
    assert not bounded
