"""Checks the files of ``[api.tls]`` before anything listens: a fault names its key and its file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from scp.config import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scp.config import Tls


def tls_faults(tls: Tls) -> Iterator[Fault]:
    """Yield what is wrong with the files; paths are relative to ``[api.tls]``."""
    files = {"certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca}
    unreadable = [
        fault for name, file in files.items() if file is not None for fault in _unreadable(name, file)
    ]
    if unreadable:
        yield from unreadable
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key under a passphrase would have the terminal asked for it, which a service has none of.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except ssl.SSLError as error:
        yield Fault("certificate", f"{tls.certificate} with the key {tls.key}: {_reason(error)}")
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            yield Fault("client_ca", f"{tls.client_ca}: {_reason(error)}")


def _unreadable(name: str, file: str) -> Iterator[Fault]:
    try:
        with Path(file).open("rb"):
            pass
    except OSError as error:
        yield Fault(name, f"{file}: {error.strerror}")


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's word for it, "NO_START_LINE", in words; it has none for some."""
    return (error.reason or "not usable").replace("_", " ").lower()
