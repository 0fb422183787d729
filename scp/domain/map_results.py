"""What comes of MAP dialogues: labels of metrics, and what the code asks by."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What came of an enquiry: a label of `scp.ports.MapTelemetry.enquiry`."""

    RESULT = "result"
    ERROR = "error"  # a MAP error: `Answer.code`
    REJECT = "reject"  # the peer can't read what we sent, or does not know the operation
    CONTEXT = "context-not-supported"  # in no version that the operation has
    ABORT = "abort"
    TIMEOUT = "timeout"
    UNDELIVERABLE = "undeliverable"  # SCCP returned it
    UNREACHABLE = "unreachable"  # no link carries it
    LIMITED = "limited"
    UNREADABLE = "unreadable"  # the answer can't be decoded, answers something else, or is missing


class Result(StrEnum):
    """What came of an event: a label of `scp.ports.MapTelemetry.mobility`."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"  # it says what was known
    REPLAYED = "replayed"
    STALE = "stale"
    FOREIGN = "foreign-sender"
    FORGED = "forged"
    UNKNOWN_SUBSCRIBER = "unknown-subscriber"
    NO_PLACE = "no-place"  # it names no VLR, or nothing says which VLRs are at home
    UNREADABLE = "unreadable"
    NOT_WRITTEN = "not-written"  # the store could not; the VLR gets an abort
    TAKEN = "taken"  # noted, nothing to write
