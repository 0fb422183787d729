"""Has an HLR switch an M-CSI, so that VLRs tell of moves (anyTimeModification, TS 29.002 §8.11.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.domain.map_results import Outcome
from scp.engine.enquiries import Question
from scp.engine.whereabouts import HLR_SSN
from ss7.address import AddressString
from ss7.ber import read_element
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


_M_CSI: Final = 0xAC  # CAMEL-SubscriptionInfo: m-CSI [12] (TS 29.002 §17.7.1)
_CSI_ACTIVE: Final = 0x83  # M-CSI: csi-Active [3]


def m_csi_active(subscription_info: bytes | None) -> bool | None:
    """Return whether CAMEL-SubscriptionInfo has an M-CSI that is active; None: it says nothing of one.

    Args:
        subscription_info: the element's contents.
    """
    if subscription_info is None:
        return None
    csi = _element(subscription_info, _M_CSI)
    return None if csi is None else _element(csi, _CSI_ACTIVE) is not None


def not_active(result: Any) -> str:
    """Return "" if a result of anyTimeModification has no M-CSI that is off, else that in words."""
    info = getattr(result, "camel_subscription_info", None)
    return "HLR: the M-CSI is not active" if m_csi_active(info) is False else ""


def _element(octets: bytes, tag: int) -> bytes | None:
    """Return the contents of the first element with a tag, None without one, or where it can't be read."""
    offset, end = 0, len(octets)
    while offset < end:
        found, start, stop, after = read_element(octets, offset, end)
        if after < 0:
            return None
        if found == tag:
            return octets[start:stop]
        offset = after
    return None


def refusal(answer: Answer) -> str:
    """Return in words why it was not done, "" if it was."""
    if answer.outcome is Outcome.RESULT:
        return ""
    return f"HLR: {error_name(answer.code) if answer.outcome is Outcome.ERROR else answer.outcome}"
