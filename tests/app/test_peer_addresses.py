"""Why a peer's addresses can't be used, in words, with what to do."""

from __future__ import annotations

import errno
import socket

import pytest

from scp.app.links import why_not
from scp.config import Peer

HERE = Peer(name="a", local=("127.0.0.1", "127.0.0.2"), port=2906)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EADDRINUSE, "[Errno 98] …"),
            "address already in use; another program has it (ss -lntup",
        ),
        (OSError(errno.EADDRNOTAVAIL, "x"), "cannot assign requested address; this machine does not have it"),
        (PermissionError(errno.EACCES, "x"), "permission denied; a port below 1024 needs"),
        (OSError(errno.ENETDOWN, "x"), "network is down"),
    ],
)
def test_what_the_system_says(error: OSError, said: str) -> None:
    words = why_not(HERE, error)
    assert words.startswith(f"127.0.0.1, 127.0.0.2 port 2906: {said}"), words
    assert "Errno" not in words


def test_a_name_that_nothing_resolves_is_named() -> None:
    words = why_not(Peer(name="a", remote=("stp.invalid",)), socket.gaierror(-2, "Name or service not known"))
    assert words.startswith("stp.invalid: name or service not known; ")
    assert why_not(HERE, OSError("as we said")) == "as we said"
