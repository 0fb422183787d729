"""Why a call was answered as it was: one vocabulary for metrics, log, CDR, replay reports and dry runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A reason and, beside it, what it says to the operator (`words`).

    The value is what metrics, logs and the API show; it never changes its meaning once released.
    """

    words: str

    def __new__(cls, value: str, words: str = "") -> Self:
        """Make a member of its value and words; looking one up needs the value only."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    # The call goes to the VoIP gateway.
    FORWARDED_ALWAYS = "forwarded-always", "The subscriber forwards every call."
    FORWARDED_ROAMING = "forwarded-roaming", "The subscriber forwards calls while roaming, and is roaming."
    FORWARDED_LOCATION = (
        "forwarded-location",
        "The subscriber forwards calls in chosen locations, and is in one of them.",
    )

    # The called number alone rules it out; the store is not asked.
    NO_CALLED_NUMBER = "no-called-number", "The request carried no called party number."
    UNPARSABLE_NUMBER = (
        "unparsable-number",
        "The called number could not be decoded, has other signals than decimal digits, or is not E.164.",
    )
    OTHER_NUMBERING_PLAN = (
        "other-numbering-plan",
        "The called number is of a numbering plan other than E.164, or specific to a network.",
    )
    NEVER_STEER = (
        "never-steer",
        "The called number is in the configured list of numbers that are never steered.",
    )
    SHORT_NUMBER = "short-number", "The called number is a short code: too short for a subscriber's number."
    LOCAL_NUMBER = (
        "local-number",
        "The called number has neither national nor international prefix, so its area is not known.",
    )
    NUMBER_TOO_LONG = (
        "number-too-long",
        "The called number, or the number to connect to, has more digits than its field allows.",
    )
    ALREADY_MARKED = (
        "already-marked",
        "The called number already carries the gateway's mark: steering it again would loop.",
    )

    # The subscriber's record rules it out.
    UNKNOWN_SUBSCRIBER = "unknown-subscriber", "The store has no record of the called number."
    NOT_AUTHORIZED = "not-authorized", "The operator has not authorized the subscriber for the service."
    NOT_REGISTERED = "not-registered", "The VoIP service has not registered the subscriber."
    FORWARDING_DISABLED = "forwarding-disabled", "Forwarding is switched off for the subscriber."
    AT_HOME = "at-home", "The subscriber forwards calls while roaming, and is in the home network."
    ROAMING_UNKNOWN = (
        "roaming-unknown",
        "The subscriber forwards calls while roaming, and nothing says whether that is so.",
    )
    OUTSIDE_LOCATIONS = (
        "outside-locations",
        "The subscriber forwards calls in chosen locations, and is in none of them.",
    )
    LOCATION_UNKNOWN = (
        "location-unknown",
        "The subscriber forwards calls in chosen locations, and nothing says where the subscriber is.",
    )
    BAD_FORWARDING_NUMBER = (
        "bad-forwarding-number",
        "The forwarding number in the subscriber's record is not 5 to 15 decimal digits.",
    )
    FORWARDING_LOOP = (
        "forwarding-loop",
        "The subscriber's forwarding number is the called number itself: connecting to it would loop.",
    )

    # The store could not say; the configured policy decides the action.
    STORE_TIMEOUT = "store-timeout", "The subscriber store did not answer within its deadline."
    STORE_UNAVAILABLE = "store-unavailable", "The subscriber store could not be asked."

    # The node answered in place of the service.
    OVERLOAD = "overload", "The node was overloaded and let the call go on without looking it up."
    DRAINING = "draining", "The node was being taken out of service and let the call go on."
    DEADLINE = "deadline", "The service had not decided when the answer was due."
    SERVICE_ERROR = "service-error", "The service failed on this call; the log has the error."
    SERVICE_LOGIC = "service-logic", "A service other than forwarding decided by its own rules."
    UNKNOWN_SERVICE_KEY = "unknown-service-key", "No service is configured for the request's service key."
    UNDECODABLE_ARGUMENT = "undecodable-argument", "The request's argument could not be decoded."
    UNEXPECTED_OPERATION = (
        "unexpected-operation",
        "The dialogue was opened with an operation other than InitialDP.",
    )
    ABANDONED = "abandoned", "The switch gave the dialogue up before it was answered."


def explain(reason: Reason) -> str:
    """Return one sentence in words for the operator."""
    return reason.words
