"""The VoIP service's API: every call with every token, what each does, and the client of it."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_lab import SmscThread
from voip_lab import Lab, unavailable

from oracles.servers import wait_until
from scp import client
from scp.client import ApiError, voip
from scp.voip.user_rules import Day, UserRules, Window

with_lab = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
ALICE, BOB, HUGO, IRIS, KATE = "11234567", "46701234567", "46702000011", "46702000012", "46702000015"
METHODS = ("get", "put", "post", "delete")


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.troubles()
    for msisdn in (HUGO, IRIS):
        shared_lab.api.send(client.authorize(msisdn))
    yield shared_lab
    assert shared_lab.troubles() == []


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Iterator[client.Client]:
    with client.Client(lab.url, "operator-token") as made:
        yield made


@pytest.fixture(scope="module")
def hugo(lab: Lab, smsc: SmscThread) -> voip.Credentials:
    """What Hugo's phone has got by joining."""
    with client.Client(lab.url) as stranger:
        before = len(smsc.taken(HUGO))  # a module's tests may be made in two parts, and he joins anew
        asked = stranger.send(voip.enrol(HUGO, "Hugo's phone"))
        return stranger.send(voip.confirm_enrolment(asked, smsc.pin(HUGO, before + 1)))


def problem(kind: str, status: int, made: client.Client, call: client.Call[Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        made.send(call)
    assert (caught.value.kind, caught.value.problem.status) == (kind, status)
    return caught.value


def asked(http: httpx.Client, path: str, method: str, token: str | None) -> tuple[int, str, str]:
    """Status, kind of problem and challenge of a call without a body."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with http.stream(method, re.sub(r"\{[^}]*\}", ALICE, path), headers=headers) as answer:
        kind = ""
        if answer.headers.get("content-type") == "application/problem+json":
            kind = json.loads(answer.read())["type"].rpartition("/")[2]
        return answer.status_code, kind, answer.headers.get("www-authenticate", "")


@with_lab
def test_every_call_with_every_scope_and_with_no_wrong_and_expired_keys(
    lab: Lab, hugo: voip.Credentials
) -> None:
    document = httpx.get(f"{lab.url}/schema/openapi.json", trust_env=False).json()
    tokens = {"own": hugo.token, "operator": "operator-token", "trunk": "trunk-token"}
    seen, http = 0, httpx.Client(base_url=lab.url, trust_env=False, timeout=120)
    for path, item in document["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            operation, seen = item[method], seen + 1
            wanted = {scope for each in operation.get("security", []) for scope in each["bearer"]}
            assert operation.get("operationId"), path
            if not wanted:
                assert asked(http, path, method, None)[0] not in (401, 403), path
                continue
            assert {"401", "403", "429"} <= operation["responses"].keys(), path
            for token in (None, "a-strangers", "former-token"):
                status, kind, challenge = asked(http, path, method, token)
                assert (status, kind) == (401, "unauthenticated"), (path, method, token)
                assert challenge.startswith('Bearer realm="camel-scp-voip"')
            for scope, token in tokens.items():
                status, kind, challenge = asked(http, path, method, token)
                if scope in wanted:
                    assert (status == 401, kind == "missing-scope") == (False, False), (path, method, scope)
                else:
                    assert (status, kind) == (403, "missing-scope"), (path, method, scope)
                    assert "insufficient_scope" in challenge
                assert status != 500
    http.close()
    assert seen >= 24
    assert httpx.get(f"{lab.url}/docs", trust_env=False).status_code == 200


@with_lab
def test_a_device_sees_and_changes_its_own_and_nothing_else(lab: Lab, hugo: voip.Credentials) -> None:
    with client.Client(lab.url, hugo.token) as own:
        assert own.send(voip.identity(HUGO)).devices == (hugo.device,)
        assert own.send(voip.devices(HUGO)).devices[0].label == "Hugo's phone"
        assert own.send(voip.device(hugo.device)).state == "active"
        roles = {one.role for one in own.send(voip.numbers(HUGO)).numbers}
        assert "own" in roles
        for call in (
            voip.identity(ALICE),
            voip.devices(ALICE),
            voip.user_rules(ALICE),
            voip.set_user_rules(ALICE, voip.UserRules()),
            voip.device("alice-phone"),
            voip.revoke_device("alice-phone"),
            voip.rotate_credentials("no-such-device"),
            voip.voip_calls(ALICE),
            voip.waiting_texts(ALICE),
            voip.send_text(ALICE, BOB, "Hello"),
            voip.try_route("0701234567", caller=f"+{ALICE}"),
        ):
            problem("not-yours", 403, own, call)
        assert own.send(voip.try_route("0709999999", caller=f"+{HUGO}")).reason == "to-gateway"
        assert own.send(voip.try_route("0709999999")).reason == "to-gateway"  # of its one number
        changed = own.send(voip.change_device(hugo.device, label="Hugo's new phone"))
        assert changed.label == "Hugo's new phone"


@with_lab
def test_credentials_rotate_and_a_device_is_switched_off_and_revoked(
    lab: Lab, operator: client.Client, smsc: SmscThread
) -> None:
    operator.send(voip.put_identity(IRIS, zone="Europe/Stockholm"))
    first = operator.send(voip.make_device("iris-phone", (IRIS,), "Iris"))
    tablet = operator.send(voip.make_device("iris-tablet", (IRIS,)))
    port = lab.bound("iris-phone", IRIS, password=first.password)
    other = lab.bound("iris-tablet", IRIS, password=tablet.password)
    lab.wait_said("bindings", number=IRIS, count=2)
    with client.Client(lab.url, first.token) as own:
        second = own.send(voip.rotate_credentials("iris-phone"))
        problem("unauthenticated", 401, own, voip.identity(IRIS))
    assert (second.password, second.token) != (first.password, first.token)
    with pytest.raises(AssertionError, match="401 Unauthorized"):
        lab.register("iris-phone", IRIS, port, password=first.password).ended()
    lab.register("iris-phone", IRIS, port, password=second.password).ended()
    # switched off: no binding of this device, the other one's stays
    operator.send(voip.change_device("iris-phone", state="off"))
    wait_until(lambda: operator.send(voip.reachability(IRIS)).devices == 1)
    with pytest.raises(AssertionError, match="403 Forbidden"):
        lab.register("iris-phone", IRIS, port, password=second.password).ended()
    operator.send(voip.change_device("iris-phone", state="active"))
    lab.register("iris-phone", IRIS, port, password=second.password).ended()
    wait_until(lambda: operator.send(voip.reachability(IRIS)).devices == 2)
    # revoked: for good
    with client.Client(lab.url, second.token) as own:
        own.send(voip.revoke_device("iris-phone"))
        problem("unauthenticated", 401, own, voip.identity(IRIS))
    wait_until(lambda: operator.send(voip.reachability(IRIS)).devices == 1)
    problem("not-set", 404, operator, voip.device("iris-phone"))
    answers, calls = lab.device("answers", other), lab.gateway_calls(f"9900{IRIS}")
    for each in (calls, answers):
        each.ended()
    # the identity goes, and with it its devices and its registration at the node
    operator.send(voip.delete_identity(IRIS))
    assert not operator.send(voip.reachability(IRIS)).ours
    wait_until(lambda: not lab.api.send(client.subscriber(IRIS)).forwarding)
    audited = [line["what"] for line in lab.said("audit", result="changed")]
    assert "DELETE /v1/devices/iris-phone" in audited
    assert "DELETE /v1/identities/46702000012" in audited


@with_lab
def test_what_the_operator_sets_and_what_is_refused(lab: Lab, operator: client.Client) -> None:
    made = operator.send(voip.put_identity("46702000013", dids=["46850000009"], aliases=["jane"]))
    assert (made.dids, made.aliases, made.mode) == (("46850000009",), ("jane",), "shared")
    assert operator.send(voip.put_number("46702000013", "46850000010", "shared")).role == "shared"
    assert [one.role for one in operator.send(voip.numbers("46702000013")).numbers] == [
        "own",
        "did",
        "shared",
    ]
    operator.send(voip.delete_number("46702000013", "46850000010"))
    assert operator.send(voip.identity("46702000013")).shared == ()
    problem("number-taken", 409, operator, voip.put_identity("46702000014", dids=["46850000009"]))
    problem("number-taken", 409, operator, voip.put_number("46702000013", ALICE, "did"))
    fault = problem("invalid", 422, operator, voip.put_identity("46702000014", zone="Mars/Olympus"))
    assert fault.problem.errors[0].path == "zone"
    fault = problem("invalid", 422, operator, voip.put_identity("46702000014", barred=["premium"]))
    assert fault.problem.errors[0].path == "barred"
    fault = problem("invalid", 422, operator, voip.put_identity("46702000014", presentation="46850000009"))
    assert fault.problem.errors[0].path == "presentation"
    problem("not-set", 404, operator, voip.identity("46702000014"))
    fixed = problem("configured", 409, operator, voip.put_identity(ALICE))
    assert fixed.problem.detail.startswith(f"{ALICE} is in [[identities]]")
    problem("configured", 409, operator, voip.revoke_device("alice-phone"))
    short = problem("message-refused", 409, operator, voip.send_text(ALICE, "46700000001", "Hello"))
    assert "46700000001 is read as if it was dialled" in short.problem.detail
    problem("invalid", 422, operator, voip.make_device("x", ("46702999999",)))
    with client.Client(lab.url, "trunk-token") as gateway:
        assert gateway.send(voip.reachability(ALICE)).by == "cs"
        route = gateway.send(voip.try_route(f"9900{ALICE}", caller="46700000009", trunk="gateway"))
        assert (route.reason, route.steps[0].uri[:19]) == ("no-device", "sip:0011234567@127.")
        assert [one.condition for one in route.path][:3] == ["marked", "number", "identity"]
        problem("invalid", 422, gateway, voip.try_route("1"))
        nobodys = problem("invalid", 422, operator, voip.try_route("1", device="alice-phone"))
        assert "caller" in str(nobodys.problem.detail)
    operator.send(voip.delete_identity("46702000013"))


@with_lab
def test_a_users_rules_hold_for_the_next_call_and_events_tell_of_it(
    lab: Lab, hugo: voip.Credentials, operator: client.Client
) -> None:
    events: list[tuple[str, Any]] = []
    ready = threading.Event()

    def follow() -> None:
        headers = {"Authorization": f"Bearer {hugo.token}", "Last-Event-ID": "1"}
        with httpx.stream(
            "GET", f"{lab.url}/v1/events", headers=headers, timeout=120, trust_env=False
        ) as stream:
            kind = ""
            for line in stream.iter_lines():
                ready.set()
                name, _, value = line.partition(": ")
                kind = value if name == "event" else kind
                if name == "data":
                    events.append((kind, json.loads(value)))
                    if (kind, events[-1][1].get("state")) == ("call", "ended"):
                        return

    port = lab.bound(hugo.user, HUGO, password=hugo.password)
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    assert ready.wait(120)
    with client.Client(lab.url, hugo.token) as own:
        rules = voip.UserRules(blocked=("4670",), let_in=("46700000009",), quiet=True)
        assert own.send(voip.set_user_rules(HUGO, rules)) == rules == own.send(voip.user_rules(HUGO))
        for caller, code in (("46700000008", 603), ("46800000008", 480)):
            refused = lab.gateway_calls(f"9900{HUGO}", caller=caller)
            refused.process.wait(120)
            assert refused.received(f"SIP/2.0 {code}"), refused.messages()
            refused.stop()
        answers, calls = lab.device("answers", port), lab.gateway_calls(f"9900{HUGO}")
        for each in (calls, answers):
            each.ended()
        follower.join(120)
        assert not follower.is_alive()
        states = [data["state"] for kind, data in events if kind == "call"]
        assert states == ["decided", "decided", "decided", "answered", "ended"]
        assert [one.reason for one in own.send(voip.voip_calls()).calls][:3] == [
            "rings-devices",
            "quiet",
            "blocked",
        ]
        latest = own.send(voip.voip_calls()).calls[0]
        assert latest.started_ms <= (latest.answered_ms or 0) <= (latest.ended_ms or 0)
        own.send(voip.set_user_rules(HUGO, voip.UserRules()))
        operator.send(voip.put_identity(KATE))
        operator.send(voip.make_device("kate-phone", (KATE,)))
        own.send(voip.send_text(HUGO, f"00{KATE}", "Lunch?"))
        (waiting,) = operator.send(voip.waiting_texts(KATE)).messages
        assert (waiting.sender, waiting.text, waiting.devices) == (HUGO, "Lunch?", ("kate-phone",))
        operator.send(voip.delete_identity(KATE))
    lab.unbind(hugo.user, HUGO, port, password=hugo.password)


@with_lab
def test_a_reload_takes_keys_over(lab: Lab) -> None:
    assert lab.brain is not None
    before = lab.extra
    with client.Client(lab.url, "former-token") as former:
        late = problem("unauthenticated", 401, former, voip.identity(ALICE))
        assert late.problem.detail == "the token of key former has expired: its last day was 2020-01-01 (UTC)"
        lab.extra = before.replace('until = "2020-01-01"', 'until = "2999-12-31"')
        for extra, works in ((lab.extra, True), (before, False)):
            lab.extra, reloads = extra, len(lab.said("reloaded"))
            lab.write()
            lab.brain.send_signal(signal.SIGHUP)
            lab.wait_said("reloaded", reloads + 1)
            if works:
                assert former.send(voip.identity(ALICE)).msisdn == ALICE
        problem("unauthenticated", 401, former, voip.identity(ALICE))


@with_lab
def test_health_needs_no_token(lab: Lab) -> None:
    for path in ("/healthz", "/readyz"):
        answer = httpx.get(lab.url + path, trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})
    lab.stop_kamailio()
    wait_until(lambda: httpx.get(f"{lab.url}/readyz", trust_env=False).status_code == 503)
    links = len(lab.said("linked"))
    lab.start_kamailio()
    lab.wait_said("linked", links + 1)
    wait_until(lambda: httpx.get(f"{lab.url}/readyz", trust_env=False).status_code == 200)


minutes = st.integers(0, 1439)


@given(minutes, minutes, st.sets(st.sampled_from(Day), min_size=1), st.integers(1_700_000_000, 1_800_000_000))
def test_a_window_holds_from_its_begin_to_its_end_on_its_days(
    begin: int, end: int, days: set, at: int
) -> None:
    text = [f"{each // 60:02}:{each % 60:02}" for each in (begin, end)]
    rules = UserRules(windows=(Window(*text, tuple(days)),), let_in=("467",))
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo("Europe/Stockholm"))
    now, length = local.hour * 60 + local.minute, (end - begin) % 1440 or 1440
    expected = any(
        tuple(Day)[(local.weekday() - back) % 7] in days and begin <= now + back * 1440 < begin + length
        for back in (0, 1)
    )
    assert rules.is_quiet("4680", at, "Europe/Stockholm") == expected
    assert not rules.is_quiet("46701", at, "Europe/Stockholm")
    assert not rules.blocks("4680")
    assert UserRules(only_let_in=True, let_in=("467",)).blocks("4680")
    assert UserRules(block_unknown=True).blocks("")
