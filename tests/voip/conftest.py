"""One Kamailio, one brain and one node for all tests that need no others; and that they have nothing to complain of."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from text_lab import SmscThread
from text_lab import smsc as an_smsc
from voip_lab import PASSWORD, Lab, free_ports

from oracles import redis_lab
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
CLIENTS = """
[api]
listen = "127.0.0.1:{port}"
rate = 1000.0
burst = 1000
[[api.keys]]
name = "operator"
sha256 = "{operator}"
scopes = ["operator"]
[[api.keys]]
name = "gateway"
sha256 = "{trunk}"
scopes = ["trunk"]
[[api.keys]]
name = "former"
sha256 = "{former}"
scopes = ["operator", "trunk"]
until = "2020-01-01"
[admission]
dids = ["46850000001", "46850000002", "46850000003", "46850000004", "46850000005"]
[one_time]
numbers = ["46810000000-46810000099"]
[messages.smpp]
addresses = ["127.0.0.1:{smsc}"]
system_id = "voip"
"""


@pytest.fixture(scope="session", params=["sqlite", "single", "sentinel", "cluster"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[redis_lab.Lab | None]:
    """Redis servers for all tests of a store; None: a file."""
    if request.param == "sqlite":
        yield None
        return
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    with getattr(redis_lab, request.param)(tmp_path_factory.mktemp(request.param)) as lab:
        yield lab


@pytest.fixture
def url(servers: redis_lab.Lab | None, tmp_path: Path) -> str:
    """Of an empty store."""
    if servers is None:
        return f"sqlite:{tmp_path / 'voip.db'}"
    for each in servers.servers:
        with contextlib.suppress(redis.exceptions.ReadOnlyError):  # a replica
            each.client().flushall()
    return servers.url


@pytest.fixture(scope="session")
def smsc() -> Iterator[SmscThread]:
    with an_smsc() as made:
        yield made


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, smsc: SmscThread) -> Iterator[Lab]:
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
        density=400,
        listen=f', "tls:127.0.0.1:{tls}", "ws:127.0.0.1:{ws}"',
        sip_more=f'tls_certificate = "{folder / "c.pem"}"\ntls_key = "{folder / "k.pem"}"\nhide_key = "a-key-of-tests"',
    )
    made.tls, made.ws = tls, ws
    (made.http_port,) = free_ports(1)
    tokens = {
        name: hashlib.sha256(f"{name}-token".encode()).hexdigest() for name in ("operator", "trunk", "former")
    }
    made.extra = CLIENTS.format(port=made.http_port, smsc=smsc.port, **tokens) + MORE
    made.node.extra += (
        f'[api.voip]\nurl = "{made.url}"\ntoken = "operator-token"\n'  # the node's console asks it
    )
    made.write()
    with made.running() as running:
        for msisdn in DEVICES:
            running.api.send(client.authorize(msisdn))
        yield running
    assert made.malformed() == [], "of what Kamailio has sent in all these tests"


@pytest.fixture(scope="module")
def lab(shared_lab: Lab) -> Iterator[Lab]:
    shared_lab.troubles()
    yield shared_lab
    assert shared_lab.troubles() == []


@pytest.fixture
def phone(lab: Lab) -> Iterator[int]:
    """Where Alice's phone is called."""
    port = lab.bound("alice-phone", ALICE)
    lab.wait_said("bindings", number=ALICE, count=1)
    yield port
    lab.unbind("alice-phone", ALICE, port)
