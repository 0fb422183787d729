"""One Kamailio, one brain and one node for all tests that need no others; and that they have nothing to complain of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from voip_lab import PASSWORD, Lab, free_ports

from scp import client

ALICE, BOB, CAROL, DAVE = "11234567", "46701234567", "46701234568", "46701234569"
DEVICES = {ALICE: ["alice-phone", "alice-tablet"], BOB: ["bob-phone"], CAROL: ["carol-phone"]}
MORE = f"""
[[identities]]
msisdn = "{DAVE}"
shared = ["46812345"]
mobile = "parallel"
[[devices]]
id = "dave-phone"
identities = ["{DAVE}", "{ALICE}"]
password = "{PASSWORD}"
"""


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("voip")
    tls, ws = free_ports(2)
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=voip.example",
        "-days",
        "2",
    ]
    subprocess.run(
        [*command, "-keyout", folder / "k.pem", "-out", folder / "c.pem"], check=True, capture_output=True
    )
    made = Lab(
        folder,
        dict(DEVICES),
        ring=1,
        listen=f', "tls:127.0.0.1:{tls}", "ws:127.0.0.1:{ws}"',
        sip_more=f'tls_certificate = "{folder / "c.pem"}"\ntls_key = "{folder / "k.pem"}"',
    )
    made.tls, made.ws = tls, ws
    made.extra = MORE
    made.write()
    with made.running() as running:
        for msisdn in DEVICES:
            running.api.send(client.authorize(msisdn))
        yield running
