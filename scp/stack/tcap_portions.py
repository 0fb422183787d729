"""Dialogue portions (Q.774 §3.2.1): which one a message must have, and what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scp.stack import tcap_dialogue as dha
from ss7 import tcap, tcap_dialogue
from ss7.tcap_dialogue import Aare, Abrt, DialoguePortion, External

if TYPE_CHECKING:
    from scp.stack.tcap_dialogue import Dialogue
    from ss7.tcap import Message

# Reasons of a TC-U-ABORT request (Q.771 §3.1.2.2.2.1)
USER_SPECIFIED: Final = 0
CONTEXT_NOT_SUPPORTED: Final = 1
DIALOGUE_REFUSED: Final = 2


def portion_fits(dialogue: Dialogue, portion: DialoguePortion | None) -> bool:
    """Tell whether a CONTINUE's or END's dialogue portion is what Q.774 §3.2.1 wants in that state.

    The first one that comes back carries the AARE that accepts, exactly if the BEGIN had an AARQ; later ones
    may carry data of the users at most.
    """
    if dialogue.state == dha.INITIATION_SENT:
        if isinstance(portion, Aare):
            return dialogue.structured and portion.result == tcap_dialogue.ACCEPTED
        return portion is None and not dialogue.structured
    return portion is None or isinstance(portion, External)


def provider_cause(message: Message) -> int:
    """Return the cause of a TC-P-ABORT, -1 if the TC-user aborted (Figure A.5/Q.774 sheet 8)."""
    if message.p_abort_cause >= 0:
        return message.p_abort_cause
    portion = message.dialogue
    if isinstance(portion, tcap_dialogue.MalformedDialogue):
        return tcap.ABNORMAL_DIALOGUE
    if isinstance(portion, Abrt) and portion.source == tcap_dialogue.ABRT_PROVIDER:
        return tcap.ABNORMAL_DIALOGUE
    if isinstance(portion, Aare) and portion.source == tcap_dialogue.SERVICE_PROVIDER:
        return tcap.NO_COMMON_DIALOGUE
    return -1


def refusal(context: bytes, reason: int, user_information: bytes) -> Aare:
    """Return the AARE that answers a BEGIN with ``reason``."""
    diagnostic = tcap_dialogue.USER_NO_REASON
    if reason == CONTEXT_NOT_SUPPORTED:
        diagnostic = tcap_dialogue.CONTEXT_NOT_SUPPORTED
    return Aare(
        context,
        tcap_dialogue.REJECT_PERMANENT,
        tcap_dialogue.SERVICE_USER,
        diagnostic,
        user_information=user_information,
    )
