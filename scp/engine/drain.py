"""Ends the calls in progress and takes the ASPs down in good order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from scp.engine.dialogue_runner import DialogueRunner
    from scp.engine.signalling import Signalling

DRAIN_STEP: Final = 0.05
"""Seconds between two looks at whether a drain is done."""
ACK_LIMIT: Final = 2.0
"""Seconds that a drain waits for the acknowledgement of ASPIA and of ASPDN."""


async def drain(signalling: Signalling, runner: DialogueRunner[Any], limit: float) -> bool:
    """Let the calls in progress end and take the ASPs down; True if all ended within ``limit`` seconds.

    An inactive ASP can't send DATA (RFC 4666 §4.3.1), so ASPIA waits for the open dialogues; what comes
    meanwhile is continued at once and opens none. Then ASPIA and ASPDN; the association is the caller's.
    """
    runner.draining = True
    signalling.leave()
    until = time.monotonic() + limit
    ended = await _wait(lambda: not len(signalling.tcap), until)
    signalling.deactivate()
    inactive = await _wait(lambda: not any(link.active for link in signalling.links), until + ACK_LIMIT)
    signalling.down()
    await _wait(lambda: not any(link.up for link in signalling.links), until + 2 * ACK_LIMIT)
    return ended and inactive


async def _wait(done: Callable[[], bool], until: float) -> bool:
    """Look again and again whether something is done; False if it is not by ``until`` (monotonic seconds)."""
    while not done():
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(DRAIN_STEP)  # a poll: what is waited for lives in machines that do not call back
    return True
