"""TLS and client certificates, by configuration; files that are none are named before anything listens."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from api_node import OPERATOR, served

from scp.client import Client, TransportError, authorize
from scp.config import Tls

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
NUMBER = "46701234567"


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server that it vouches for, a client that it vouches for, and a client that nobody does."""
    directory = tmp_path_factory.mktemp("tls")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2")
    for name in ("ca", "stranger"):
        openssl(
            directory,
            *(
                "req",
                "-x509",
                *new_key,
                "-keyout",
                f"{name}.key",
                "-out",
                f"{name}.pem",
                "-subj",
                f"/CN={name}",
            ),
        )
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        request = ("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(directory, "req", *new_key[:5], *request)
        issuer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *issuer)
    return directory


def trusting(certificates: Path, name: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def test_over_tls(tmp_path: Path, certificates: Path) -> None:
    tls = Tls(str(certificates / "server.pem"), str(certificates / "server.key"))
    with served(tmp_path, tls=tls) as node:
        assert node.url.startswith("https://")
        with Client(node.url, OPERATOR, verify=trusting(certificates)) as client:
            assert client.send(authorize(NUMBER)).msisdn == NUMBER
        with Client(node.url, OPERATOR) as distrusting, pytest.raises(TransportError):
            distrusting.send(authorize(NUMBER))
        clear = node.url.replace("https", "http")
        with Client(clear, OPERATOR) as clear_client, pytest.raises(TransportError):
            clear_client.send(authorize(NUMBER))


def test_with_client_certificates(tmp_path: Path, certificates: Path) -> None:
    tls = Tls(
        str(certificates / "server.pem"), str(certificates / "server.key"), str(certificates / "ca.pem")
    )
    with served(tmp_path, tls=tls) as node:
        with Client(node.url, OPERATOR, verify=trusting(certificates, "client")) as client:
            client.send(authorize(NUMBER))
        for name in ("", "stranger"):
            verify = trusting(certificates, name)
            with Client(node.url, OPERATOR, verify=verify) as client, pytest.raises(TransportError):
                client.send(authorize(NUMBER, "240010123456789"))
        found = node.find(NUMBER)
        assert found is not None
        assert found.imsi is None


@pytest.mark.parametrize("wrong", ["missing.pem", "server.key"])
def test_a_certificate_that_is_none(tmp_path: Path, certificates: Path, wrong: str) -> None:
    tls = Tls(str(certificates / wrong), str(certificates / "server.key"))
    with pytest.raises(OSError), served(tmp_path, tls=tls):
        pass
