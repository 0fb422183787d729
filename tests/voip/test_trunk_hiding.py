"""What trunks see: none of the addresses of devices."""

from __future__ import annotations

from pathlib import Path

import pytest
from sip_tshark import complaints
from voip_lab import DOMAIN, PASSWORD, Lab, Sipp, free_tcp_port, header, unavailable

from oracles import tshark

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE, BOB = "11234567", "46701234567"
DEVICE = "127.0.0.20"


def heads(sipp: Sipp) -> str:
    """All that it has received, but for the bodies: media go from end to end."""
    return "\n".join(one.partition(b"\r\n\r\n")[0].decode() for one in sipp.octets())


def test_a_device_that_calls_out_is_not_seen(shared_lab: Lab) -> None:
    lab = shared_lab
    gateway = lab.gateway("answers")
    calls = Sipp(
        lab,
        "device_calls",
        DEVICE,
        free_tcp_port(),
        service="0709999999",
        caller=f"+{BOB}",
        domain=DOMAIN,
        au="bob-phone",
        ap=PASSWORD,
        privacy="none",
    )
    for each in (calls, gateway):
        each.ended()
    seen = heads(gateway)
    assert [len(gateway.received(f"{each} sip:")) for each in ("INVITE", "BYE")] == [1, 1]
    assert DEVICE not in seen
    assert header(gateway.received("INVITE")[0], "P-Asserted-Identity") == [f"<sip:+{BOB}@voip.example>"]


def test_a_device_that_is_called_is_not_seen(shared_lab: Lab) -> None:
    lab = shared_lab
    port = free_tcp_port()
    lab.register("alice-phone", ALICE, port, host=DEVICE).ended()
    phone = Sipp(lab, "answers", DEVICE, port).listening(DEVICE)
    calls = lab.gateway_calls("990011234567")
    for each in (calls, phone):
        each.ended()
    seen = heads(calls)
    assert "SIP/2.0 200 OK" in seen
    assert DEVICE not in seen
    assert "127.0.0.10" in heads(phone), "devices see what was sent"
    lab.register("alice-phone", ALICE, port, expires=0, host=DEVICE).ended()


@pytest.mark.skipif(bool(tshark.available()), reason=tshark.available())
def test_tshark_finds_what_is_wrong(tmp_path: Path, shared_lab: Lab) -> None:
    whole = shared_lab.register("bob-phone", BOB, 9, expires=0).ended().octets()[-2:]
    assert len(whole) == 2
    broken = whole[0].replace(b"Call-ID:", b"Call-ID")
    found = complaints([*whole, broken, b"SIP/3.0 \0"], tmp_path)
    assert [line.split("\t")[0] for line in found] == ["3", "4"]
