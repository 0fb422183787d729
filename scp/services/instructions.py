"""Arguments of operations for the gsmSSF, made of a decision. A module of its own, for mypyc to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.services.idp import NATURE_TO_Q763
from ss7.cap.types import ConnectArg
from ss7.isup import CalledPartyNumber, NumberingPlan

if TYPE_CHECKING:
    from scp.domain.decision import Decision
    from ss7.cap.types import InitialDPArg

_E164_PLAN: Final = int(NumberingPlan.ISDN)


def connect_argument(idp: InitialDPArg, decision: Decision, *, st: bool) -> ConnectArg:
    """Return Connect's argument; its redirection data stay as they came.

    Args:
        idp: the request.
        decision: with the number to connect to.
        st: end the number with ST (Q.763 §3.9).
    """
    nature = NATURE_TO_Q763[decision.nature]
    number = CalledPartyNumber(decision.number, nature, _E164_PLAN, inn=False, st=st)
    return ConnectArg(
        (number.encode(),),
        original_called_party_id=idp.original_called_party_id,
        redirecting_party_id=idp.redirecting_party_id,
        redirection_information=idp.redirection_information,
    )
