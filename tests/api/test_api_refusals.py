"""What is refused: the right 4xx as problem details, nothing changed, and the audit says so."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_node import KEYS, OPERATOR, READER, SLOW, VOIP, Served, key
from api_node import served as serve
from msgspec.structs import replace

from scp.api import limited_log
from scp.api.auth import Keyring
from scp.api.problems import KINDS
from scp.common.report_limiter import ReportLimiter
from scp.config import Scope
from scp.ports import StoreError

NUMBER = "46701234567"
JSON = {"Content-Type": "application/json"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


BODIES: dict[str, tuple[str, str, object]] = {
    "authorize": ("PUT", f"/v1/authorizations/{NUMBER}", {}),
    "withdraw": ("DELETE", f"/v1/authorizations/{NUMBER}", None),
    "register": ("PUT", f"/v1/registrations/{NUMBER}", {"aor": "sip:a@b"}),
    "deregister": ("DELETE", f"/v1/registrations/{NUMBER}", None),
    "forward": ("PUT", f"/v1/forwarding/{NUMBER}", {"enabled": False}),
    "roaming": ("PUT", f"/v1/roaming/{NUMBER}", {"roaming": True}),
    "forget": ("DELETE", f"/v1/roaming/{NUMBER}", None),
    "import": ("POST", "/v1/subscribers:import", None),
}
SCOPES = {"authorize", "withdraw", "import"}, {"register", "deregister", "forward", "roaming", "forget"}


def ask(served: Served, what: str, headers: dict[str, str], **more: Any) -> httpx.Response:
    method, path, body = BODIES[what]
    more.setdefault("json" if body is not None else "content", body)
    return httpx.request(method, served.url + path, headers=headers, **more)


def refused(served: Served, response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Hold an answer to be this problem, and the store and the audit to know of no change."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["type"]) == (status, status, f"/problems/{kind}")
    assert problem["title"] == KINDS[kind].title
    assert [record["msisdn"] for record in served.everything() if record["msisdn"] == NUMBER] == []
    assert not [line for line in served.audited() if line["result"] == "changed"]
    return problem


def last_refusal(served: Served) -> dict[str, Any]:
    line = served.audited()[-1]
    assert line["result"] == "refused"
    assert line["source"] == "127.0.0.1"
    return line


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x y", f"Basic {OPERATOR}", f"Bearer {OPERATOR}x", "Bearer \xfc"]
)
def test_without_a_valid_token(shared: Served, what: str, header: str | None) -> None:
    headers: Any = {} if header is None else {"Authorization": header.encode("latin-1")}
    response = ask(shared, what, headers)
    refused(shared, response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith('Bearer realm="camel-scp"')
    assert last_refusal(shared)["who"] == ""
    assert OPERATOR not in shared.audit.read_text()


def test_a_key_is_valid_until_its_last_day_is_over() -> None:
    until = datetime(2026, 12, 31, tzinfo=UTC)
    now = [until.timestamp() + 86_399.999]
    dated = replace(key("dated", OPERATOR, Scope.READ), until="2026-12-31")
    keyring = Keyring([dated, key("reader", READER, Scope.READ)], lambda: now[0])
    assert keyring.holder(OPERATOR) is dated
    now[0] += 0.001
    assert keyring.holder(OPERATOR) is None
    assert keyring.known(OPERATOR) is dated
    assert keyring.holder(READER) is not None
    longer = replace(dated, name="longer", until=None)
    for keys in ([dated, longer], [longer, dated]):
        assert Keyring(keys, lambda: now[0]).holder(OPERATOR) is longer
    assert [each.path for each in replace(dated, until="2026-02-30").faults()] == ["until"]


def test_a_key_that_has_expired_is_told_so(tmp_path: Path) -> None:
    past = replace(key("past", OPERATOR, *Scope), until="2020-01-01")
    with serve(tmp_path, keys=(past,)) as served:
        response = ask(served, "authorize", bearer(OPERATOR))
        detail = refused(served, response, 401, "unauthenticated")["detail"]
        assert detail == "the token of key past has expired: its last day was 2020-01-01 (UTC)"
        assert 'error="invalid_token"' in response.headers["www-authenticate"]  # RFC 6750 §3.1


@pytest.mark.parametrize("what", BODIES)
def test_without_the_scope(shared: Served, what: str) -> None:
    tokens = [READER, VOIP] if what in SCOPES[0] else [READER]
    for token in tokens:
        response = ask(shared, what, bearer(token))
        refused(shared, response, 403, "missing-scope")
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        line = last_refusal(shared)
        assert line["who"] == {READER: "reader", VOIP: "voip"}[token]
        assert line["what"] == f"{BODIES[what][0]} {BODIES[what][1]}"
        assert (line["status"], line["problem"]) == (403, "missing-scope")


def test_reading_needs_its_scope_too(shared: Served) -> None:
    for path in ("authorizations", "registrations", "forwarding", "roaming"):
        response = httpx.get(f"{shared.url}/v1/{path}/{NUMBER}", headers=bearer(READER))
        refused(shared, response, 403, "missing-scope")
    response = httpx.get(f"{shared.url}/v1/subscribers/{NUMBER}", headers=bearer(VOIP))
    refused(shared, response, 403, "missing-scope")


@pytest.mark.parametrize("what", ["authorize", "register", "forward", "roaming"])
def test_a_body_that_is_too_large(shared: Served, what: str) -> None:
    large = json.dumps({"aor": "sip:" + "a" * 70_000}).encode()
    refused(shared, ask(shared, what, bearer(OPERATOR) | JSON, json=None, content=large), 413, "too-large")
    assert last_refusal(shared)["problem"] == "too-large"

    def unannounced() -> Any:
        yield from (large[at : at + 1000] for at in range(0, len(large), 1000))

    response = ask(shared, what, bearer(OPERATOR) | JSON, json=None, content=unannounced())
    refused(shared, response, 413, "too-large")


@pytest.mark.parametrize(
    "number",
    [
        "467x",
        "4670",
        "0701234567",
        "0046701234567",
        "1234567890123456",
        "++46701234567",
        "4670-123456",
        "٤٦٧٠١٢٣٤٥",
    ],
)
def test_a_number_that_is_none(shared: Served, number: str) -> None:
    for collection in ("authorizations", "registrations", "forwarding", "roaming", "subscribers"):
        response = httpx.get(f"{shared.url}/v1/{collection}/{number}", headers=bearer(OPERATOR))
        assert refused(shared, response, 422, "invalid")["errors"][0]["path"] == "msisdn"
    response = httpx.put(f"{shared.url}/v1/authorizations/{number}", json={}, headers=bearer(OPERATOR))
    refused(shared, response, 422, "invalid")
    assert last_refusal(shared)["detail"].startswith("msisdn: ")


@pytest.mark.parametrize(
    ("what", "body", "path"),
    [
        ("authorize", {"imsi": "1"}, "imsi"),
        ("authorize", {"imsi": "240010123456789\n"}, "imsi"),
        ("authorize", {"imsi": 240010123456789}, "imsi"),
        ("authorize", {"imsy": "240010123456789"}, "imsy"),
        ("authorize", [], "body"),
        ("authorize", None, "body"),
        ("register", {}, "aor"),
        ("register", {"aor": "a@b"}, "aor"),
        ("register", {"aor": "sip:a b"}, "aor"),
        ("register", {"aor": "sip:ü@b"}, "aor"),
        ("register", {"aor": "sip:a@b", "forwarding_number": "0701234567"}, "forwarding_number"),
        ("forward", {}, "enabled"),
        ("forward", {"enabled": "true"}, "enabled"),
        ("forward", {"enabled": 1}, "enabled"),
        ("forward", {"enabled": True, "when": "never"}, "when"),
        ("forward", {"enabled": True, "when": "locations"}, "locations"),
        ("forward", {"enabled": True, "when": "locations", "locations": ["46", "x"]}, "locations[1]"),
        ("forward", {"enabled": True, "when": "locations", "locations": ["1"] * 65}, "locations"),
        ("roaming", {"roaming": True, "vlr": "x"}, "vlr"),
    ],
)
def test_a_field_that_can_not_be(shared: Served, what: str, body: object, path: str) -> None:
    content = b"" if what == "authorize" and body is None else json.dumps(body).encode()
    response = ask(shared, what, bearer(OPERATOR) | JSON, json=None, content=content)
    assert refused(shared, response, 422, "invalid")["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "content", [b"{", b'{"imsi": }', b"\xff", b'{"imsi": "\xff"}', b"{}{}", b"\x00" * 10]
)
def test_a_body_that_is_no_json(shared: Served, content: bytes) -> None:
    response = ask(shared, "authorize", bearer(OPERATOR) | JSON, json=None, content=content)
    refused(shared, response, 400, "malformed-request")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
)
def test_a_body_of_another_kind(shared: Served, kind: str | None) -> None:
    headers = bearer(OPERATOR) | ({} if kind is None else {"Content-Type": kind})
    response = ask(shared, "authorize", headers, json=None, content=b"{}")
    refused(shared, response, 415, "unsupported-media-type")
    assert response.headers["accept"] == "application/json"
    refused(shared, ask(shared, "import", headers, content=b"{}"), 415, "unsupported-media-type")


def test_paths_and_methods_that_are_not_there(shared: Served) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/authorizations",
        "/v1/authorizations/1/2",
        "/v2/x",
        "/v1/authorizations/%2F",
    ):
        response = httpx.get(shared.url + path, headers=bearer(OPERATOR))
        refused(shared, response, 404, "no-such-path")
    response = httpx.post(f"{shared.url}/v1/authorizations/{NUMBER}", headers=bearer(OPERATOR))
    refused(shared, response, 405, "method-not-allowed")
    assert response.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize("query", ["?result=refused", "?results=some", "?=1"])
def test_a_query_that_is_mistyped(shared: Served, query: str) -> None:
    url = f"{shared.url}/v1/subscribers:import{query}"
    headers = bearer(OPERATOR) | {"Content-Type": "application/x-ndjson"}
    refused(shared, httpx.post(url, content=b'{"msisdn": "46701234567"}', headers=headers), 422, "invalid")


def test_a_key_that_asks_too_often(tmp_path: Path) -> None:
    keys = (*KEYS, key("slow", SLOW, *Scope))
    with serve(tmp_path, keys=keys, rate=0.5, burst=3) as served:
        path = f"{served.url}/v1/authorizations/{NUMBER}"
        assert [httpx.get(path, headers=bearer(SLOW)).status_code for _ in range(3)] == [404] * 3
        response = httpx.put(path, json={}, headers=bearer(SLOW))
        refused(served, response, 429, "too-many-requests")
        assert 1 <= int(response.headers["retry-after"]) <= 3
        assert last_refusal(served)["who"] == "slow"
        assert httpx.get(path, headers=bearer(OPERATOR)).status_code == 404, (
            "other keys have their own budget"
        )


def test_every_kind_of_problem_is_explained_at_its_type(shared: Served) -> None:
    for kind in KINDS.values():
        text = httpx.get(shared.url + kind.type).text
        assert kind.title in text
        assert kind.advice in text
    assert httpx.get(shared.url + "/problems/none").status_code == 404


def test_a_store_that_is_away_does_not_fill_the_log(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get(_store: object, _msisdn: str) -> None:
        raise StoreError("the server is away", "unreachable")

    monkeypatch.setattr(type(served.node.store), "get", get)
    monkeypatch.setattr(limited_log, "_limited", ReportLimiter(limited_log._log, time.monotonic))
    with httpx.Client(base_url=served.url, headers=bearer(OPERATOR)) as client:
        statuses = {client.get(f"/v1/subscribers/{NUMBER}").status_code for _ in range(200)}
    assert statuses == {503}
    assert 0 < capsys.readouterr().out.count("store failed") < 150


# --- the audit ---


def test_changes_are_audited_with_who_what_before_and_after(served: Served) -> None:
    httpx.put(f"{served.url}/v1/authorizations/{NUMBER}", json={}, headers=bearer(OPERATOR))
    httpx.put(f"{served.url}/v1/registrations/{NUMBER}", json={"aor": "sip:a@b"}, headers=bearer(VOIP))
    httpx.put(f"{served.url}/v1/registrations/{NUMBER}", json={"aor": "sip:a@b"}, headers=bearer(VOIP))
    first, second = served.audited()
    assert (first["who"], first["what"]) == ("operator", f"PUT /v1/authorizations/{NUMBER}")
    assert first["before"] is None
    assert first["after"]["authorized"] is True
    assert (second["who"], second["before"]) == ("voip", first["after"])
    assert second["after"]["aor"] == "sip:a@b"
    assert first["timestamp"].endswith("+00:00")


def test_the_audit_goes_on_in_a_new_file_when_the_old_one_is_moved_away(served: Served) -> None:
    path = f"{served.url}/v1/authorizations/{NUMBER}"
    httpx.put(path, json={}, headers=bearer(OPERATOR))
    served.audit.rename(served.audit.with_suffix(".1"))
    httpx.delete(path, headers=bearer(OPERATOR))
    assert [line["what"] for line in served.audited()] == [f"DELETE /v1/authorizations/{NUMBER}"]


def test_without_a_file_the_audit_goes_to_the_log_masked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import structlog

    from scp.telemetry.logs import configure

    configure()
    try:
        with serve(tmp_path, audit=None) as served:
            httpx.put(f"{served.url}/v1/authorizations/{NUMBER}", json={}, headers=bearer(OPERATOR))
            httpx.put(f"{served.url}/v1/authorizations/{NUMBER}", json={}, headers=bearer(READER))
    finally:
        structlog.reset_defaults()  # what it writes to ends with this test
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    changed, refused_ = [line for line in lines if line["event"] == "audit"]
    assert changed["what"] == "PUT /v1/authorizations/4670xxxxxxx"
    assert changed["after"]["msisdn"] == "4670xxxxxxx"
    assert refused_["problem"] == "missing-scope"


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("registrations", {"aor": "bob"}, "aor: expected SIP or SIPS URI (RFC 3261 §6, address-of-record)"),
        ("authorizations", {"imsi": "2400101"[:5]}, "imsi: expected 6 to 15 digits (23.003 §2.2)"),
        (
            "roaming",
            {"roaming": True, "vlr": "447"},
            "vlr: expected 5 to 15 E.164 digits, country code first",
        ),
        (
            "forwarding",
            {"enabled": True, "when": "never"},
            "when: expected one of always, roaming, locations",
        ),
        (
            "forwarding",
            {"enabled": True, "when": "locations", "locations": ["46", "x"]},
            "locations[1]: expected first digits of a VLR number, or a cell or location area id as hex octets",
        ),
    ],
)
def test_what_may_stand_in_a_field_is_said_in_words(
    served: Served, path: str, body: dict[str, object], detail: str
) -> None:
    answer = httpx.put(f"{served.url}/v1/{path}/{NUMBER}", json=body, headers=bearer(OPERATOR))
    if answer.status_code == 403:
        answer = httpx.put(f"{served.url}/v1/{path}/{NUMBER}", json=body, headers=bearer(VOIP))
    assert refused(served, answer, 422, "invalid")["detail"] == detail


@pytest.mark.parametrize("written", ["+46 70 123 45 67", "46-70-1234567", "(46)701234567"])
def test_a_number_is_audited_as_digits_alone_however_it_was_written(served: Served, written: str) -> None:
    """Or what masks numbers in the log would not know it for one."""
    httpx.put(f"{served.url}/v1/authorizations/{written}", json={}, headers=bearer(READER))
    line = last_refusal(served)
    assert NUMBER in re.sub(r"[+()]", "", line["what"])
