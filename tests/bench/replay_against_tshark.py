"""How fast a capture is replayed, beside how fast tshark decodes it: same file, same run, one after the other.

    python tests/bench/replay_against_tshark.py [DIALOGUES]

Both are measured by the processor time they take, start included, so that a busy machine does not decide. Leaves with 1 if
the replay decides less than twice as many messages a second. Meant for compiled code: ``PYTHONPATH=build/compiled``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from capture_generator import generate, number

import ss7.ber

FIELDS = (
    "frame.number", "tcap.otid", "tcap.dtid", "camel.local", "camel.serviceKey",
    "e164.called_party_number.digits", "e164.calling_party_number.digits",
)  # fmt: skip
WANTED = 2.0
CONFIG = """
[node]
point_code = 185
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
local = ["127.0.0.1"]
[numbering]
country_code = "46"
home_vlr = ["4670"]
[services.voip-forwarding]
service_keys = [100]
prefix = "99"
"""


def seconds_of(command: list[str], folder: str) -> float:
    """Return the processor seconds that a command took. It runs in a folder without packages that Python would find."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(command, stdout=nowhere, stderr=nowhere, check=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(dialogues: int) -> int:
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as folder:
        capture, config, store = (Path(folder, name) for name in ("bench.pcap", "scp.toml", "store.ndjson"))
        with capture.open("wb") as file:
            generate(file, dialogues)
        config.write_text(CONFIG, encoding="utf-8")
        with store.open("w", encoding="utf-8") as file:
            for index in range(1, min(dialogues, 100_000), 2):
                record = {
                    "msisdn": number(index),
                    "authorized": True,
                    "aor": "sip:b@voip.example",
                    "forwarding": True,
                }
                file.write(json.dumps(record) + "\n")
        wanted = [word for field in FIELDS for word in ("-e", field)]
        theirs = seconds_of(["tshark", "-n", "-r", str(capture), "-T", "fields", *wanted], folder)
        command = [
            sys.executable,
            "-m",
            "scp.cli",
            "replay",
            str(capture),
            "-c",
            str(config),
            "--store",
            str(store),
        ]
        ours = seconds_of(command, folder)
    messages = 2 * dialogues
    result = {
        "messages": messages,
        "compiled": not ss7.ber.__file__.endswith(".py"),
        "replay_messages_per_cpu_second": round(messages / ours),
        "tshark_messages_per_cpu_second": round(messages / theirs),
        "ratio": round(theirs / ours, 2),
    }
    print(json.dumps(result))
    return 0 if result["ratio"] >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
