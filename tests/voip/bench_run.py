"""``make bench-voip``: marked calls through one Kamailio and one brain, beside Kamailio with a static route.

Each is given calls at the same rate for some seconds; what is measured is the processor time of each program, which
other work on the machine does not change by much. Calls a second and core are what the busier one of Kamailio and
brain comes to.

The static route does what every SIP proxy that stays in the path of a call has to do (max-forwards, record-route,
tm with its timers, loose routing of what follows) and no more: it reads no body, keeps no dialog, looks nobody up,
asks and tells nobody. It runs once with the memory manager that ours has (TLSF), and once with Debian's own choice.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from voip_lab import DEVICE, GATEWAY, SCENARIOS, Lab, free_tcp_port

from scp import client
from scp.domain.numbers import Numbering
from scp.voip.decision import Call, Rules, decide
from scp.voip.directory import Device, Directory, Identity
from scp.voip.reason import Reason

NUMBERS = [f"112345{number:02}" for number in range(20)]
"""Subscribers that are called in turn: one alone would have hundreds of calls at a time."""
WARM = 12
"""Seconds of calls before those that are measured: after them the brain knows that nobody looks at the console."""
RATE = int(sys.argv[1]) if len(sys.argv) > 1 else 200
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
LEDGER = """
[charging]
[[charging.tariffs]]
prefix = ""
price = 60
per_seconds = 60
increment_seconds = 1
"""
STATIC = """\
debug=0
log_stderror=yes
children=2
listen=udp:127.0.0.1:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
request_route {{
	if (!mf_process_maxfwd_header("10")) {{ exit; }}
	if (has_totag()) {{
		if (loose_route()) {{ t_relay(); }}
		exit;
	}}
	record_route();
	$ru = "sip:alice-phone@127.0.0.1:{phone}";
	t_relay();
}}
"""


def cpu(pid: int) -> float:
    """Seconds of processor time of a process and its children, so far."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if pid in (int(stat.parent.name), int(fields[1])):
                found += int(fields[11]) + int(fields[12])
    return found / os.sysconf("SC_CLK_TCK")


def load(folder: Path, port: int, phone: int, seconds: int) -> None:
    """Play calls; ends with `SystemExit` if one of them went wrong."""
    calls = RATE * seconds
    (folder / "numbers.csv").write_text("SEQUENTIAL\n" + "".join(f"9900{one}\n" for one in NUMBERS))
    scenario = (SCENARIOS / "gateway_calls.xml").read_text().replace("[service]", "[field0]")
    (folder / "gateway_calls.xml").write_text(scenario)
    common = ["-nostdin", "-m", str(calls), "-timeout", str(seconds + 40)]
    answers = ["sipp", f"{DEVICE}:{port}", "-sf", str(SCENARIOS / "answers.xml"), *common]
    answers += ["-i", DEVICE, "-p", str(phone), "-d", "50"]
    sends = ["sipp", f"{DEVICE}:{port}", "-sf", "gateway_calls.xml", "-inf", "numbers.csv", *common]
    sends += ["-i", GATEWAY, "-p", str(free_tcp_port()), "-d", "500", "-r", str(RATE)]
    sends += ["-key", "caller", "46700000009", "-key", "reference", "none"]
    output = subprocess.DEVNULL
    with subprocess.Popen(answers, stdout=output, stderr=output, cwd=folder) as device:
        status = subprocess.run(sends, stdout=output, stderr=output, cwd=folder, check=False).returncode
        device.terminate()
    if status:
        raise SystemExit(f"calls went wrong: sipp ended with {status}; a lower rate?")


def measured(folder: Path, port: int, phone: int, *pids: int) -> list[float]:
    """Play calls; return the microseconds a call that each program took."""
    load(folder, port, phone, WARM)
    before = [cpu(pid) for pid in pids]
    load(folder, port, phone, SECONDS)
    time.sleep(1)  # for what is settled after the last call
    return [1e6 * (cpu(pid) - was) / (RATE * SECONDS) for pid, was in zip(pids, before, strict=True)]


@contextlib.contextmanager
def static(folder: Path, port: int, phone: int, options: list[str]) -> Iterator[int]:
    (folder / "static.cfg").write_text(STATIC.format(port=port, phone=phone))
    command = [
        "kamailio",
        "-DD",
        "-E",
        *options,
        "-m",
        "64",
        "-f",
        str(folder / "static.cfg"),
        "-Y",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(1)
        try:
            yield process.pid
        finally:
            process.terminate()


def service(folder: Path, charged: bool) -> list[float]:
    """Microseconds a call of Kamailio, of the brain and of the node."""
    lab = Lab(folder, {number: [f"phone-{number}"] for number in NUMBERS}, ring=20)
    lab.node.settings["log_level"] = "info"
    lab.node.write(LEDGER if charged else "")
    text = lab.node.file.read_text().replace("[[api.keys]]", "rate = 100000\nburst = 100000\n[[api.keys]]", 1)
    lab.node.file.write_text(text)
    lab.extra = "[charging]\nminutes = 5\n" if charged else ""
    lab.write()
    lab.toml.write_text(lab.toml.read_text().replace('log_level = "debug"', 'log_level = "info"'))
    with lab.running():
        phone = free_tcp_port()
        for number in NUMBERS:
            lab.api.send(client.authorize(number))
            if charged:
                lab.api.send(client.credit(number, "payment", 10**9))
            lab.register(f"phone-{number}", number, phone).ended()
        assert lab.kamailio is not None
        assert lab.brain is not None
        assert lab.node.process is not None
        spent = measured(folder, lab.sip, phone, lab.kamailio.pid, lab.brain.pid, lab.node.process.pid)
        calls = RATE * (WARM + SECONDS)
        away = lab.metric('scp_voip_calls_total{reason="rings-devices"}')
        if away < 0.99 * calls:
            print(f"  only {away:.0f} of {calls} calls were decided by the brain")
        for each in lab.troubles()[:5]:
            print(f"  in a log: {each}")
    return spent


def alone(options: list[str]) -> float:
    """Microseconds a call of a Kamailio that has one route, to the phone's address."""
    with tempfile.TemporaryDirectory() as name:
        phone, port = free_tcp_port(), free_tcp_port()
        with static(Path(name), port, phone, options) as pid:
            return measured(Path(name), port, phone, pid)[0]


def decision_alone() -> float:
    """Microseconds of a marked call's decision among 100,000 identities: of the quickest batch."""
    directory = Directory()
    for number in range(100_000):
        msisdn = f"4670{number:07}"
        directory.put_identity(Identity(msisdn))
        directory.put_device(Device(f"phone-{number}", "0" * 32, (msisdn,)))
        directory.bind(msisdn, 1)
    rules = Rules("voip.example", Numbering(country_code="46"), gateway="192.0.2.5:5060")
    calls = [
        Call(f"99004670{number * 7919 % 100_000:07}", "46700000009", "gateway") for number in range(2000)
    ]
    quickest = float("inf")
    for _ in range(50):
        began = time.process_time()
        reasons = {decide(call, directory, rules).reason for call in calls}
        quickest = min(quickest, time.process_time() - began)
        assert reasons == {Reason.RINGS_DEVICES}
    return 1e6 * quickest / len(calls)


def main() -> None:
    print(f"decision alone, among 100,000 identities: {decision_alone():.1f} µs")
    print(f"{RATE} calls/s for {SECONDS} s, each answered and ended; µs of processor time a call")
    ours, usual = (alone(options) for options in (["-x", "tlsf"], []))
    for plain, words in ((ours, "started as ours"), (usual, "as Debian does ")):
        print(
            f"Kamailio, static route, {words} {plain:5.0f}                            "
            f"{1e6 / plain:6.0f} calls/s a core"
        )
    for charged in (False, True):
        with tempfile.TemporaryDirectory() as name:
            kamailio, brain, node = service(Path(name), charged)
        rate = 1e6 / max(kamailio, brain)
        words = "with charging   " if charged else "without charging"
        print(
            f"marked calls, {words} {kamailio:6.0f}, brain {brain:6.0f}, node {node:6.0f} {rate:6.0f} calls/s a core,"
            f" ratio {rate * ours / 1e6:.2f} to the first, {rate * usual / 1e6:.2f} to the second"
        )


if __name__ == "__main__":
    main()
