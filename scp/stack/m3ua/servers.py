"""An application server (AS) of an association, as the ASP and as the gateway see it (RFC 4666 §4.3.1).

The state of an ASP is kept for each AS that it serves: one association carries the traffic of several, told
apart by routing context. ASPUP and ASPDN concern all of them at once, ASPAC and ASPIA those that they name.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

from scp.stack.m3ua.asp_table import SERVING, Phase
from scp.stack.m3ua.asp_table import STATE_OF as STATE_OF_PHASE
from scp.stack.m3ua.events import AspState, AsState
from scp.stack.m3ua.sgp_table import STATE_OF as STATE_OF_PEER
from scp.stack.m3ua.sgp_table import Peer
from ss7.m3ua import DataEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ss7.m3ua import Data

NEVER: Final = float("inf")


class Server:
    """What both sides keep of one AS.

    Attributes:
        context: its routing context; -1: it has none.
        state: of the ASP in this AS.
        as_state: of the AS (§4.3.2), as far as this side knows.
        sends: whether DATA of it may go out on the association.
        receives: whether its DATA may come in.
        timer: when what it waits for is overdue, seconds.
    """

    def __init__(self, context: int, appearance: int) -> None:
        self.context: int = context
        self.state: AspState = AspState.DOWN
        self.as_state: AsState = AsState.DOWN
        self.sends: bool = False
        self.receives: bool = False
        self.timer: float = NEVER
        self.appearance: Final = appearance
        self.encoder: DataEncoder = DataEncoder(context, appearance)

    def rename(self, context: int) -> None:
        """Go on under another routing context."""
        self.context = context
        self.encoder = DataEncoder(context, self.appearance)


@final
class AspServer(Server):
    """The ASP's side of it.

    Attributes:
        phase: where the ASP is in its procedures for this AS.
        attempts: requests in a row that had no answer.
        held: a request was refused; it goes again after T(retry).
        refusal: what was refused and how, in words, while ``held``.
        alone: it is asked for by itself, since an ASPAC for several was refused.
    """

    def __init__(self, context: int, appearance: int) -> None:
        super().__init__(context, appearance)
        self.phase: Phase = Phase.IDLE
        self.attempts: int = 0
        self.held: bool = False
        self.refusal: str = ""
        self.alone: bool = False

    def enter(self, phase: Phase) -> None:
        """Be in another phase."""
        self.phase = phase
        self.state = STATE_OF_PHASE[phase]
        # What comes before the gateway has our ASPIA wants an answer: we are active until it acknowledges.
        self.sends = self.receives = phase in SERVING or phase is Phase.ASPIA_SENT
        self.attempts = 0
        self.held = False
        self.refusal = ""
        self.timer = NEVER
        if phase is Phase.IDLE:
            self.alone = False


@final
class SgpServer(Server):
    """The gateway's side of it.

    Attributes:
        peer: the ASP as the gateway sees it.
        queue: DATA that waits for the ASP in AS-PENDING.
    """

    def __init__(self, context: int, appearance: int) -> None:
        super().__init__(context, appearance)
        self.peer: Peer = Peer.IDLE
        self.queue: deque[Data] = deque()

    def enter(self, peer: Peer) -> None:
        """See the ASP in another state."""
        self.peer = peer
        self.state = STATE_OF_PEER[peer]
        self.sends = self.receives = peer is Peer.ACTIVE


def highest(servers: Iterable[Server]) -> AspState:
    """Return the state of the ASP as a whole: that of the AS in which it is nearest to ASP-ACTIVE."""
    found = AspState.DOWN
    for server in servers:
        if server.state is AspState.ACTIVE:
            return AspState.ACTIVE
        if server.state is AspState.INACTIVE:
            found = AspState.INACTIVE
    return found
