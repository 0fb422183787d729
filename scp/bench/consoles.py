"""``camel-scp bench --consoles N``: what open consoles cost the calls.

Two nodes of a scenario are up at once, on one processor, and take turns round by round, in the order A B,
B A, …: one has N streams of the console open, the other none. Half way the streams move to the other node, so
that what differs between two processes of the same code meets both sides. The figures are those of
``--against``.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from scp.bench.comparison import Compared, Comparison, Round
from scp.bench.machine import describe
from scp.bench.results import Tally
from scp.bench.scenarios import SCENARIOS
from scp.bench.server import TOKEN, ServerError
from scp.bench.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scp.bench.scenarios import Size
    from scp.bench.server import Server

WITH: Final = tuple(name for name in SCENARIOS if name != "echo")
"""Scenarios whose server has a console."""
QUIET: Final = 32.0
"""Seconds after the last stream until a node keeps no calls any more, and a little."""
_PAIRS_A_ROUND: Final = 2
_SETTLE: Final = 1.5
"""Seconds from the first event of the streams to the first round."""


def with_consoles(
    names: Sequence[str], size: Size, consoles: int, tell: Callable[[str], None], *, realtime: bool = False
) -> Comparison:
    """Run scenarios with ``consoles`` streams open (``here``) and with none (``there``).

    Args:
        names: some of `WITH`.
        size: how much.
        consoles: how many streams.
        tell: called with each step, in words.
        realtime: as `scp.bench.benchmark.run`.

    Raises:
        ServerError: a node did not start, or its console does not answer; or as `run_load`.
    """
    machine = describe()
    machine = replace(machine, realtime=realtime and machine.realtime)
    found: dict[str, Compared] = {}
    with tempfile.TemporaryDirectory(prefix="camel-scp-bench-") as folder, ExitStack() as stack:
        testbed = Testbed(machine, size, Path(folder), tell, stack)
        for name in names:
            found[name] = _scenario(testbed, name, size, consoles, tell)
    return Comparison(machine=machine, size=size, against="none open", scenarios=found)


def _scenario(
    testbed: Testbed, name: str, size: Size, consoles: int, tell: Callable[[str], None]
) -> Compared:
    scenario, tally = SCENARIOS[name], Tally()
    nodes = [testbed.start(f"{name}-{place}", scenario, console=True) for place in ("a", "b")]
    for node in nodes:
        testbed.warm(scenario, node)
    rounds: dict[bool, list[Round]] = {True: [], False: []}
    pairs = size.rounds * _PAIRS_A_ROUND
    for half, watched in enumerate(nodes):
        if half:
            tell(f"{QUIET:.0f} s until {name}-a keeps no calls any more")
            time.sleep(QUIET)
        with streams(watched, consoles):
            for turn in range(pairs // 2 * half, pairs if half else pairs // 2):
                tell(f"{name}: pair {turn + 1} of {pairs}")
                for node in reversed(nodes) if turn % 2 else nodes:
                    best = testbed.saturate(scenario, node, tally)
                    one = Round(calls_per_s=best.calls_per_s, cpu_us_per_call=best.cpu_us_per_call)
                    rounds[node is watched].append(one)
    return Compared(here=tuple(rounds[True]), there=tuple(rounds[False]), faults=tuple(tally.faults))


@contextmanager
def streams(node: Server, count: int) -> Iterator[None]:
    """Have so many streams of a node's console open, and read."""
    opened = [_open(node.api) for _ in range(count)]
    readers = [threading.Thread(target=_read, args=(each,), daemon=True) for each, _ in opened]
    for reader in readers:
        reader.start()
    time.sleep(_SETTLE)
    try:
        yield
        if not all(reader.is_alive() for reader in readers):
            raise ServerError("a stream of the console ended while it was measured")
    finally:
        for _, connection in opened:
            with suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(2)
        for reader in readers:
            reader.join(10)


def _open(port: int) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    if response.status != 200:
        raise ServerError(f"the console answers {response.status}")
    if not response.read(1):
        raise ServerError("the console's stream is empty")
    return response, connection


def _read(response: http.client.HTTPResponse) -> None:
    with suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
        while response.read1(1 << 16):
            pass
