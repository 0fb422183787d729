"""Has an HLR switch an M-CSI, so that VLRs tell of moves (anyTimeModification, TS 29.002 §8.11.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scp.domain.map_results import Outcome
from scp.engine.enquiries import Question
from scp.engine.whereabouts import HLR_SSN
from ss7.address import AddressString
from ss7.map.common import ModificationInstruction, SubscriberIdentity
from ss7.map.errors import error_name
from ss7.map.operations import Opcode
from ss7.map.subscription import (
    AnyTimeModificationArg,
    ModificationRequestForCSI,
    RequestedCamelSubscriptionInfo,
)

if TYPE_CHECKING:
    from scp.engine.enquiries import Answer


def arming(own: str, msisdn: str, hlr: str, *, on: bool) -> Question:
    """Return the question that switches a subscriber's M-CSI and its notifications.

    Args:
        own: our global title, which the HLR knows the gsmSCF by.
        msisdn: whose.
        hlr: global title of the HLR, "": the subscriber's own number.
        on: or off.
    """
    wanted = ModificationInstruction.ACTIVATE if on else ModificationInstruction.DEACTIVATE
    identity = SubscriberIdentity("msisdn", AddressString(msisdn).encode())
    change = ModificationRequestForCSI(RequestedCamelSubscriptionInfo.M_CSI, wanted, wanted)
    argument = AnyTimeModificationArg(identity, AddressString(own).encode(), csi=change)
    return Question(Opcode.ANY_TIME_MODIFICATION, argument, hlr or msisdn, HLR_SSN, msisdn)


def refusal(answer: Answer) -> str:
    """Return in words why it was not done, "" if it was."""
    if answer.outcome is Outcome.RESULT:
        return ""
    return f"HLR: {error_name(answer.code) if answer.outcome is Outcome.ERROR else answer.outcome}"
