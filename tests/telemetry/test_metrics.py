from __future__ import annotations

import ast
import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from oracles.waiting import PATIENCE
from scp.domain.decision import Action, Decision
from scp.domain.reason import Reason
from scp.store import redis_errors, sqlite_base
from scp.telemetry import catalogue, label_values
from scp.telemetry.catalogue import CATALOGUE, Kind
from scp.telemetry.histogram import Histogram
from scp.telemetry.metrics import Metrics
from scp.telemetry.server import MAX_CONNECTIONS, MetricsServer, process_collectors, render, watch_loop

FORWARDED = Decision(Action.CONNECT, Reason.FORWARDED_ALWAYS, "990011234567")


def metrics() -> Metrics:
    return Metrics(["voip-forwarding"], ["stp-a", "stp-b"], version="1.2.3")


def samples(subject: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = b"".join(render([subject])).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(subject: Metrics, name: str, **labels: str) -> float:
    return samples(subject)[name, tuple(sorted(labels.items()))]


# --- the catalogue ---


def test_a_store_s_errors_are_counted_by_their_kind() -> None:
    """Whatever kind the sources of the stores name; "config" is told before there is a store."""
    named = {kind for kind, _ in (*redis_errors._MEANING.values(), *sqlite_base._MEANING.values())}
    named.update(sqlite_base._OS_KINDS.values())
    for file in Path(sqlite_base.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                name = ast.unparse(call.func).rpartition(".")[2]
                if name in {"StoreError", "_not_now", "lookup_failed"}:
                    kinds = call.args[1:] if name == "StoreError" else call.args
                    constants = [node for kind in kinds for node in ast.walk(kind)]
                    named.update(node.value for node in constants if isinstance(node, ast.Constant))
    assert named - {"config"} <= {*label_values.STORE_ERROR_KINDS}
    assert {*label_values.STORE_ERROR_KINDS} <= named | {label_values.OTHER}


def test_what_is_collected_is_the_catalogue_in_its_order() -> None:
    families = list(metrics().collect())
    for family, spec in zip(families, CATALOGUE, strict=True):
        assert family.name == spec.name.removesuffix("_total")
        assert family.type == spec.kind
        assert family.documentation == spec.help
        assert {frozenset(sample.labels) - {"le"} for sample in family.samples} == {frozenset(spec.labels)}


def test_catalogue_is_well_formed() -> None:
    names = [spec.name for spec in CATALOGUE]
    assert len(set(names)) == len(names)
    for spec in CATALOGUE:
        assert spec.name.startswith("scp_")
        assert (spec.kind is Kind.COUNTER) == spec.name.endswith("_total")
        assert (spec.kind is Kind.HISTOGRAM) == bool(spec.buckets)
        assert list(spec.buckets) == sorted(set(spec.buckets))
        assert spec.help.endswith(".")
    assert catalogue.ANSWER_BUCKETS[0] == 50e-6
    assert catalogue.ANSWER_BUCKETS[-1] == 1.0


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    subject = metrics()
    subject.call("voip-forwarding", FORWARDED, 1e-3)
    text = b"".join(render([subject, *process_collectors()]))
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_every_reason_has_actions_and_every_pair_starts_at_0() -> None:
    found = samples(metrics())
    for reason in Reason:
        assert label_values.actions_for(reason)
        for action in label_values.actions_for(reason):
            labels = (("action", action.value), ("reason", reason.value), ("service", "voip-forwarding"))
            assert found["scp_calls_total", labels] == 0
    assert all(
        count == 0 for (name, _), count in found.items() if name.endswith(("_total", "_count", "_sum"))
    )


def test_pairs_are_those_that_make_sense() -> None:
    assert label_values.actions_for(Reason.FORWARDED_ROAMING) == (Action.CONNECT,)
    assert label_values.actions_for(Reason.UNKNOWN_SUBSCRIBER) == (Action.CONTINUE,)
    assert label_values.actions_for(Reason.STORE_TIMEOUT) == (Action.CONTINUE, Action.RELEASE)
    assert label_values.actions_for(Reason.UNKNOWN_SERVICE_KEY) == (Action.ERROR,)
    assert (Action.ERROR, Reason.UNKNOWN_SERVICE_KEY) in label_values.call_pairs("none")
    assert (Action.CONNECT, Reason.FORWARDED_ALWAYS) not in label_values.call_pairs("none")


# --- counting ---


def test_calls() -> None:
    subject = metrics()
    labels = {"action": "connect", "reason": "forwarded-always"}
    for seconds in (40e-6, 50e-6, 60e-6, 2.0):
        subject.call("voip-forwarding", FORWARDED, seconds)
    subject.call("nobody-knows", FORWARDED, 1e-3)
    assert value(subject, "scp_calls_total", service="voip-forwarding", **labels) == 4
    assert value(subject, "scp_calls_total", service="other", **labels) == 1
    assert value(subject, "scp_answer_seconds_bucket", le="5e-05") == 2
    assert value(subject, "scp_answer_seconds_bucket", le="0.0001") == 3
    assert value(subject, "scp_answer_seconds_bucket", le="1.0") == 4
    assert value(subject, "scp_answer_seconds_bucket", le="+Inf") == 5
    assert value(subject, "scp_answer_seconds_count") == 5
    assert value(subject, "scp_answer_seconds_sum") == pytest.approx(2.00115)


def test_a_pair_that_nobody_foresaw_is_counted_as_what_it_is() -> None:
    subject = metrics()
    decision = Decision(Action.RELEASE, Reason.AT_HOME)
    for _ in range(2):
        subject.call("voip-forwarding", decision, 1e-3)
    labels = {"service": "voip-forwarding", "action": "release", "reason": "at-home"}
    assert value(subject, "scp_calls_total", **labels) == 2


def test_everything_else() -> None:
    subject = metrics()
    subject.operation(0, "in")
    subject.operation(20, "out")
    subject.operation(123, "in")
    subject.dialogue_opened()
    subject.dialogue_opened()
    subject.dialogue_closed("ended")
    subject.discard("sccp", "malformed")
    subject.discard("sccp", "never heard of")
    subject.discard("mtp2", "x")
    subject.m3ua_message("stp-a", "in", "DATA", 7)
    subject.m3ua_message("stp-a", "in", "NEW", 1)
    subject.m3ua_message("stp-z", "out", "ASPUP")
    subject.asp_state("stp-b", "active")
    subject.asp_state("stp-z", "active")
    subject.asp_state("stp-a", "sleeping")
    subject.store("put", 3e-3)
    subject.store("vacuum", 3e-3, "disk-full")
    subject.store("put", 3e-3, "gremlins")
    subject.loop_lag(3e-3)
    subject.overload_level = 2
    assert subject.dialogues_open == 1
    found = samples(subject)
    expected = {
        ("scp_operations_total", "operation=initialDP direction=in"): 1,
        ("scp_operations_total", "operation=connect direction=out"): 1,
        ("scp_operations_total", "operation=other direction=in"): 1,
        ("scp_dialogues_open", ""): 1,
        ("scp_dialogues_total", "outcome=ended"): 1,
        ("scp_discards_total", "layer=sccp reason=malformed"): 1,
        ("scp_discards_total", "layer=sccp reason=other"): 1,
        ("scp_discards_total", "layer=other reason=other"): 1,
        ("scp_m3ua_messages_total", "peer=stp-a direction=in type=DATA"): 7,
        ("scp_m3ua_messages_total", "peer=stp-a direction=in type=other"): 1,
        ("scp_m3ua_messages_total", "peer=other direction=out type=ASPUP"): 1,
        ("scp_m3ua_asp_state", "peer=stp-b state=active"): 1,
        ("scp_m3ua_asp_state", "peer=stp-b state=down"): 0,
        ("scp_m3ua_asp_state", "peer=stp-a state=down"): 1,
        ("scp_store_seconds_count", "operation=put"): 2,
        ("scp_store_seconds_count", "operation=other"): 1,
        ("scp_store_errors_total", "kind=disk-full"): 1,
        ("scp_store_errors_total", "kind=other"): 1,
        ("scp_event_loop_lag_seconds_count", ""): 1,
        ("scp_overload_level", ""): 2,
    }
    for (name, labels), wanted in expected.items():
        key = tuple(sorted(tuple(label.split("=")) for label in labels.split()))
        assert found[name, key] == wanted, (name, labels)
    assert any(name == "scp_build_info" and dict(labels)["version"] == "1.2.3" for name, labels in found)


def test_the_set_of_series_never_grows_but_by_enumerations() -> None:
    subject = metrics()
    before = set(samples(subject))
    for number in range(100):
        subject.discard(f"layer{number}", f"{number}")
        subject.m3ua_message(f"peer{number}", "in", f"{number}")
        subject.asp_state(f"peer{number}", "active")
        subject.operation(1000 + number, "out")
        subject.store(f"op{number}", 1.0, f"kind{number}")
        subject.dialogue_closed(f"{number}")
        subject.call(f"service{number}", FORWARDED, 1.0)
    assert set(samples(subject)) == before


@given(st.lists(st.floats(0, 5)))
def test_histogram(values: list[float]) -> None:
    histogram = Histogram((0.1, 1.0, 2.5))
    for one in values:
        histogram.observe(one)
    cumulative = dict(histogram.cumulative())
    for bound in (0.1, 1.0, 2.5):
        assert cumulative[str(bound)] == sum(one <= bound for one in values)
    assert cumulative["+Inf"] == len(values)
    assert histogram.sum == pytest.approx(sum(values))


# --- over HTTP ---


async def ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def served(*requests: bytes) -> list[tuple[bytes, bytes]]:
    async def main() -> list[tuple[bytes, bytes]]:
        server = MetricsServer("127.0.0.1", 0, [metrics(), *process_collectors()])
        await server.start()
        try:
            return [await ask(server.port, request) for request in requests]
        finally:
            await server.close()
            await server.close()

    return asyncio.run(main())


def test_scrape() -> None:
    ((head, body),) = served(b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: %d" % len(body) in head
    assert b"content-type: text/plain; version=" in head
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert {spec.name.removesuffix("_total") for spec in CATALOGUE} <= set(families)
    assert body.count(b"# TYPE scp_m3ua_messages_total ") == 1
    assert len(families["scp_m3ua_messages"].samples) == 3 * 2 * len(label_values.MESSAGE_TYPES)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"HEAD /metrics HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 80_000, b"400"),
    ],
)
def test_other_requests(request_: bytes, status: bytes) -> None:
    ((head, body),) = served(request_)
    assert head.split(b" ")[1] == status
    assert not (request_.startswith(b"HEAD") and body)


def test_a_scraper_that_has_sent_all_is_answered() -> None:
    async def main() -> tuple[bytes, bytes]:
        server = MetricsServer("127.0.0.1", 0, [metrics(), *process_collectors()])
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE)).partition(b"\r\n\r\n")
        writer.close()
        await server.close()
        return head, body

    head, body = asyncio.run(main())
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: %d" % len(body) in head


def test_a_client_that_goes_or_says_nothing_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scp.telemetry.server.TIMEOUT", 0.05)

    async def main() -> None:
        server = MetricsServer("127.0.0.1", 0, [metrics()])
        await server.start()
        reader, silent = await asyncio.open_connection("127.0.0.1", server.port)
        _, gone = await asyncio.open_connection("127.0.0.1", server.port)
        gone.write(b"GET /met")
        gone.transport.abort()
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        silent.close()
        monkeypatch.undo()  # a scrape on a busy machine may take longer than that
        head, _ = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in head
        await server.close()

    asyncio.run(main())


def test_connections_that_say_nothing_make_room_for_a_scrape() -> None:
    async def main() -> None:
        server = MetricsServer("127.0.0.1", 0, [metrics()])
        await server.start()
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3 * MAX_CONNECTIONS)]
        head, _ = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in head
        for reader, writer in silent[:MAX_CONNECTIONS]:  # the oldest were hung up on
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            writer.close()
        for _, writer in silent:
            writer.close()
        await server.close()

    asyncio.run(main())


def test_calls_go_on_between_the_pieces_of_a_scrape() -> None:
    async def main() -> int:
        subject = Metrics(["s"], [f"peer-{number}" for number in range(20)])
        server = MetricsServer("127.0.0.1", 0, [subject])
        await server.start()
        scrape = asyncio.create_task(ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
        turns = 0
        while not scrape.done():
            await asyncio.sleep(0)
            turns += 1
        await server.close()
        return turns

    assert asyncio.run(main()) > 20


def test_loop_lag_is_seen() -> None:
    async def main() -> list[float]:
        import time

        lags: list[float] = []
        task = asyncio.create_task(watch_loop(lags.append, 0.01))
        await asyncio.sleep(0.005)
        time.sleep(0.06)  # noqa: ASYNC251 - a stalled loop is what is to be seen
        await asyncio.sleep(0.02)
        task.cancel()
        return lags

    lags = asyncio.run(main())
    assert 0.03 < max(lags) < 5
    assert min(lags) >= 0
