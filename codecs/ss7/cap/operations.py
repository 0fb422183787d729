"""The CAP operations (TS 29.078 §5.3 codes, §6 to §8 definitions and timers)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from msgspec import Struct

from ss7.cap import gprs, interaction, parties, sms, types

SHORT: Final = 5.0
"""Seconds; the range is 1 s to 10 s, the value the operator's (table 6-1)."""
MEDIUM: Final = 30.0
"""Seconds; the range is 1 s to 60 s."""
LONG: Final = 900.0
"""Seconds; the range is 1 s to 30 minutes."""


class Opcode(IntEnum):
    """Local operation codes of call control (§5.3)."""

    INITIAL_DP = 0
    ASSIST_REQUEST_INSTRUCTIONS = 16
    ESTABLISH_TEMPORARY_CONNECTION = 17
    DISCONNECT_FORWARD_CONNECTION = 18
    CONNECT_TO_RESOURCE = 19
    CONNECT = 20
    RELEASE_CALL = 22
    REQUEST_REPORT_BCSM_EVENT = 23
    EVENT_REPORT_BCSM = 24
    COLLECT_INFORMATION = 27
    CONTINUE = 31
    INITIATE_CALL_ATTEMPT = 32
    RESET_TIMER = 33
    FURNISH_CHARGING_INFORMATION = 34
    APPLY_CHARGING = 35
    APPLY_CHARGING_REPORT = 36
    CALL_GAP = 41
    CALL_INFORMATION_REPORT = 44
    CALL_INFORMATION_REQUEST = 45
    SEND_CHARGING_INFORMATION = 46
    PLAY_ANNOUNCEMENT = 47
    PROMPT_AND_COLLECT_USER_INFORMATION = 48
    SPECIALIZED_RESOURCE_REPORT = 49
    CANCEL = 53
    ACTIVITY_TEST = 55
    DISCONNECT_FORWARD_CONNECTION_WITH_ARGUMENT = 86
    CONTINUE_WITH_ARGUMENT = 88
    DISCONNECT_LEG = 90
    MOVE_LEG = 93
    SPLIT_LEG = 95
    ENTITY_RELEASED = 96
    PLAY_TONE = 97


class Operation(Struct, frozen=True, gc=False):
    """What the standard says of one operation.

    Attributes:
        opcode: local operation code.
        name: ASN.1 name.
        operation_class: 1 (result or error), 2 (error only), 3 (result only), 4 (neither); Q.771 §2.3.1.3.
        timer: name of the invoker's timer.
        seconds: default of the timer: `SHORT`, `MEDIUM` or `LONG`.
        from_scf: whether the gsmSCF invokes it (else the gsmSSF, gprsSSF or gsmSRF).
        since: first CAP version that has it.
        errors: codes of the errors that it can have.
        clause: of TS 29.078.
        argument: its type, bytes for an octet string, None where it has none. `ss7.cap.roots.argument_type`
            says what it is in which CAP version.
        argument_optional: whether it may be left out: later releases added it to an operation that had none.
        result: type of its result, None where it has none.
    """

    opcode: int
    name: str
    operation_class: int
    timer: str
    seconds: float
    from_scf: bool
    since: int
    errors: tuple[int, ...]
    clause: str
    argument: Any = None
    argument_optional: bool = False
    result: Any = None


_CALL = (7, 11, 12, 14, 15, 16)
"""missingParameter, systemFailure, taskRefused and the three of the unexpected: most operations have them."""
_GPRS_FEW = (7, 12, 50)

OPERATIONS: Final = (
    Operation(0, "initialDP", 2, "Tidp", SHORT, False, 1, (6, *_CALL, 8), "11.20", types.InitialDPArg),
    Operation(
        16,
        "assistRequestInstructions",
        2,
        "Tari",
        SHORT,
        False,
        2,
        (6, *_CALL),
        "11.4",
        interaction.AssistRequestInstructionsArg,
    ),
    Operation(
        17,
        "establishTemporaryConnection",
        2,
        "Tetc",
        MEDIUM,
        True,
        2,
        (3, *_CALL, 51),
        "11.17",
        interaction.EstablishTemporaryConnectionArg,
    ),
    Operation(18, "disconnectForwardConnection", 2, "Tdfc", SHORT, True, 2, (11, 12, 14), "11.13"),
    Operation(
        19, "connectToResource", 2, "Tctr", SHORT, True, 2, (*_CALL, 51), "11.10", types.ConnectToResourceArg
    ),
    Operation(20, "connect", 2, "Tcon", SHORT, True, 1, (*_CALL, 8, 17), "11.9", types.ConnectArg),
    Operation(22, "releaseCall", 4, "Trc", SHORT, True, 1, (), "11.26", bytes),
    Operation(
        23,
        "requestReportBCSMEvent",
        2,
        "Trrb",
        SHORT,
        True,
        1,
        (*_CALL, 8, 17),
        "11.27",
        types.RequestReportBCSMEventArg,
    ),
    Operation(24, "eventReportBCSM", 4, "Terb", SHORT, False, 1, (), "11.18", types.EventReportBCSMArg),
    Operation(
        27,
        "collectInformation",
        2,
        "Tci",
        SHORT,
        True,
        4,
        (*_CALL, 8),
        "11.8A",
        parties.CollectInformationArg,
        argument_optional=True,
    ),
    Operation(31, "continue", 4, "Tcue", SHORT, True, 1, (), "11.11"),
    Operation(
        32,
        "initiateCallAttempt",
        1,
        "Tica",
        SHORT,
        True,
        4,
        (*_CALL, 8),
        "11.21",
        parties.InitiateCallAttemptArg,
        result=parties.InitiateCallAttemptRes,
    ),
    Operation(
        33, "resetTimer", 2, "Trt", SHORT, True, 2, (7, 8, 12, 14, 15, 16, 51), "11.28", types.ResetTimerArg
    ),
    Operation(
        34, "furnishChargingInformation", 2, "Tfci", SHORT, True, 2, (7, 12, 14, 15, 16, 17), "11.19", bytes
    ),
    Operation(
        35, "applyCharging", 2, "Tac", SHORT, True, 2, (*_CALL, 8, 17, 51), "11.2", types.ApplyChargingArg
    ),
    Operation(36, "applyChargingReport", 2, "Tacr", SHORT, False, 2, (*_CALL, 8, 17, 51), "11.3", bytes),
    Operation(41, "callGap", 4, "Tcg", SHORT, True, 3, (), "11.5", types.CallGapArg),
    Operation(
        44, "callInformationReport", 4, "Tcirp", SHORT, False, 2, (), "11.6", types.CallInformationReportArg
    ),
    Operation(
        45,
        "callInformationRequest",
        2,
        "Tcirq",
        SHORT,
        True,
        2,
        (*_CALL, 8, 10, 17),
        "11.7",
        types.CallInformationRequestArg,
    ),
    Operation(
        46,
        "sendChargingInformation",
        2,
        "Tsci",
        SHORT,
        True,
        2,
        (*_CALL, 8, 17),
        "11.29",
        parties.SendChargingInformationArg,
    ),
    Operation(
        47,
        "playAnnouncement",
        2,
        "Tpa",
        LONG,
        True,
        2,
        (0, *_CALL, 8, 13, 51),
        "11.23",
        interaction.PlayAnnouncementArg,
    ),
    Operation(
        48,
        "promptAndCollectUserInformation",
        1,
        "Tpc",
        LONG,
        True,
        2,
        (0, 4, *_CALL, 8, 13, 51),
        "11.25",
        interaction.PromptAndCollectUserInformationArg,
        result=interaction.ReceivedInformationArg,
    ),
    Operation(
        49,
        "specializedResourceReport",
        4,
        "Tsrr",
        SHORT,
        False,
        2,
        (),
        "11.30",
        interaction.SpecializedResourceReportArg,
    ),
    Operation(53, "cancel", 2, "Tcan", SHORT, True, 2, (1, 7, 12, 51), "11.8", types.CancelArg),
    Operation(55, "activityTest", 3, "Tat", SHORT, True, 1, (), "11.1"),
    Operation(60, "initialDPSMS", 2, "Tidpsms", SHORT, False, 3, (6, *_CALL, 8), "12.5", sms.InitialDPSMSArg),
    Operation(
        61, "furnishChargingInformationSMS", 2, "Tfcisms", SHORT, True, 3, (7, 12, 14, 15, 16), "12.4", bytes
    ),
    Operation(62, "connectSMS", 2, "Tconsms", SHORT, True, 3, (*_CALL, 8), "12.1", sms.ConnectSMSArg),
    Operation(
        63,
        "requestReportSMSEvent",
        2,
        "Trrbsms",
        SHORT,
        True,
        3,
        (*_CALL, 8),
        "12.7",
        sms.RequestReportSMSEventArg,
    ),
    Operation(64, "eventReportSMS", 4, "Terbsms", SHORT, False, 3, (), "12.3", sms.EventReportSMSArg),
    Operation(65, "continueSMS", 4, "Tcuesms", SHORT, True, 3, (), "12.2"),
    Operation(66, "releaseSMS", 4, "Trelsms", SHORT, True, 3, (), "12.6", bytes),
    Operation(
        67,
        "resetTimerSMS",
        2,
        "Trstsms",
        SHORT,
        True,
        3,
        (7, 8, 12, 14, 15, 16),
        "12.8",
        sms.ResetTimerSMSArg,
    ),
    Operation(70, "activityTestGPRS", 3, "Tatg", SHORT, True, 3, (), "13.1"),
    Operation(
        71, "applyChargingGPRS", 2, "Tacg", SHORT, True, 3, (*_CALL, 8, 50), "13.2", gprs.ApplyChargingGPRSArg
    ),
    Operation(
        72,
        "applyChargingReportGPRS",
        1,
        "Tacrg",
        SHORT,
        False,
        3,
        (*_CALL, 8, 50),
        "13.3",
        gprs.ApplyChargingReportGPRSArg,
    ),
    Operation(73, "cancelGPRS", 2, "Tcag", SHORT, True, 3, _GPRS_FEW, "13.4", gprs.CancelGPRSArg),
    Operation(74, "connectGPRS", 2, "Tcong", SHORT, True, 3, (*_CALL, 8, 50), "13.5", gprs.ConnectGPRSArg),
    Operation(75, "continueGPRS", 2, "Tcueg", SHORT, True, 3, (7, 15, 50), "13.6", gprs.ContinueGPRSArg),
    Operation(
        76, "entityReleasedGPRS", 1, "Terg", SHORT, False, 3, _GPRS_FEW, "13.7", gprs.EntityReleasedGPRSArg
    ),
    Operation(
        77,
        "furnishChargingInformationGPRS",
        2,
        "Tfcig",
        SHORT,
        True,
        3,
        (7, 12, 14, 15, 16, 50),
        "13.9",
        bytes,
    ),
    Operation(
        78, "initialDPGPRS", 2, "Tidpg", SHORT, False, 3, (6, *_CALL, 8), "13.10", gprs.InitialDPGPRSArg
    ),
    Operation(79, "releaseGPRS", 2, "Trg", SHORT, True, 3, _GPRS_FEW, "13.11", gprs.ReleaseGPRSArg),
    Operation(80, "eventReportGPRS", 1, "Tereg", SHORT, False, 3, (50,), "13.8", gprs.EventReportGPRSArg),
    Operation(
        81,
        "requestReportGPRSEvent",
        2,
        "Trrqe",
        SHORT,
        True,
        3,
        (*_CALL, 8, 50),
        "13.12",
        gprs.RequestReportGPRSEventArg,
    ),
    Operation(
        82,
        "resetTimerGPRS",
        2,
        "Trtg",
        SHORT,
        True,
        3,
        (7, 8, 12, 14, 15, 16, 50),
        "13.13",
        gprs.ResetTimerGPRSArg,
    ),
    Operation(
        83,
        "sendChargingInformationGPRS",
        2,
        "Tscig",
        SHORT,
        True,
        3,
        (*_CALL, 8, 50),
        "13.14",
        gprs.SendChargingInformationGPRSArg,
    ),
    Operation(
        86,
        "disconnectForwardConnectionWithArgument",
        2,
        "Tdfcwa",
        SHORT,
        True,
        4,
        (*_CALL, 51),
        "11.14",
        interaction.DisconnectForwardConnectionWithArgumentArg,
    ),
    Operation(
        88,
        "continueWithArgument",
        2,
        "Tcwa",
        SHORT,
        True,
        3,
        (7, 8, 14, 15, 16, 17, 51),
        "11.12",
        parties.ContinueWithArgumentArg,
    ),
    Operation(90, "disconnectLeg", 1, "Tdl", SHORT, True, 4, (*_CALL, 17), "11.15", parties.DisconnectLegArg),
    Operation(93, "moveLeg", 1, "Tml", SHORT, True, 4, (*_CALL, 17), "11.22", parties.MoveLegArg),
    Operation(95, "splitLeg", 1, "Tsl", SHORT, True, 4, (*_CALL, 17), "11.31", parties.SplitLegArg),
    Operation(96, "entityReleased", 4, "Ter", SHORT, False, 4, (), "11.16", parties.EntityReleasedArg),
    Operation(
        97,
        "playTone",
        2,
        "Tpt",
        SHORT,
        True,
        4,
        (7, 8, 11, 14, 15, 16, 17, 51),
        "11.24",
        interaction.PlayToneArg,
    ),
)

BY_OPCODE: Final[dict[int, Operation]] = {operation.opcode: operation for operation in OPERATIONS}
BY_NAME: Final[dict[str, Operation]] = {operation.name: operation for operation in OPERATIONS}


def operation_name(opcode: int) -> str:
    """Return the ASN.1 name of an operation, or ``operation-<code>``."""
    operation = BY_OPCODE.get(opcode)
    return operation.name if operation is not None else f"operation-{opcode}"
