"""The benchmark itself, in seconds: real processes, few subscribers, every answer checked."""

import json
import os
import shutil
import subprocess
import sys
from mmap import mmap
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from scp.bench import benchmark, commands, results, scenarios
from scp.bench.answers import backward
from scp.bench.codec import codec_times
from scp.bench.load import LoadReport
from scp.bench.machine import busy_seconds, cpu_seconds, describe, go_first, private, resident
from scp.bench.parts import BATCH, Rig, _Canned, _OneRecord, part_times
from scp.bench.plot import plot
from scp.bench.results import Tally, latency
from scp.bench.scenarios import calls, subscriber
from scp.bench.server import ServerError, node
from scp.cli import app
from scp.engine.signalling import AT_ONCE
from scp.simulator.expect import Action
from scp.telemetry.null import NullTelemetry
from ss7.tcap import END

TINY = scenarios.Size(
    subscribers=50,
    numbers=40,
    rounds=1,
    seconds=0.2,
    latency_seconds=0.2,
    codec_seconds=0.0,
    dialogues=30,
    replayed=200,
    soaked=2_000,
)
REDIS = ("steer", "steer-cached") if shutil.which("redis-server") else ()
LATENCY = results.Latency(
    rate=50.0, p50_ms=0.1, p99_ms=0.2, p999_ms=0.3, due_p99_ms=1.2, late_p99_ms=1.1, worst_p99_ms=0.4
)
RESULT = results.Result(
    saturation=results.Saturation(
        calls_per_s=100.0,
        cpu_us_per_call=8.0,
        node_busy=0.9,
        elsewhere_busy=0.1,
        generator_busy=0.5,
        generator_us_per_call=4.0,
    ),
    half=LATENCY,
    most=LATENCY,
    memory_mib=30.0,
    bytes_per_subscriber=None,
    bytes_per_dialogue=None,
    calls=1000,
)


def test_a_run_measures_and_every_answer_is_right():
    told = []
    charged = ("held-charged",) if REDIS else ()
    names = (*REDIS, "steer-sqlite", "steer-recorded", "held", *charged, "echo")
    report = benchmark.run(names, TINY, told.append)
    assert "saturation, round 1 of 1" in told
    assert set(report.results) == set(names)
    assert report.codec == {}
    for result in report.results.values():
        assert result.faults == ()
        assert result.calls > 0
        assert result.saturation.calls_per_s > 0
        assert result.saturation.generator_us_per_call > 0
        assert 0 < result.half.p50_ms <= result.half.p99_ms <= result.half.p999_ms
        assert result.half.rate < result.most.rate < result.saturation.calls_per_s
        assert result.memory_mib > 5
    remembers = {name for name, result in report.results.items() if result.bytes_per_subscriber is not None}
    assert remembers == {"steer-sqlite", "steer-recorded", "held", *REDIS[1:]}
    held = {name for name, result in report.results.items() if result.bytes_per_dialogue is not None}
    assert held == {"held", *charged}
    assert {f"{name}/echo" for name in remembers | {*REDIS, *charged}} == set(results.ratios(report))


@pytest.mark.skipif(not REDIS, reason="redis-server is not installed")
def test_nodes_share_a_redis_and_all_of_them_work(tmp_path):
    found = benchmark.run(("scale",), TINY, lambda _: None)
    assert list(found.scale) == [1, 2, 3]
    assert found.faults == []
    for nodes, one in found.scale.items():
        assert len(one.nodes_busy) == nodes
        assert one.calls_per_s > 0
        assert one.redis_us_per_call < one.cpu_us_per_call
        assert 0 < one.machine_busy < 1.2


@pytest.mark.skipif(not REDIS, reason="redis-server is not installed")
def test_a_soak_looks_at_memory_after_every_tenth():
    told = []
    found = benchmark.run(("soak",), TINY, told.append)
    assert found.faults == []
    assert found.soak.calls == TINY.soaked + TINY.soaked // 50
    assert len(found.soak.memory_mib) == 11
    assert min(found.soak.memory_mib) > 5
    assert len([text for text in told if "tenths" in text]) == 11


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_a_replay_and_tshark_read_the_same_capture():
    found = benchmark.run(("replay",), TINY, lambda _: None).replay
    assert found.messages == 2 * TINY.replayed
    assert found.ratio == pytest.approx(found.messages_per_cpu_s / found.tshark_per_cpu_s, rel=0.05)


def test_without_tshark_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerError, match="tshark is not installed"):
        benchmark.run(("replay",), TINY, lambda _: None)


def test_where_nothing_is_chosen_a_missing_tshark_is_no_error(monkeypatch):
    asked = []

    def run(names, *_, realtime):
        assert realtime
        asked.append(names)
        return made_up()

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setenv("PATH", "/nowhere")
    assert CliRunner().invoke(app, ["bench"]).exit_code == 0
    assert asked == [[name for name in scenarios.ALL if name != "replay"]]


def loaded(p99, late):
    times = {"50": 100.0, "99": p99, "99.9": 2 * p99}
    return LoadReport(
        sent=1,
        answered=1,
        wrong={},
        missing=0,
        stray=0,
        seconds=1.0,
        calls_per_second=1.0,
        ended=0,
        latency_us={"99": p99 + late},
        since_sent_us=times,
        late_us={"99": late},
        most_outstanding=1,
        generator_cpu=0.1,
    )


def test_the_round_with_the_lowest_p99_counts_and_the_generators_lateness_is_told_apart():
    found = latency([loaded(9000.0, 10.0), loaded(2000.0, 500.0), loaded(4000.0, 20.0)], 50.0)
    assert (found.p99_ms, found.p999_ms, found.worst_p99_ms) == (2.0, 4.0, 9.0)
    assert (found.late_p99_ms, found.due_p99_ms) == (0.5, 2.5)


def test_records_that_were_dropped_are_a_fault():
    tally = Tally()
    tally.lost_records(0)
    assert tally.faults == ()
    tally.lost_records(1200)
    assert tally.faults == ("1,200 times without a CDR",)


def made_up(*faults):
    other = replace(RESULT, saturation=replace(RESULT.saturation, calls_per_s=25.0, cpu_us_per_call=16.0))
    return results.Report(
        machine=describe(),
        size=TINY,
        results={"steer": replace(RESULT, faults=faults), "reference": other, "echo": RESULT},
        codec=codec_times(0.0),
        parts=part_times(0.0),
        scale={
            nodes: results.Scaled(
                calls_per_s=90.0 * nodes,
                cpu_us_per_call=15.0,
                redis_us_per_call=3.0,
                generator_us_per_call=4.0,
                nodes_busy=(0.9,) * nodes,
                machine_busy=1.0,
            )
            for nodes in (1, 2)
        },
        replay=results.ReplaySpeed(messages=400, messages_per_cpu_s=90.0, tshark_per_cpu_s=30.0, ratio=3.0),
        soak=results.Soaked(
            calls=20, seconds=2.0, memory_mib=(30.0, 30.5), growth_bytes_per_call=0.25, faults=()
        ),
    )


def test_the_json_has_what_is_documented():
    shown = results.as_json(made_up())
    assert set(shown) == {"machine", "size", "scenarios", "ratios", "cpu_ratios"}
    assert shown["ratios"] == {
        "steer/reference": 4.0,
        "steer/echo": 1.0,
        "reference/echo": 0.25,
    }
    assert shown["cpu_ratios"] == {"steer/reference": 2.0, "steer/echo": 1.0, "reference/echo": 0.5}
    assert {"calls_per_s", "cpu_us_per_call", "p50_ms", "p99_ms"} <= set(shown["scenarios"]["steer"])
    assert set(shown["scenarios"]["steer"]["at_80"]) <= set(shown["scenarios"]["steer"])
    assert {"1", "2"} == set(shown["scenarios"]["scale"])
    assert {"replay", "soak"} <= set(shown["scenarios"])
    assert set(shown["scenarios"]["parts"]) == {"telemetry", "store", "service", "codec", "stack", "all"}
    assert set(shown["scenarios"]["codec"]["fast"]["decode"]) == {"m3ua", "sccp", "tcap", "cap", "all"}


@pytest.mark.parametrize(("faults", "status"), [((), 0), (("3 answers missing",), 1)])
def test_the_command_prints_it_and_fails_with_the_answers(monkeypatch, faults, status):
    asked = []

    def run(names, size, tell, *, realtime):
        asked.append((tuple(names), size))
        return made_up(*faults)

    monkeypatch.setattr(commands, "run", run)
    table = CliRunner().invoke(app, ["bench", "--quick", "echo"])
    assert table.exit_code == status
    shown = (
        *("steer/echo", "calls/s", "p99.9", "late", "decode cap", "encode m3ua"),
        *("share an AS", "90%, 90%", "a CPU second", "30.5", "0.250 octets", *faults),
    )
    for text in shown:
        assert text in table.output
    parsed = CliRunner().invoke(app, ["bench", "--json"])
    assert parsed.exit_code == status
    shown = json.loads(parsed.stdout)
    assert shown["scenarios"]["codec"]["reference"]["decode"]["all"] > 0
    assert asked == [(("echo",), scenarios.QUICK), (scenarios.ALL, scenarios.FULL)]


def test_the_plot_is_svg_with_every_scenario_and_longer_bars_for_faster_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "run", lambda *_, realtime: made_up())
    file = tmp_path / "calls.svg"
    assert CliRunner().invoke(app, ["bench", "--json", "--plot", str(file)]).exit_code == 0
    svg = ET.parse(file).getroot()
    shown = "".join(svg.itertext())
    for text in ("steer", "reference", "echo", "100", "a second"):
        assert text in shown
    drawn = replace(made_up(), results={"fast": with_speed(50_000.0), "slow": with_speed(900.0)})
    bars = ET.fromstring(plot(drawn)).iter("{http://www.w3.org/2000/svg}rect")
    fast, slow = (float(bar.get("width")) for bar in bars)
    assert fast > 2 * slow > 0


def with_speed(speed):
    return replace(RESULT, saturation=replace(RESULT.saturation, calls_per_s=speed))


def test_a_soak_of_so_many_calls_runs_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(
        commands,
        "run",
        lambda names, size, _, realtime: asked.append((names, size.soaked, realtime)) or made_up(),
    )
    assert CliRunner().invoke(app, ["bench", "--soak", "5000"]).exit_code == 0
    assert CliRunner().invoke(app, ["bench", "--soak", "7000", "--no-realtime"]).exit_code == 0
    assert asked == [(["soak"], 5000, True), (["soak"], 7000, False)]


def test_a_scenario_that_is_not_there_is_refused():
    result = CliRunner().invoke(app, ["bench", "stear"])
    assert result.exit_code == 2
    assert "stear" in result.output


def test_without_redis_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerError, match="redis-server is not installed"):
        benchmark.run(("steer",), TINY, lambda _: None)


def test_a_node_that_does_not_start_says_why(tmp_path):
    with (
        pytest.raises(ServerError, match=r"engine\.codec"),
        node(tmp_path, min(os.sched_getaffinity(0)), name="bad", store="sqlite::memory:", codec="slow"),
    ):
        pass


def test_the_call_path_without_a_socket_answers_every_call():
    rig = Rig(_Canned(), _OneRecord(), NullTelemetry())
    for _ in range(2):
        rig.run()
        answers = [backward(message) for _, message in rig.sink.sent]
        assert [answer.dtid for answer in answers] == [n.to_bytes(4, "big") for n in range(BATCH)]
        assert {answer.kind for answer in answers} == {END}


def test_answers_to_a_long_batch_leave_while_it_is_dealt_with():
    rig = Rig(_Canned(), _OneRecord(), NullTelemetry())
    writes = []
    rig.sink.send = lambda messages: writes.append(len(list(messages)))
    rig.batch = rig.batch * 2 + rig.batch[:10]
    rig.run()
    assert writes == [AT_ONCE] * (len(rig.batch) // AT_ONCE) + [10]


def test_half_of_the_subscribers_are_steered():
    drawn = calls(1000, 400, Random(1))
    steered = [call for call in drawn if call.expected.action is Action.CONNECT]
    assert 150 < len(steered) < 250
    for call in steered:
        assert call.expected.number == f"99{call.b_number}"
        assert subscriber(int(call.b_number[-3:])).forwarding
    assert [call.b_number[-3:] for call in calls(1000, 5, Random(1), first=998)] == ["998", "999"]
    assert {call.expected.action for call in calls(10, 50, Random(1), canned=True)} == {Action.CONTINUE}


def test_proc_is_read_right():
    machine = describe()
    assert machine.node_core in os.sched_getaffinity(0)
    times = os.times()
    used = times.user + times.system
    assert used - 0.05 <= cpu_seconds(os.getpid()) <= used + 1
    assert 1 << 20 < private(os.getpid()) < resident(os.getpid()) < 1 << 36
    before = private(os.getpid())
    with mmap(-1, 64 << 20) as shared:
        for page in range(0, 64 << 20, 4096):
            shared[page] = 1
        assert private(os.getpid()) - before < 16 << 20, "what is shared does not count"
    assert busy_seconds(machine.node_core) > 0
    assert busy_seconds(10_000) == 0


def test_who_goes_first_is_scheduled_before_ordinary_programs_with_its_threads():
    before = os.sched_getscheduler(0)
    realtime = describe().realtime
    assert os.sched_getscheduler(0) == before
    with subprocess.Popen([sys.executable, "-c", _TWO_THREADS], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            if realtime:
                go_first(process.pid)
            else:
                with pytest.raises(PermissionError):
                    go_first(process.pid)
            threads = [int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir()]
            expected = os.SCHED_RR if realtime else before
            assert [os.sched_getscheduler(each) for each in threads] == [expected] * 2
        finally:
            process.kill()


_TWO_THREADS = """
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_faults_that_differ_in_a_number_are_one():
    tally = Tally()
    one = LoadReport(
        sent=3,
        answered=2,
        wrong={"number none instead of 99467000001": 1, "number none instead of 99467000002": 1},
        missing=1,
        stray=0,
        seconds=1.0,
        calls_per_second=2.0,
        ended=0,
        latency_us={},
        since_sent_us={},
        most_outstanding=1,
        generator_cpu=0.1,
        trouble=("reset",),
    )
    tally.add(one)
    tally.add(one)
    assert tally.calls == 6
    assert tally.faults == ("4 times number none instead of …", "2 times missing", "reset")
