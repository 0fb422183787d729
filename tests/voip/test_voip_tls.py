"""The VoIP service's API over TLS: who has no certificate of ``client_ca`` gets no answer."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from scp.config import HostPort, Tls
from scp.voip.api.app import serve_api
from scp.voip.config_api import Api

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
OF_NOBODY: Any = None
"""In place of brain, accounts and inbox, which `/healthz` does not ask."""


def certificate(folder: Path, name: str) -> Tls:
    """A self-signed certificate, which is its own CA."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", f"{name}.key")
    about = ("-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", *key, *about, "-out", f"{name}.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Tls(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))


def alive(url: str, server: Tls, client: Tls | None) -> int:
    trusting = ssl.create_default_context(cafile=server.certificate)
    if client is not None:
        trusting.load_cert_chain(client.certificate, client.key)
    return httpx.get(f"{url}/healthz", verify=trusting, trust_env=False, timeout=60).status_code


def test_a_client_without_a_certificate_of_client_ca_gets_no_answer(tmp_path: Path) -> None:
    server, client, stranger = (certificate(tmp_path, name) for name in ("server", "client", "stranger"))
    config = Api(
        HostPort("127.0.0.1", 0), tls=Tls(server.certificate, server.key, client_ca=client.certificate)
    )

    async def run() -> None:
        api = await serve_api(config, OF_NOBODY, OF_NOBODY, OF_NOBODY)
        try:
            assert await asyncio.to_thread(alive, api.url, server, client) == 200
            for other in (None, stranger):
                with pytest.raises(httpx.TransportError):
                    await asyncio.to_thread(alive, api.url, server, other)
        finally:
            await api.close()

    asyncio.run(run())
