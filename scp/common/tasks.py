"""Ends the tasks of a part that stops."""

from __future__ import annotations

import asyncio


async def end_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks (None: there is none) and return once they have ended.

    Raises:
        Exception: what one of them had failed with.
        asyncio.CancelledError: the caller was cancelled, which awaiting the tasks themselves would hide.
    """
    there = [task for task in tasks if task is not None]
    for task in there:
        task.cancel()
    if there:
        await asyncio.wait(there)
    for task in there:
        if not task.cancelled():
            task.result()
