"""Short messages that a switch asks about (CAP v3, v4; TS 23.078 §7). Each function is one capture.

What the gsmSCF says is the product's engine's, with the `[sms_control]` table that each function names.
"""

from __future__ import annotations

from scene import BOB, SERVICE_KEY, Scene, begin_tid, engine_answers, invoke

from scp.capture.wire.transaction import with_ids
from scp.config import SmsControl
from scp.config.sms_control import SmsCharging
from scp.simulator.message import (
    CONTEXTS,
    EVENT_REPORT,
    INITIAL_DP_SMS,
    Message,
    MessageEnd,
    event_report_sms,
    initial_dp_sms,
)
from scp.simulator.scenario import Scenario
from ss7 import tcap
from ss7.tcap_dialogue import Aarq, encode_dialogue

ELSEWHERE = "46700000099"
STEERED = SmsControl(originating="steer", smsc=ELSEWHERE)
BARRED = SmsControl(originating="bar", terminating="bar")
PAID = SmsControl(
    originating="steer", smsc=ELSEWHERE, charging=SmsCharging(pays=("sent", "received"), furnish=True)
)
SENT, RECEIVED = Message(), Message(received=True)
NOBODY, OTHER = "46709999999", "46700000009"


def asked(scene: Scene, version: int, message: Message, note: str, served: str, key: int) -> bytes:
    """The switch asks about a message between the served subscriber and another number."""
    scenario = Scenario(version=version, a_number=served, b_number=OTHER, service_key=key, vlr="46709000001")
    argument = initial_dp_sms(scenario, message, scene.tid.to_bytes(4, "big"))
    begin = tcap.build_begin(
        scene.tid.to_bytes(4, "big"),
        encode_dialogue(Aarq(CONTEXTS[version])),
        [invoke(1, INITIAL_DP_SMS, argument, version)],
    )
    scene.tid += 1
    scene.tcap(begin, from_switch=True, note=note)
    return begin


def answered(
    scene: Scene,
    version: int,
    message: Message,
    policy: SmsControl,
    note: str,
    *,
    served: str = BOB,
    key: int = SERVICE_KEY,
) -> None:
    """A message that is answered in one TC-END."""
    begin = asked(scene, version, message, note, served, key)
    for said in engine_answers(begin, messages=policy):
        scene.tcap(said, from_switch=False)


def paid(scene: Scene, version: int, message: Message, note: str) -> None:
    """A message that is paid for: its end is reported, and the dialogue ends with that."""
    begin = asked(scene, version, message, note, BOB, SERVICE_KEY)
    tid, own = begin_tid(begin), (0x0700_0400 + (scene.tid & 0xFF)).to_bytes(4, "big")
    [control] = engine_answers(begin, messages=PAID)
    control = with_ids(control, own, tid)
    scene.tcap(control, from_switch=False)
    scene.wait(1.5)
    report = invoke(2, EVENT_REPORT, event_report_sms(message), version)
    if message.asks:
        told = tcap.build_continue(tid, own, b"", [report])
    else:
        told = tcap.build_end(own, b"", [report])
    scene.tcap(told, from_switch=True)
    for said in engine_answers(begin, control, told, messages=PAID)[1:]:
        scene.tcap(said, from_switch=False)


def cap3_messages(scene: Scene) -> None:
    """CAP v3, a sent message: it goes to the VoIP side's service centre, on, is refused; nobody serves a key."""
    answered(scene, 3, SENT, STEERED, "ConnectSMS: the subscriber forwards")
    answered(scene, 3, SENT, STEERED, "ContinueSMS: no subscriber", served=NOBODY)
    answered(scene, 3, SENT, BARRED, "ReleaseSMS, RP-Cause 21")
    answered(scene, 3, SENT, STEERED, "missingCustomerRecord", key=999)


def cap4_messages(scene: Scene) -> None:
    """CAP v4, sent and received messages: steered, going on, refused."""
    answered(scene, 4, SENT, STEERED, "ConnectSMS: the subscriber forwards")
    answered(scene, 4, RECEIVED, STEERED, "ContinueSMS: a received message goes on")
    answered(scene, 4, RECEIVED, BARRED, "ReleaseSMS, RP-Cause 21")
    answered(scene, 4, RECEIVED, BARRED, "ContinueSMS: no subscriber", served=NOBODY)


def cap3_paid_messages(scene: Scene) -> None:
    """CAP v3, sent messages that are paid for: RequestReportSMSEvent, FurnishChargingInformationSMS, ConnectSMS."""
    paid(scene, 3, SENT, "submitted: EventReportSMS in TC-END")
    paid(scene, 3, Message(end=MessageEnd.FAILED), "failed, with its cause")
    paid(scene, 3, Message(asks=True), "a switch that waits with its report: ContinueSMS")


def cap4_paid_messages(scene: Scene) -> None:
    """CAP v4, received messages that are paid for: ContinueSMS, then delivery or failure is reported."""
    paid(scene, 4, RECEIVED, "delivered")
    paid(scene, 4, Message(received=True, end=MessageEnd.FAILED), "failed, with its TP-FCS")
