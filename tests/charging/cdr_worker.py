"""A sink that calls go by, to be killed: ``cdr_worker.py PATH FIRST``.

Calls are numbered by their references, from FIRST on. A line after each few: when (seconds since 1970), the number
that comes next, how many of this life's are on the disk.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

from scp.charging.sink import CdrSink
from scp.domain.decision import Action, Decision
from scp.domain.numbers import Numbering
from scp.domain.reason import Reason
from scp.stack.tcap_dialogue import CLOSED, Dialogue
from scp.store import cdr_bundles
from scp.store.cdr_sqlite import SqliteCdrStore
from ss7.cap.types import InitialDPArg

MSC = bytes.fromhex("916407000000f1")
DECISION = Decision(Action.CONTINUE, Reason.NOT_REGISTERED)


async def main() -> None:
    path, number = sys.argv[1], int(sys.argv[2])
    cdr_bundles.RUN = 300
    store = SqliteCdrStore(path)
    await store.open()
    sink = CdrSink(store, "scp-1", Numbering("46"), lambda fault: None)
    sink.start()
    over = Dialogue(b"\0\0\0\1", b"\1", None, b"", 0.0)
    over.state = CLOSED
    chance = random.Random(number)
    while True:
        for _ in range(chance.randint(1, 100)):
            idp = InitialDPArg(100, call_reference_number=number.to_bytes(4, "big"), msc_address=MSC)
            sink.answered(over, "voip-forwarding", idp, DECISION, 0.001)
            number += 1
        sys.stdout.write(f"{time.time()} {number} {sink.written}\n")  # in one piece, also unbuffered
        sys.stdout.flush()
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main())
