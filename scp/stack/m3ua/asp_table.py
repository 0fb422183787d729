"""The ASP's states (RFC 4666 §4.3.1, §4.3.4) as a table.

`ROWS` says what an input does in a phase; `WISHES` says which phase comes next of itself, given what the
administration wants. Entering a phase that awaits an acknowledgement sends the request and starts T(ack).
Each application server that the ASP serves goes through them; several say in one message what they can.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from scp.stack.m3ua.events import AspState
from scp.stack.m3ua.table import Action, Row
from ss7.m3ua import ASPAC, ASPDN, ASPIA, ASPUP, REG_REQ


class Phase(Enum):
    """Where the ASP is; `STATE_OF` says which of the RFC's states that is."""

    IDLE = "no association"
    DOWN = "down"
    BARRED = "down because the peer went down"
    ASPUP_SENT = "ASPUP sent"
    INACTIVE = "inactive"
    REG_SENT = "REG REQ sent"
    ASPAC_SENT = "ASPAC sent"
    STANDBY = "overridden by another ASP"
    ACTIVE = "active"
    PROBING = "active, the gateway may think otherwise"
    ASPIA_SENT = "ASPIA sent"
    ASPDN_SENT = "ASPDN sent"


STATE_OF: Final = {
    Phase.IDLE: AspState.DOWN,
    Phase.DOWN: AspState.DOWN,
    Phase.BARRED: AspState.DOWN,
    Phase.ASPUP_SENT: AspState.DOWN,
    Phase.INACTIVE: AspState.INACTIVE,
    Phase.REG_SENT: AspState.INACTIVE,
    Phase.ASPAC_SENT: AspState.INACTIVE,
    Phase.STANDBY: AspState.INACTIVE,
    Phase.ACTIVE: AspState.ACTIVE,
    Phase.PROBING: AspState.ACTIVE,
    Phase.ASPIA_SENT: AspState.ACTIVE,
    Phase.ASPDN_SENT: AspState.INACTIVE,
}


class Input(Enum):
    """What can happen."""

    CONNECTED = "association up"
    LOST = "association lost"
    ASPUP_ACK = "ASPUP ACK"
    ASPDN_ACK = "ASPDN ACK"
    ASPAC_ACK = "ASPAC ACK"
    ASPIA_ACK = "ASPIA ACK"
    REGISTERED = "REG RSP, registered"
    NOT_REGISTERED = "REG RSP, refused"
    OVERRIDDEN = "NTFY alternate ASP active"
    NEEDED = "NTFY that the AS lacks active ASPs"
    REFUSED = "ERR"
    DISOWNED = "ERR unexpected message"
    ALONE = "ERR to an ASPAC for several"
    T_ACK = "T(ack) expired"
    EXHAUSTED = "T(ack) expired too often"
    PEER_ASPUP = "ASPUP"
    PEER_ASPDN = "ASPDN"
    PEER_ASPAC = "ASPAC"
    PEER_ASPIA = "ASPIA"
    WISH = "the administration asks for ASP-ACTIVE"


class Goal(Enum):
    """What the administration wants; REGISTERED is on the way to ACTIVE where a key is to be registered."""

    DOWN = 0
    INACTIVE = 1
    REGISTERED = 2
    ACTIVE = 3


REQUEST_OF: Final = {
    Phase.ASPUP_SENT: ASPUP,
    Phase.REG_SENT: REG_REQ,
    Phase.ASPAC_SENT: ASPAC,
    Phase.PROBING: ASPAC,
    Phase.ASPIA_SENT: ASPIA,
    Phase.ASPDN_SENT: ASPDN,
}

_ASSOCIATED: Final = tuple([phase for phase in Phase if phase is not Phase.IDLE])
SERVING: Final = (Phase.ACTIVE, Phase.PROBING)
"""Where the ASP may send DATA."""
STARTING: Final = (Phase.REG_SENT, Phase.ASPAC_SENT, Phase.PROBING)
"""Where no answer in the end leads back to ASPUP, which would stop what other application servers carry."""


def _table() -> dict[tuple[Phase, Input], Row]:
    p, i, a = Phase, Input, Action
    same: Phase | None = None
    entries: tuple[tuple[tuple[Phase, ...], Input, tuple[Action, ...], Phase | None, str, str], ...] = (
        ((p.IDLE,), i.CONNECTED, (), p.DOWN, "4.3.3", "association up"),
        (_ASSOCIATED, i.LOST, (), p.IDLE, "4.3.1", "association lost"),
        # ASPUP (§4.3.4.1); what is unexpected puts the ASP into ASP-INACTIVE, and it returns from there.
        ((p.ASPUP_SENT,), i.ASPUP_ACK, (), p.INACTIVE, "4.3.4.1", "ASPUP ACK"),
        ((p.DOWN, p.BARRED), i.ASPUP_ACK, (a.ERROR,), p.INACTIVE, "4.3.4.1", "unexpected ASPUP ACK"),
        (SERVING, i.ASPUP_ACK, (a.ERROR,), p.INACTIVE, "4.3.4.1", "unexpected ASPUP ACK"),
        ((p.ASPIA_SENT,), i.ASPUP_ACK, (), p.INACTIVE, "4.3.4.1", "ASPUP ACK instead of ASPIA ACK"),
        ((p.INACTIVE, p.STANDBY), i.ASPUP_ACK, (), same, "4.3.4.1", ""),
        ((p.REG_SENT, p.ASPAC_SENT, p.ASPDN_SENT), i.ASPUP_ACK, (), same, "4.3.4.1", ""),
        # ASPDN (§4.3.4.2): unasked, the ASP is down and returns to where it was.
        ((p.ASPDN_SENT,), i.ASPDN_ACK, (), p.DOWN, "4.3.4.2", "ASPDN ACK"),
        ((p.INACTIVE, p.STANDBY, p.REG_SENT), i.ASPDN_ACK, (), p.DOWN, "4.3.4.2", "unsolicited ASPDN ACK"),
        ((p.ASPAC_SENT, p.ASPIA_SENT), i.ASPDN_ACK, (), p.DOWN, "4.3.4.2", "unsolicited ASPDN ACK"),
        (SERVING, i.ASPDN_ACK, (), p.DOWN, "4.3.4.2", "unsolicited ASPDN ACK"),
        ((p.DOWN, p.BARRED, p.ASPUP_SENT), i.ASPDN_ACK, (), same, "4.3.4.2", ""),
        # ASPAC (§4.3.4.3).
        ((p.ASPAC_SENT, p.PROBING), i.ASPAC_ACK, (), p.ACTIVE, "4.3.4.3", "ASPAC ACK"),
        ((p.ACTIVE, p.ASPIA_SENT, p.ASPDN_SENT), i.ASPAC_ACK, (), same, "4.3.4.3", ""),
        # ASPIA (§4.3.4.4): unasked, the ASP is inactive and returns to where it was.
        ((p.ASPIA_SENT,), i.ASPIA_ACK, (), p.INACTIVE, "4.3.4.4", "ASPIA ACK"),
        (SERVING, i.ASPIA_ACK, (), p.INACTIVE, "4.3.4.4", "unsolicited ASPIA ACK"),
        ((p.INACTIVE, p.STANDBY, p.REG_SENT), i.ASPIA_ACK, (), same, "4.3.4.4", ""),
        ((p.ASPAC_SENT, p.ASPDN_SENT), i.ASPIA_ACK, (), same, "4.3.4.4", ""),
        # Routing key management (§4.4.1).
        ((p.REG_SENT,), i.REGISTERED, (), p.INACTIVE, "4.4.1", "routing key registered"),
        ((p.REG_SENT,), i.NOT_REGISTERED, (a.HOLD_OFF,), same, "4.4.1", ""),
        # NTFY (§4.3.4.5): overridden is inactive; whoever is in standby steps in when the AS lacks ASPs.
        (SERVING, i.OVERRIDDEN, (), p.STANDBY, "4.3.4.3", "overridden by another ASP"),
        ((p.STANDBY,), i.NEEDED, (), p.INACTIVE, "4.3.4.5", "AS lacks an active ASP"),
        ((p.STANDBY,), i.WISH, (), p.INACTIVE, "4.3.4.3", "asked to take over"),
        ((p.BARRED,), i.WISH, (), p.DOWN, "4.3.4.1", "asked to try again"),
        # ERR (§3.8.1) while a request is out is taken as its refusal.
        ((p.ASPUP_SENT, p.REG_SENT, p.ASPAC_SENT), i.REFUSED, (a.HOLD_OFF,), same, "3.8.1", ""),
        ((p.ASPUP_SENT, p.REG_SENT, p.ASPAC_SENT), i.DISOWNED, (a.HOLD_OFF,), same, "3.8.1", ""),
        # A gateway may refuse an ASPAC for several as a whole over one of them: each is asked for by itself.
        ((p.ASPAC_SENT,), i.ALONE, (), p.INACTIVE, "4.3.4.3", ""),
        ((p.ASPIA_SENT,), i.REFUSED, (), p.INACTIVE, "3.8.1", "ERR in answer to ASPIA"),
        ((p.ASPIA_SENT,), i.DISOWNED, (), p.INACTIVE, "3.8.1", "ERR in answer to ASPIA"),
        ((p.ASPDN_SENT,), i.REFUSED, (), p.DOWN, "3.8.1", "ERR in answer to ASPDN"),
        ((p.ASPDN_SENT,), i.DISOWNED, (), p.DOWN, "3.8.1", "ERR in answer to ASPDN"),
        # A gateway that forgot us says so of our DATA. ASPAC, which it has to acknowledge if it holds us
        # active (§4.3.4.3), tells, and costs no traffic if all is well.
        ((p.ACTIVE,), i.DISOWNED, (), p.PROBING, "4.3.4.3", ""),
        # T(ack).
        (tuple(REQUEST_OF), i.T_ACK, (a.RESEND,), same, "4.3.4", ""),
        ((p.REG_SENT, p.ASPAC_SENT), i.EXHAUSTED, (), p.DOWN, "4.3.4.3", "no answer: starting anew"),
        ((p.PROBING,), i.EXHAUSTED, (), p.DOWN, "4.3.4.3", "the gateway does not hold us active"),
        ((p.ASPIA_SENT,), i.EXHAUSTED, (), p.INACTIVE, "4.3.4.4", "no ASPIA ACK"),
        ((p.ASPDN_SENT,), i.EXHAUSTED, (), p.DOWN, "4.3.4.2", "no ASPDN ACK"),
        ((p.BARRED,), i.T_ACK, (), p.DOWN, "4.3.4.1.2", "trying again"),
        # IPSP single exchange (§4.3.4.1.2): the peer may take our part. Only with role = IPSP.
        (
            (p.DOWN, p.BARRED, p.ASPUP_SENT),
            i.PEER_ASPUP,
            (a.ANSWER,),
            p.INACTIVE,
            "4.3.4.1.2",
            "peer's ASPUP",
        ),
        ((p.INACTIVE, p.STANDBY, p.REG_SENT), i.PEER_ASPUP, (a.ANSWER,), same, "4.3.4.1.2", ""),
        ((p.ASPAC_SENT, p.ASPDN_SENT), i.PEER_ASPUP, (a.ANSWER,), same, "4.3.4.1.2", ""),
        (
            (p.ACTIVE, p.PROBING, p.ASPIA_SENT),
            i.PEER_ASPUP,
            (a.ANSWER, a.ERROR),
            p.INACTIVE,
            "4.3.4.1",
            "peer's ASPUP",
        ),
        (
            (p.INACTIVE, p.STANDBY, p.ASPAC_SENT),
            i.PEER_ASPAC,
            (a.ANSWER,),
            p.ACTIVE,
            "4.3.4.3",
            "peer's ASPAC",
        ),
        (SERVING, i.PEER_ASPAC, (a.ANSWER,), p.ACTIVE, "4.3.4.3", ""),
        (SERVING, i.PEER_ASPIA, (a.ANSWER,), p.STANDBY, "4.3.4.4", "peer's ASPIA"),
        ((p.INACTIVE, p.STANDBY, p.REG_SENT), i.PEER_ASPIA, (a.ANSWER,), same, "4.3.4.4", ""),
        ((p.ASPAC_SENT, p.ASPIA_SENT), i.PEER_ASPIA, (a.ANSWER,), same, "4.3.4.4", ""),
        (_ASSOCIATED, i.PEER_ASPDN, (a.ANSWER,), p.BARRED, "4.3.4.2", "peer's ASPDN"),
    )
    return {
        (phase, cause): Row(actions, target or phase, clause, why)
        for phases, cause, actions, target, clause, why in entries
        for phase in phases
    }


ROWS: Final = _table()
"""(phase, input) → row. An acknowledgement or request without a row is unexpected (§3.8.1)."""

WISHES: Final[dict[tuple[Phase, Goal], Phase]] = {
    (Phase.DOWN, Goal.INACTIVE): Phase.ASPUP_SENT,
    (Phase.DOWN, Goal.REGISTERED): Phase.ASPUP_SENT,
    (Phase.DOWN, Goal.ACTIVE): Phase.ASPUP_SENT,
    (Phase.ASPUP_SENT, Goal.DOWN): Phase.ASPDN_SENT,
    (Phase.INACTIVE, Goal.REGISTERED): Phase.REG_SENT,
    (Phase.INACTIVE, Goal.ACTIVE): Phase.ASPAC_SENT,
    (Phase.INACTIVE, Goal.DOWN): Phase.ASPDN_SENT,
    (Phase.STANDBY, Goal.INACTIVE): Phase.INACTIVE,
    (Phase.STANDBY, Goal.DOWN): Phase.ASPDN_SENT,
    (Phase.REG_SENT, Goal.INACTIVE): Phase.INACTIVE,
    (Phase.REG_SENT, Goal.DOWN): Phase.ASPDN_SENT,
    (Phase.ASPAC_SENT, Goal.DOWN): Phase.ASPDN_SENT,
    (Phase.ACTIVE, Goal.INACTIVE): Phase.ASPIA_SENT,
    (Phase.ACTIVE, Goal.DOWN): Phase.ASPIA_SENT,  # ASPIA first, so that nothing is lost on the way down
    (Phase.PROBING, Goal.INACTIVE): Phase.ASPIA_SENT,
    (Phase.PROBING, Goal.DOWN): Phase.ASPIA_SENT,
}
"""(phase, goal) → the phase to go to without waiting for anything."""
