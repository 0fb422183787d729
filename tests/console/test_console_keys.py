"""Who may look: every scope and key on every call that the page makes, and how sessions end."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from importlib import resources
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from console_node import SCOPES, TOKENS, Served, provision, running_node
from console_tab import NEEDS_BROWSER, Tab

from oracles import redis_lab
from oracles.hlr_peer import with_hlr
from oracles.servers import free_tcp_port
from oracles.waiting import PATIENCE, wait_until

CALLS = {
    ("GET", "/v1/session"): "read",
    ("GET", "/v1/overview"): "read",
    ("GET", "/v1/events"): "read",
    ("GET", "/v1/changes"): "read",
    ("GET", "/v1/alerts"): "read",
    ("GET", "/v1/runbook/ScpDown"): "read",
    ("GET", "/v1/configuration"): "read",
    ("GET", "/v1/attempts"): "read",
    ("GET", "/v1/attempts/1"): "trace",
    ("GET", "/v1/attempts/1/records"): "charging",
    ("POST", "/v1/sip-events"): "registration",
    ("POST", "/v1/captures/decoded"): "trace",
    ("POST", "/v1/captures/replayed"): "trace",
    ("POST", "/v1/captures/anonymised"): "trace",
    ("POST", "/v1/decisions"): "read",
    ("GET", "/v1/discards"): "read",
    ("POST", "/v1/octets/decoded"): "read",
    ("GET", "/v1/subscribers/11234567"): "read",
    ("GET", "/v1/calls"): "calls",
    ("DELETE", "/v1/calls/00000001"): "calls",
    ("GET", "/v1/traces/11234567"): "trace",
    ("PUT", "/v1/traces/11234567"): "trace",
    ("DELETE", "/v1/traces/11234567"): "trace",
    ("PUT", "/v1/authorizations/11234567"): "authorization",
    ("DELETE", "/v1/authorizations/11234567"): "authorization",
    ("DELETE", "/v1/registrations/11234567"): "registration",
    ("PUT", "/v1/forwarding/11234567"): "forwarding",
    ("DELETE", "/v1/roaming/11234567"): "forwarding",
    ("GET", "/v1/devices/11234567"): "read",
    ("GET", "/v1/whereabouts/11234567"): "read",
    ("GET", "/v1/charging/accounts/11234567"): "charging",
    ("GET", "/v1/charging/reservations/1"): "charging",
    ("PUT", "/v1/charging/accounts/11234567/credits/1"): "authorization",
}
"""Every call that the console makes, and the scope that it needs."""


@pytest.fixture(scope="module", name="node")
def node_with_hlr_and_voip_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node that has all of the calls: it could ask an HLR and a VoIP service, though neither is there."""
    folder = tmp_path_factory.mktemp("console")
    more = f'[api.voip]\nurl = "http://127.0.0.1:{free_tcp_port()}"\ntoken = "operator-token"\n'
    more += with_hlr(free_tcp_port())
    with redis_lab.single(folder) as redis, running_node(folder, redis.url, more=more) as served:
        provision(served)
        yield served


def test_every_call_that_the_page_makes_is_tried_with_every_key() -> None:
    modules = resources.files("scp.console").joinpath("static").iterdir()
    text = "\n".join(each.read_text() for each in modules if each.name.endswith(".js"))
    hole = re.compile(r"\$\{(?:[^{}]|\{[^}]*\})*\}")
    paths = set(re.findall(r"[`\"](/v1/[^`\"?]*)", hole.sub("*", text)))
    assert len(paths) >= 20
    tried = {path for _, path in CALLS}
    assert {
        each for each in paths if not any(re.fullmatch(each.replace("*", "[^/]+"), path) for path in tried)
    } == set()


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_key_that_is_none_or_lacks_the_scope_is_refused(node: Served, call: tuple[str, str]) -> None:
    held = {name for name, scopes in SCOPES.items() if CALLS[call] in scopes}
    refused = {None: 401, "wrong": 401} | {TOKENS[name]: 403 for name in SCOPES.keys() - held}
    refused[TOKENS["past"]] = 401
    assert 403 in refused.values()
    for token, status in refused.items():
        with pytest.raises(HTTPError) as caught:
            node.ask(*call, {} if call[0] in ("POST", "PUT") else None, token=token)
        with caught.value as answered:
            assert answered.code == status
            assert answered.headers["Content-Type"] == "application/problem+json"
            detail = json.load(answered)["detail"]
        assert ("the token of key past has expired" in detail) == (token == TOKENS["past"])


@NEEDS_BROWSER
def test_a_session_ends_and_leaves_nothing(browser: Any, node: Served) -> None:
    opened = Tab(browser, node.url, TOKENS["operator"])
    page = opened.page
    assert TOKENS["operator"] not in " ".join(opened.asked)
    page.click("text=Sign out")
    page.wait_for_selector("input[type=password]")
    assert page.evaluate("JSON.stringify([sessionStorage, localStorage, document.cookie])") == '[{},{},""]'
    page.reload()
    page.fill("input[type=password]", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=unknown token")
    opened.context.close()


def reloaded(node: Served, text: str) -> None:
    """Have the node take over a configuration."""
    before = (node.folder / "node.log").read_text().count('"event":"reloaded"')
    (node.folder / "scp.toml").write_text(text)
    node.process.send_signal(signal.SIGHUP)
    wait_until(lambda: (node.folder / "node.log").read_text().count('"event":"reloaded"') > before)


@NEEDS_BROWSER
@pytest.mark.parametrize("how", ["its key was withdrawn", "has expired: its last day was 2020-01-01 (UTC)"])
def test_a_key_that_is_withdrawn_or_expires_ends_the_session_that_it_opened(
    browser: Any, node: Served, how: str
) -> None:
    text = (node.folder / "scp.toml").read_text()
    before, _, _ = text.rpartition("[[api.keys]]")
    assert 'name = "leaver"' in text.removeprefix(before)
    opened = Tab(browser, node.url, TOKENS["leaver"])
    reloaded(node, text + 'until = "2020-01-01"\n' if "expired" in how else before)
    try:
        opened.page.wait_for_selector(f".notice:has-text('{how}')")
        assert opened.page.evaluate("JSON.stringify(sessionStorage)") == "{}"
        with pytest.raises(HTTPError) as caught:
            node.ask("GET", "/v1/session", token=TOKENS["leaver"])
        with caught.value as answered:
            assert answered.code == 401
    finally:
        reloaded(node, text)
        opened.context.close()


def test_the_page_loads_from_the_node_alone_and_runs_no_other_script(node: Served) -> None:
    for name, kind in (("", "text/html"), ("/console.js", "text/javascript"), ("/console.css", "text/css")):
        with urlopen(f"{node.url}/console{name}", timeout=PATIENCE) as response:
            policy = response.headers["Content-Security-Policy"]
            assert response.headers["Content-Type"].startswith(kind)
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            text = response.read().decode()
            assert "https://" not in text
    with pytest.raises(HTTPError) as caught:
        urlopen(f"{node.url}/console/..%2Froutes.py", timeout=PATIENCE)
    with caught.value as answered:
        assert answered.code == 404
