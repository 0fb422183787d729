"""Two Kamailios and two brains on one Redis, in front of one node."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from voip_lab import Lab, free_tcp_port

from oracles import redis_lab
from scp import client


class Pair:
    """Each of `labs` is a Kamailio and a brain; both brains serve both Kamailios."""

    def __init__(
        self, folder: Path, accounts: dict[str, list[str]], redis: redis_lab.Lab, **options: Any
    ) -> None:
        self.redis = redis
        self.labs: list[Lab] = []
        for name in ("voip-1", "voip-2"):
            (folder / name).mkdir()
            node = self.labs[0].node if self.labs else None
            self.labs.append(Lab(folder / name, accounts, node=node, name=name, store=redis.url, **options))
        ports = [free_tcp_port(), free_tcp_port()]
        for lab, other, own, theirs in (
            (self.labs[0], self.labs[1], *ports),
            (self.labs[1], self.labs[0], *reversed(ports)),
        ):
            lab.gateway_port = self.labs[0].gateway_port
            lab.write(
                sip_more=f'kamailios = ["127.0.0.1:{other.evapi}"]\n'
                f'replication = "udp:127.0.0.1:{own}"\npeers = ["udp:127.0.0.1:{theirs}"]'
            )

    @contextlib.contextmanager
    def running(self) -> Iterator[Pair]:
        first, second = self.labs
        with first.node.running(), contextlib.ExitStack() as stack:
            for lab in self.labs:
                stack.callback(lab.stop_kamailio)
                stack.callback(lambda lab=lab: [one.stop() for one in lab.sipps])
                stack.callback(lab.stop_brain)
            api = client.Client(f"http://127.0.0.1:{first.node.settings['api']}", "an-operators-token-7f3a")
            first.api = second.api = stack.enter_context(api)
            for lab in self.labs:
                lab.start_kamailio()
            with ThreadPoolExecutor() as pool:
                list(pool.map(Lab.start_brain, self.labs))
            yield self

    def troubles(self) -> list[str]:
        """As `Lab.troubles`, but for what each loses when another one dies."""
        expected = re.compile(
            r"unable to find dialog for|transaction is not suspended|cannot read the client message|dmq .*(disabl|delet|fail|remov|not 200)|notification_peer|tm_callback"
        )
        return [one for lab in self.labs for one in lab.troubles() if not expected.search(one)]
