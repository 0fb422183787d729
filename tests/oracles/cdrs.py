"""A store of CDRs for a test, and records of the VoIP service to put there."""

from __future__ import annotations

import asyncio

from scp.domain.cdr import VoipRecord
from scp.store.cdr_file import CdrFile
from scp.store.cdr_sqlite import SqliteCdrStore


def voip(number: int = 1, **fields) -> VoipRecord:
    plain = {
        "id": f"voip-{number}",
        "call_id": "c",
        "a_number": "1",
        "b_number": "2",
        "started_ms": 1,
        "ended_ms": 2,
    }
    return VoipRecord(**plain | fields)


def run(body, path: str | CdrFile = ":memory:", **options) -> None:
    """Run ``body`` with an open store."""

    async def main() -> None:
        store = SqliteCdrStore(path, **options)
        await store.open()
        try:
            await body(store)
        finally:
            await store.close()

    asyncio.run(main())
