"""Real Redis servers in the three set-ups that the store knows, all on 127.0.0.1, with no data on disk."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from oracles.servers import free_tcp_port, running
from oracles.waiting import PATIENCE, wait_until

SERVICE = "scp"
_NEVER_MS = 600_000
"""Milliseconds of silence: no test is so long, and no machine so busy."""


@dataclass
class Server:
    """A redis-server that can be killed, stopped and started again on its port."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        command = ["redis-server", *self.options]
        if not (self.options and self.options[0].endswith(".conf")):
            command += [
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self.folder),
            ]
        self.process = self._stack.enter_context(running(command, self.answers, self.folder / "redis.log"))

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.ConnectionError:
            return False
        except redis.RedisError:
            return True  # it wants a password, say: it is there

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
        self._stack.close()


@dataclass
class Lab:
    """Servers and the URL that reaches them."""

    url: str
    servers: list[Server]
    sentinels: list[Server] = field(default_factory=list)

    def stop(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.stop()

    def give_up_soon(self, milliseconds: int = 400) -> None:
        """Have a master given up that is silent for so long: before, one that a busy machine holds up is none's."""
        for each in self.sentinels:
            each.client().execute_command("SENTINEL", "SET", SERVICE, "down-after-milliseconds", milliseconds)

    def master(self) -> Server:
        """The server that the sentinels' majority calls the master."""
        named = []
        for sentinel in self.sentinels:
            with contextlib.suppress(redis.RedisError, OSError):
                named.append(sentinel.client().sentinel_get_master_addr_by_name(SERVICE)[1])
        port = max(set(named), key=named.count)
        return next(server for server in self.servers if server.port == port)


@contextlib.contextmanager
def single(folder: Path, *options: str) -> Iterator[Lab]:
    """One server."""
    port = free_tcp_port()
    lab = Lab(f"redis://127.0.0.1:{port}/0", [Server(folder / "redis", port, options)])
    try:
        lab.servers[0].start()
        yield lab
    finally:
        lab.stop()


@contextlib.contextmanager
def sentinel(folder: Path) -> Iterator[Lab]:
    """A master, a replica and three sentinels, which give no master up until `Lab.give_up_soon`."""
    ports = [free_tcp_port() for _ in range(5)]
    servers = [
        Server(folder / "master", ports[0], ("--repl-diskless-sync-delay", "0")),
        Server(
            folder / "replica",
            ports[1],
            ("--replicaof", f"127.0.0.1 {ports[0]}", "--repl-diskless-sync-delay", "0"),
        ),
    ]
    sentinels = [Server(folder / f"sentinel-{port}", port) for port in ports[2:]]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports[2:])
    lab = Lab(f"redis+sentinel://{hosts}/{SERVICE}", servers, sentinels)
    try:
        for server in servers:
            server.start()
        wait_until(lambda: servers[1].client().info("replication")["master_link_status"] == "up")
        for each in sentinels:
            each.folder.mkdir()
            config = each.folder / "sentinel.conf"
            config.write_text(
                f"port {each.port}\nbind 127.0.0.1\ndir {each.folder}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {_NEVER_MS}\n"
                f"sentinel failover-timeout {SERVICE} 2000\n",
                encoding="utf-8",
            )
            each.options = (str(config), "--sentinel")
            each.start()
        for each in sentinels:
            wait_until(lambda each=each: _sees_all(each.client()))
        yield lab
    finally:
        lab.stop()


def _sees_all(sentinel: redis.Redis) -> bool:
    state = sentinel.sentinel_master(SERVICE)
    return state["num-other-sentinels"] == 2 and state["num-slaves"] == 1


def _cluster_port() -> int:
    """A free port whose bus port (10000 above) is free as well."""
    while True:
        port = free_tcp_port()
        if port < 55_000:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port + 10_000))
                return port


@contextlib.contextmanager
def cluster(folder: Path, masters: int = 3) -> Iterator[Lab]:
    """A cluster of masters without replicas."""
    servers = []
    for _ in range(masters):
        port = _cluster_port()
        options = (
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-node-timeout",
            "1000",
        )
        servers.append(Server(folder / f"node-{port}", port, options))
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers[:2])
    lab = Lab(f"redis+cluster://{hosts}", servers)
    try:
        for number, server in enumerate(servers):
            server.start()
            first, last = number * 16384 // masters, (number + 1) * 16384 // masters - 1
            server.client().execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            server.client().execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.client().execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        for server in servers:
            wait_until(lambda server=server: _whole(server.client(), masters))
        yield lab
    finally:
        lab.stop()


def _whole(node: redis.Redis, masters: int) -> bool:
    text = node.execute_command("CLUSTER INFO")
    if isinstance(text, bytes):
        text = text.decode()
    info = (
        text
        if isinstance(text, dict)
        else dict(line.split(":") for line in text.split("\r\n") if ":" in line)
    )
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == masters


def slot(key: str) -> int:
    """A key's slot."""
    return crc_hqx(key.encode(), 0) % 16384
