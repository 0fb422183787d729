"""Why a call was answered as it was: one vocabulary for metrics, log, CDR, replay reports and dry runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A reason; the value is what metrics, logs and the API show, and never changes once released."""

    # The call goes to the VoIP gateway.
    FORWARDED_ALWAYS = "forwarded-always"
    FORWARDED_ROAMING = "forwarded-roaming"
    FORWARDED_LOCATION = "forwarded-location"

    # The called number alone rules it out; the store is not asked.
    NO_CALLED_NUMBER = "no-called-number"
    UNPARSABLE_NUMBER = "unparsable-number"
    OTHER_NUMBERING_PLAN = "other-numbering-plan"
    NEVER_STEER = "never-steer"
    SHORT_NUMBER = "short-number"
    LOCAL_NUMBER = "local-number"
    NUMBER_TOO_LONG = "number-too-long"
    ALREADY_MARKED = "already-marked"
    DIVERTED_BACK = "diverted-back"
    PASSED = "passed"
    REDIRECTION_LIMIT = "redirection-limit"

    # The subscriber's record rules it out.
    UNKNOWN_SUBSCRIBER = "unknown-subscriber"
    NOT_AUTHORIZED = "not-authorized"
    NOT_REGISTERED = "not-registered"
    FORWARDING_DISABLED = "forwarding-disabled"
    AT_HOME = "at-home"
    ROAMING_UNKNOWN = "roaming-unknown"
    OUTSIDE_LOCATIONS = "outside-locations"
    LOCATION_UNKNOWN = "location-unknown"
    DETACHED = "detached"
    LOCATION_TIMEOUT = "location-timeout"
    LOCATION_UNAVAILABLE = "location-unavailable"
    LOCATION_UNREACHABLE = "location-unreachable"
    BAD_FORWARDING_NUMBER = "bad-forwarding-number"
    FORWARDING_LOOP = "forwarding-loop"

    # A call that has to be paid for.
    CHARGING_DENIED = "charging-denied"
    CHARGING_DOWN = "charging-down"
    BARRED_NUMBER = "barred-number"
    CHARGING_ENDED = "charging-ended"
    RELEASED_BY_OPERATOR = "released-by-operator"

    # The store could not say; the configured policy decides the action.
    STORE_TIMEOUT = "store-timeout"
    STORE_UNAVAILABLE = "store-unavailable"

    # The node answered in place of the service.
    UNREADABLE_PARAMETER = "unreadable-parameter"
    OVERLOAD = "overload"
    RATE_LIMITED = "rate-limited"
    DRAINING = "draining"
    DEADLINE = "deadline"
    SERVICE_ERROR = "service-error"
    SERVICE_LOGIC = "service-logic"
    UNKNOWN_SERVICE_KEY = "unknown-service-key"
    UNDECODABLE_ARGUMENT = "undecodable-argument"
    CRITICAL_EXTENSION = "critical-extension"
    UNEXPECTED_OPERATION = "unexpected-operation"
    REJECTED_COMPONENT = "rejected-component"
    ABANDONED = "abandoned"


FAILURES: Final = frozenset(
    {
        Reason.STORE_TIMEOUT,
        Reason.STORE_UNAVAILABLE,
        Reason.LOCATION_TIMEOUT,
        Reason.LOCATION_UNAVAILABLE,
        Reason.LOCATION_UNREACHABLE,
        Reason.CHARGING_DOWN,
        Reason.DEADLINE,
        Reason.SERVICE_ERROR,
        Reason.UNKNOWN_SERVICE_KEY,
        Reason.UNREADABLE_PARAMETER,
        Reason.UNDECODABLE_ARGUMENT,
        Reason.CRITICAL_EXTENSION,
        Reason.UNEXPECTED_OPERATION,
        Reason.REJECTED_COMPONENT,
        Reason.ABANDONED,
    }
)
"""Of calls that something was wrong with: neither the subscriber's wish nor the operator's."""

# Values and words could stand together in an Enum with a __new__ of its own, but mypyc can't compile that.
_WORDS: Final[dict[Reason, str]] = {
    Reason.FORWARDED_ALWAYS: "The subscriber forwards every call.",
    Reason.FORWARDED_ROAMING: "The subscriber forwards calls while roaming, and is roaming.",
    Reason.FORWARDED_LOCATION: "The subscriber forwards calls in chosen locations, and is in one of them.",
    Reason.NO_CALLED_NUMBER: "The request carried no called party number.",
    Reason.UNPARSABLE_NUMBER: "The called number can't be read, is not all digits, or is not E.164.",
    Reason.OTHER_NUMBERING_PLAN: "The called number is specific to a network or of another plan than E.164.",
    Reason.NEVER_STEER: "The called number is in the configured list of numbers that are never steered.",
    Reason.SHORT_NUMBER: "The called number is a short code: too short for a subscriber's number.",
    Reason.LOCAL_NUMBER: "The called number has no prefix that would say what area it is in.",
    Reason.NUMBER_TOO_LONG: "The called number, or the number to connect to, has more digits than allowed.",
    Reason.ALREADY_MARKED: "The called number carries the gateway's mark already: it would loop.",
    Reason.DIVERTED_BACK: "The called subscriber has diverted this call already, and it came back: a loop.",
    Reason.PASSED: "The VoIP service lets this call pass, once: it sent it back, or gave the number for it.",
    Reason.REDIRECTION_LIMIT: "The call has been diverted as often as the configuration allows.",
    Reason.UNKNOWN_SUBSCRIBER: "The store has no record of the called number.",
    Reason.NOT_AUTHORIZED: "The operator has not authorized the subscriber for the service.",
    Reason.NOT_REGISTERED: "The VoIP service has not registered the subscriber.",
    Reason.FORWARDING_DISABLED: "Forwarding is switched off for the subscriber.",
    Reason.AT_HOME: "The subscriber forwards calls while roaming, and is in the home network.",
    Reason.ROAMING_UNKNOWN: "The subscriber forwards calls while roaming; nothing says whether that is so.",
    Reason.OUTSIDE_LOCATIONS: "The subscriber forwards calls in chosen locations, and is in none of them.",
    Reason.LOCATION_UNKNOWN: "The subscriber forwards calls in chosen locations; nothing says in which one.",
    Reason.DETACHED: "The subscriber's condition is about the place; the HLR says that the phone is off.",
    Reason.LOCATION_TIMEOUT: "Nothing says where the subscriber is, and the HLR did not say so in time.",
    Reason.LOCATION_UNAVAILABLE: "Nothing says where the subscriber is, and the HLR did not say it either.",
    Reason.LOCATION_UNREACHABLE: "Nothing says where the subscriber is, and no link leads to the HLR now.",
    Reason.BAD_FORWARDING_NUMBER: "The subscriber's forwarding number is not 5 to 15 digits of E.164.",
    Reason.FORWARDING_LOOP: "The subscriber's forwarding number is the called number itself: it would loop.",
    Reason.CHARGING_DENIED: "The subscriber who pays has no money for the call, or it has no tariff.",
    Reason.CHARGING_DOWN: "The charging system did not answer, and such calls are released.",
    Reason.BARRED_NUMBER: "The called number is in the configured list of barred numbers.",
    Reason.CHARGING_ENDED: "What the call was granted was used up, and it was granted no more.",
    Reason.RELEASED_BY_OPERATOR: "Somebody had the call released by the API.",
    Reason.STORE_TIMEOUT: "The subscriber store did not answer within its deadline.",
    Reason.STORE_UNAVAILABLE: "The subscriber store could not be asked.",
    Reason.UNREADABLE_PARAMETER: "A parameter that the decision needs could not be read; the call went on.",
    Reason.OVERLOAD: "The node was overloaded and let the call go on without looking it up.",
    Reason.RATE_LIMITED: "The peer or switch sent more calls than it may; this one went on without a lookup.",
    Reason.DRAINING: "The node was being taken out of service and let the call go on.",
    Reason.DEADLINE: "The service had not decided when the answer was due.",
    Reason.SERVICE_ERROR: "The service failed on this call; the log has the error.",
    Reason.SERVICE_LOGIC: "A service other than forwarding decided by its own rules.",
    Reason.UNKNOWN_SERVICE_KEY: "No service is configured for the request's service key.",
    Reason.UNDECODABLE_ARGUMENT: "The request's argument could not be decoded.",
    Reason.CRITICAL_EXTENSION: "The request has an unknown extension that forbids to go on without it.",
    Reason.UNEXPECTED_OPERATION: "The dialogue was opened with an operation other than InitialDP.",
    Reason.REJECTED_COMPONENT: "What came with the InitialDP was rejected; the call went on without lookup.",
    Reason.ABANDONED: "The switch gave the dialogue up before it was answered.",
}


def explain(reason: Reason) -> str:
    """Return one sentence in words for the operator."""
    return _WORDS[reason]
