"""Real programs beside the node: starts them, waits until they answer, ends them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oracles.waiting import wait_until

IPPROTO_SCTP: Final = 132


# Ports for what is told its port before it listens. They are below those that Linux gives to connections and to
# whoever asks for port 0, so that none of these takes one in between; a Redis of a cluster has its port + 10,000 too.
_FIRST, _LAST, _BLOCK = 10_000, 20_000, 50
_locks: list[socket.socket] = []
_left: Iterator[int] = iter(())


def free_tcp_port() -> int:
    """Return a port that nobody has, of TCP or UDP and on any address, and that no other test is given."""
    global _left
    while True:
        for port in _left:
            if _nobody_has(port, socket.SOCK_STREAM) and _nobody_has(port, socket.SOCK_DGRAM):
                return port
        _left = iter(_block())


def _block() -> range:
    """Ports for this process alone: an abstract address, Linux's own, is bound for as long as it lives."""
    blocks = range(_FIRST, _LAST, _BLOCK)
    start = os.getpid() % len(blocks)
    for first in [*blocks[start:], *blocks[:start]]:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0ports of a test from {first}")
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return range(first, first + _BLOCK)
    raise AssertionError("tests have taken all ports")


def _nobody_has(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return so many ports, all different."""
    return [free_tcp_port() for _ in range(count)]


def kernel_has_sctp() -> bool:
    """Whether this kernel makes SCTP sockets."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


def answers_tcp(port: int) -> bool:
    """Whether somebody accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program from when it is ready to the end of the block; its output goes to ``log``."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            wait_until(lambda: ready() or process.poll() is not None)
            assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')}"
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """Run a Redis with no data and no persistence, and give its URL."""
    port = free_tcp_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running([*command, *options], lambda: answers_tcp(port), folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"


STP_CONFIG: Final = """\
log stderr
 logging filter all 1
 logging level all notice
line vty
 no login
cs7 instance 0
 point-code 0.23.7
 xua rkm routing-key-allocation dynamic-permitted
 listen m3ua 2905
{addresses}
  accept-asp-connections dynamic-permitted
"""


STP_VTY_PORT: Final = 4239  # osmo-stp 1.6 binds no other: one at a time on a machine


@dataclass(frozen=True)
class Stp:
    """A running osmo-stp on 127.0.0.1: SCTP port of its M3UA, TCP port of its VTY, its log."""

    log: Path
    port: int = 2905
    vty: int = STP_VTY_PORT


def stp_unavailable() -> str:
    """Return "" if osmo-stp can run here, else why not.

    Debian 12's osmo-stp (1.6.0) listens for M3UA on SCTP only; there is no option for TCP.
    """
    if not shutil.which("osmo-stp"):
        return "osmo-stp is not installed"
    return "" if kernel_has_sctp() else "this kernel has no SCTP (tests/lab runs such tests in one that has)"


@contextlib.contextmanager
def osmo_stp(folder: Path, extra: str = "", addresses: tuple[str, ...] = ("127.0.0.1",)) -> Iterator[Stp]:
    """Run osmo-stp; it takes any ASP, and routing keys by registration (RFC 4666 §3.6).

    Args:
        folder: for its configuration and log.
        extra: further lines of configuration, inside ``cs7 instance 0``.
        addresses: of its associations.
    """
    stp = Stp(folder / "osmo-stp.log")
    config = folder / "osmo-stp.cfg"
    own = "\n".join(f"  local-ip {address}" for address in addresses)
    config.write_text(STP_CONFIG.format(addresses=own) + extra, encoding="utf-8")
    # M3UA's listener is configured before the VTY listens: when that answers, both are there
    with running(["osmo-stp", "-c", str(config)], lambda: answers_tcp(stp.vty), stp.log):
        yield stp
