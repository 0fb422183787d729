"""Calls that are at the mobile now: the node lets each pass, and none of them is steered here again.

Some gateways drop redirection data: the node would steer our own call to the mobile here again. So it is told
to let the call pass, once, before it leaves. If that fails, a second call of the same caller to the same
number, while the first one is under way, is taken for that one come back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, final

from msgspec.structs import replace

from scp import client
from scp.client import ApiError, TransportError
from scp.voip import decision
from scp.voip.calls import opened
from scp.voip.messages import Passed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from scp.voip.calls import Note
    from scp.voip.decision import Call, Rules
    from scp.voip.evapi import Evapi
    from scp.voip.messages import PassAsked
    from scp.voip.metrics import VoipMetrics
    from scp.voip.scp_link import ScpLink

MOST: Final = 100_000
"""Calls at the mobile that are remembered."""
PASS_SECONDS: Final = 30
"""How long the node lets a call to the mobile pass."""


@final
class AtMobile:
    """See the module.

    Args:
        scp: the node; None: nobody lets anything pass.
        metrics: what counts.
        log: where a pass that was refused is said.
    """

    def __init__(self, scp: ScpLink | None, metrics: VoipMetrics, log: FilteringBoundLogger) -> None:
        self._scp = scp
        self._metrics = metrics
        self._log = log
        self._calls: dict[tuple[str, str], str] = {}

    def began(self, note: Note) -> None:
        """Hear that a call goes on to the mobile."""
        if len(self._calls) < MOST:
            self._calls[note.a, note.b] = note.call

    def over(self, note: Note, call: str) -> bool:
        """Hear that a call has ended; return whether it was at the mobile."""
        if self._calls.get((note.a, note.b)) != call:
            return False
        del self._calls[note.a, note.b]
        return True

    def second_round(self, call: Call, rules: Rules) -> Call:
        """Return a call as diverted by the number that it is to, if it is one that is at the mobile now."""
        if not call.trunk or not self._calls:
            return call
        number = decision.e164(call.to.removeprefix(rules.mark), rules.numbering)
        caller = decision.calling(call.caller, rules.numbering)
        if not caller or (caller, number) not in self._calls:
            return call
        return replace(call, diverted_by=(*call.diverted_by, f"+{number}"))

    async def grant(self, link: Evapi, asked: PassAsked) -> None:
        """Have the node let a call to the mobile pass; it goes on whatever the node says."""
        note = opened(asked.note)
        if note is not None and self._scp is not None:
            caller = note.a if decision.is_e164(note.a) else None
            wanted = client.grant_pass(note.b, note.call, caller=caller, seconds=PASS_SECONDS)
            try:
                await self._scp.send(wanted)
            except (ApiError, TransportError) as error:
                self._metrics.passes["failed"] += 1
                self._log.warning("no pass", call=note.call, what=str(error))
            else:
                self._metrics.passes["granted"] += 1
        link.say(Passed(asked.ti, asked.tl))

    async def withdraw(self, note: Note) -> None:
        """Take back the pass of a call that is over: where the gateway kept redirection data it is unused."""
        if self._scp is not None:
            with contextlib.suppress(ApiError, TransportError):  # it ends by itself
                await self._scp.send(client.withdraw_pass(note.b, note.call))
