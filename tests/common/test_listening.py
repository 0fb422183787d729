"""What an operator reads where an HTTP address can't be listened on."""

from __future__ import annotations

import pytest

from scp.common.http_server import listen


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="port") as wrong:
            listen("127.0.0.1", port)
    assert str(wrong.value) == f"127.0.0.1 port {port}: address already in use"


def test_an_address_of_another_host_is_said_in_words() -> None:
    with pytest.raises(OSError, match="port") as wrong:
        listen("192.0.2.1", 8080)
    assert str(wrong.value) == "192.0.2.1 port 8080: cannot assign requested address"
