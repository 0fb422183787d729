"""Why a call of the VoIP service goes where it goes: one vocabulary for metrics, log and dry runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A reason; the value never changes once released."""

    RINGS_DEVICES = "rings-devices"
    TO_DEVICE = "to-device"
    TO_GATEWAY = "to-gateway"
    EMERGENCY = "emergency"
    NO_DEVICE = "no-device"
    UNKNOWN_IDENTITY = "unknown-identity"
    CAME_BACK = "came-back"
    NO_CREDIT = "no-credit"
    CHARGING_UNAVAILABLE = "charging-unavailable"
    OVERLOAD = "overload"
    DRAINING = "draining"
    NOT_OURS = "not-ours"
    UNUSABLE_NUMBER = "unusable-number"
    UNKNOWN_CALLER = "unknown-caller"
    BARRED = "barred"
    BLOCKED = "blocked"
    QUIET = "quiet"
    NO_GATEWAY = "no-gateway"
    SPENT = "spent"


WORDS: Final[dict[Reason, str]] = {
    Reason.RINGS_DEVICES: "The called subscriber's devices ring.",
    Reason.TO_DEVICE: "A device calls a subscriber of ours whose devices ring; the switch is not needed.",
    Reason.TO_GATEWAY: "A device calls a number outside: over the gateway, with the device's own number.",
    Reason.EMERGENCY: "An emergency number: over the gateway, never charged and never refused.",
    Reason.NO_DEVICE: "No device of the called subscriber is registered: the call goes to the mobile.",
    Reason.UNKNOWN_IDENTITY: "The switch sent a number that nobody here has: the call goes back to it.",
    Reason.CAME_BACK: "The call was sent back to the mobile before, and was steered here again.",
    Reason.NO_CREDIT: "The account has no minutes for this call.",
    Reason.CHARGING_UNAVAILABLE: "The node did not say in time whether there are minutes.",
    Reason.OVERLOAD: "More calls than can be decided: the call goes to the mobile unasked.",
    Reason.DRAINING: "The brain is about to stop: the call goes to the mobile unasked.",
    Reason.NOT_OURS: "A trunk sent a number that is neither marked nor anybody's here.",
    Reason.UNUSABLE_NUMBER: "The called number can't be read as a telephone number.",
    Reason.UNKNOWN_CALLER: "The device does not stand for the number that it calls from.",
    Reason.BARRED: "The caller may not call this number.",
    Reason.BLOCKED: "The called subscriber does not take calls of this caller.",
    Reason.QUIET: "The called subscriber is not to be disturbed now.",
    Reason.NO_GATEWAY: "The number is outside, and there is no gateway.",
    Reason.SPENT: "A one-time number that is used, too old, or not this caller's.",
}
