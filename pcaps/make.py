"""Makes the captures in this folder, and the manifest of what a reader has to find in each.

``python pcaps/make.py`` writes the files; with ``--check`` it leaves with 1 if they are not what it would write.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import calls
import mobility
import smpp
import transports
from scene import SUBSCRIBERS, Made, Scene

import messages
from scp.capture.write import PcapNgWriter

HERE = Path(__file__).parent

CAPTURES: tuple[Callable[[Scene], None], ...] = (
    calls.cap1_continue,
    calls.cap1_context,
    calls.cap2_steered,
    calls.cap2_at_home,
    calls.cap2_originating,
    calls.cap2_emergency,
    calls.cap3_forwarded,
    calls.cap4_steered,
    calls.unknown_service_key,
    calls.unknown_context,
    calls.released,
    calls.unanswered,
    calls.busy,
    calls.charged_v2,
    calls.charged_v4,
    calls.segmented,
    transports.transport,
    transports.translated,
    transports.vlan,
    transports.ipv6,
    transports.udp,
    calls.mistyped,
    calls.malformed,
    transports.sll,
    transports.sll2,
    transports.fragmented,
    transports.association,
    transports.interleaving,
    transports.tcp,
    transports.m2ua,
    transports.m2pa,
    mobility.map_locate,
    mobility.map_silent,
    mobility.map_refused,
    mobility.map_mobility,
    mobility.map_subscription,
    mobility.map_routing,
    mobility.map_message,
    mobility.map_segmented,
    mobility.map_others,
    messages.cap3_messages,
    messages.cap4_messages,
    messages.cap3_paid_messages,
    messages.cap4_paid_messages,
    smpp.smpp_messages,
)


def made(make: Callable[[Scene], None]) -> tuple[str, bytes, Made]:
    """Return a capture's file name, its octets and its entry in the manifest."""
    scene = Scene(make.__name__)
    make(scene)
    stream = io.BytesIO()
    title = " ".join((make.__doc__ or "").split())
    writer = PcapNgWriter(stream, "camel-scp pcaps/make.py", title, link=scene.link)
    for at, packet, note in scene.packets:
        writer.write(at, packet, note)
    name = make.__name__.replace("_", "-") + ".pcapng"
    entry = {"file": name, "shows": title, "packets": len(scene.packets), "messages": scene.messages}
    more = {"faults": scene.faults, "pdus": scene.pdus}
    return name, stream.getvalue(), entry | {key: value for key, value in more.items() if value}


def main(*, check: bool) -> int:
    stale = []
    entries = []
    for make in CAPTURES:
        name, octets, entry = made(make)
        entries.append(entry)
        stale += store(HERE / name, octets, check=check)
    manifest = {
        "origin": "made by pcaps/make.py; no message is from a live network",
        "subscribers": [
            {"msisdn": each.msisdn, "aor": each.aor, "when": str(each.when)} for each in SUBSCRIBERS.values()
        ],
        "captures": entries,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    stale += store(HERE / "manifest.json", text.encode(), check=check)
    for name in stale:
        print(f"{name} is not what make.py writes")
    return 1 if stale else 0


def store(path: Path, octets: bytes, *, check: bool) -> list[str]:
    """Write a file, or return its name if it is not what it should be."""
    if not check:
        path.write_bytes(octets)
        return []
    return [] if path.exists() and path.read_bytes() == octets else [path.name]


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
