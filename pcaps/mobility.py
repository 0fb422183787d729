"""MAP: where a subscriber is, what VLRs tell, and the way of a short message. Each function is one capture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scene import NETWORK, Scene

from scp.simulator.hlr_script import Subscriber, note_mm_event, result_of
from scp.stack.tcap_portions import CONTEXT_NOT_SUPPORTED, refusal
from ss7 import rose, tcap
from ss7.address import AddressString, Imsi
from ss7.map.codec import FAST
from ss7.map.common import CorrelationID, ModificationInstruction, SubscriberIdentity
from ss7.map.contexts import BY_NUMBER
from ss7.map.errors import AbsentSubscriber, AbsentSubscriberReason, AbsentSubscriberSM, ErrorCode
from ss7.map.location import (
    IMSI_ATTACH,
    LOCATION_UPDATE_OTHER_VLR,
    MS_INITIATED_IMSI_DETACH,
    AnyTimeInterrogationArg,
    ProvideSubscriberInfoArg,
    RequestedInfo,
)
from ss7.map.messages import (
    SMRPDA,
    SMRPOA,
    AlertServiceCentreArg,
    ForwardSMArg,
    MOForwardSMArg,
    MTForwardSMArg,
    ReportSMDeliveryStatusArg,
    ReportSMDeliveryStatusArgV2,
    RoutingInfoForSMArg,
    SMDeliveryOutcome,
    USSDArg,
    USSDRes,
)
from ss7.map.operations import BY_OPCODE, Opcode
from ss7.map.routing import InterrogationType, SendRoutingInfoArg
from ss7.map.subscription import (
    AnyTimeModificationArg,
    ModificationRequestForCSI,
    NoteSubscriberDataModifiedArg,
    RequestedCamelSubscriptionInfo,
)
from ss7.sccp import Address, GlobalTitle
from ss7.sms.alphabet import pack
from ss7.tcap_dialogue import Aare, Aarq, encode_dialogue

HLR, VLR, MSC, SCF = 6, 7, 8, 147
CAROL = Subscriber(msisdn="46701234567", vlr="31651000000", cell="204-04-100-200", age=1)
OWN = AddressString("46700000001").encode()
CENTRE = AddressString("46700000002").encode()
DELIVER = bytes.fromhex("040b916407214365f7000062111021000000 05c8329bfd06".replace(" ", ""))

SUBMIT = bytes.fromhex("01010b916407214365f8000005c8329bfd06")
BETWEEN = CorrelationID(b"sip:carol@ims.example", hlr_id=None, sip_uri_a=b"sip:dave@ims.example")
USSD = bytes.fromhex("aa180da682dd6c31192d36bbdd46")


def address(ssn: int, digits: str) -> bytes:
    return Address(ssn=ssn, global_title=GlobalTitle(digits)).encode()


class Dialogue:
    """A MAP dialogue between this node's end and another's, which begins on one of the sides."""

    def __init__(
        self, scene: Scene, number: int, version: int, *, ssn: int, title: str, ours: int = SCF
    ) -> None:
        self.scene = scene
        self.version = version
        self.context = BY_NUMBER[number, version].octets
        self.own, self.other = address(ours, NETWORK.scp_global_title), address(ssn, title)
        self.otid = scene.tid.to_bytes(4, "big")
        scene.tid += 1

    def _say(self, octets: bytes, *, asks: bool, we_ask: bool, note: str = "") -> None:
        ours = asks == we_ask
        self.scene.ends = (self.own, self.other)
        self.scene.tcap(octets, from_switch=not ours, note=note)
        self.scene.ends = None

    def ask(self, opcode: int, argument: Any, *, we_ask: bool = True, note: str = "") -> None:
        octets = FAST.encode_argument(opcode, argument, self.version)
        portion = encode_dialogue(Aarq(self.context)) if self.version > 1 else b""
        self.opcode = opcode
        begin = tcap.build_begin(self.otid, portion, [rose.encode_invoke(1, opcode, octets)])
        self._say(begin, asks=True, we_ask=we_ask, note=note)

    def _portion(self) -> bytes:
        return encode_dialogue(Aare(self.context)) if self.version > 1 else b""

    def result(self, value: Any, *, we_ask: bool = True) -> None:
        octets = FAST.encode_result(self.opcode, value, self.version)
        component = rose.encode_return_result(1, self.opcode if octets else None, octets)
        self._say(tcap.build_end(self.otid, self._portion(), [component]), asks=False, we_ask=we_ask)

    def error(self, code: int, value: Any = None, *, we_ask: bool = True) -> None:
        component = rose.encode_return_error(1, code, FAST.encode_error(code, value, self.version))
        self._say(tcap.build_end(self.otid, self._portion(), [component]), asks=False, we_ask=we_ask)

    def refuse(self) -> None:
        portion = encode_dialogue(refusal(self.context, CONTEXT_NOT_SUPPORTED, b""))
        self._say(tcap.build_abort(self.otid, portion), asks=False, we_ask=True)


def where(scene: Scene, note: str = "") -> Dialogue:
    dialogue = Dialogue(scene, 29, 3, ssn=HLR, title=CAROL.msisdn)
    identity = SubscriberIdentity("msisdn", AddressString(CAROL.msisdn).encode())
    wanted = RequestedInfo(location_information=True, subscriber_state=True)
    dialogue.ask(Opcode.ANY_TIME_INTERROGATION, AnyTimeInterrogationArg(identity, wanted, OWN), note=note)
    return dialogue


def map_locate(scene: Scene) -> None:
    """The HLR says where a subscriber is (anyTimeInterrogation): abroad, then detached, then an error for each reason."""
    scene.up()
    where(scene, "sent to the subscriber's number as global title, SSN 6").result(
        result_of(Opcode.ANY_TIME_INTERROGATION, None, CAROL, 3)[1]
    )
    gone = Subscriber(msisdn=CAROL.msisdn, vlr=CAROL.vlr, detached=True)
    where(scene).result(result_of(Opcode.ANY_TIME_INTERROGATION, None, gone, 3)[1])
    for code in BY_OPCODE[Opcode.ANY_TIME_INTERROGATION].errors:
        where(scene).error(code)
    where(scene).error(
        ErrorCode.ABSENT_SUBSCRIBER, AbsentSubscriber(reason=AbsentSubscriberReason.IMSI_DETACH)
    )


def map_silent(scene: Scene) -> None:
    """The HLR says nothing."""
    where(scene)


def map_refused(scene: Scene) -> None:
    """A context is refused in v3 and in v2, and asked again in the version below until v1, which has no dialogue portion."""
    number = AddressString(CAROL.msisdn).encode()
    for version in (3, 2, 1):
        dialogue = Dialogue(scene, 20, version, ssn=HLR, title=CAROL.msisdn, ours=MSC)
        dialogue.ask(Opcode.SEND_ROUTING_INFO_FOR_SM, RoutingInfoForSMArg(number, False, CENTRE))
        if version > 1:
            dialogue.refuse()
        else:
            dialogue.result(result_of(Opcode.SEND_ROUTING_INFO_FOR_SM, None, CAROL, 1)[1])


def map_mobility(scene: Scene) -> None:
    """A VLR tells of a subscriber (noteMM-Event): landed, attached, detached; the last number has no record."""
    for event in (LOCATION_UPDATE_OTHER_VLR, IMSI_ATTACH, MS_INITIATED_IMSI_DETACH, IMSI_ATTACH):
        dialogue = Dialogue(scene, 42, 3, ssn=VLR, title=CAROL.vlr)
        dialogue.ask(Opcode.NOTE_MM_EVENT, note_mm_event(CAROL, event), we_ask=False)
        if scene.tid & 3:
            dialogue.result(None, we_ask=False)
        else:
            dialogue.error(ErrorCode.UNKNOWN_SUBSCRIBER, we_ask=False)


def map_subscription(scene: Scene) -> None:
    """The M-CSI is switched on (anyTimeModification); the HLR tells of a change (noteSubscriberDataModified)."""
    number = AddressString(CAROL.msisdn).encode()
    dialogue = Dialogue(scene, 43, 3, ssn=HLR, title=CAROL.msisdn)
    on = ModificationInstruction.ACTIVATE
    change = ModificationRequestForCSI(RequestedCamelSubscriptionInfo.M_CSI, on, on)
    dialogue.ask(
        Opcode.ANY_TIME_MODIFICATION,
        AnyTimeModificationArg(SubscriberIdentity("msisdn", number), OWN, csi=change),
    )
    dialogue.result(result_of(Opcode.ANY_TIME_MODIFICATION, None, CAROL, 3)[1])
    told = Dialogue(scene, 22, 3, ssn=HLR, title="46700000006")
    imsi = Imsi(CAROL.imsi).encode()
    told.ask(
        Opcode.NOTE_SUBSCRIBER_DATA_MODIFIED,
        NoteSubscriberDataModifiedArg(imsi, number, all_information_sent=True),
        we_ask=False,
    )
    told.result(None, we_ask=False)


def map_routing(scene: Scene) -> None:
    """Routing information for a call (sendRoutingInfo), v3 and v2."""
    number = AddressString(CAROL.msisdn).encode()
    for version in (3, 2):
        dialogue = Dialogue(scene, 5, version, ssn=HLR, title=CAROL.msisdn)
        more = (InterrogationType.BASIC_CALL, OWN) if version > 2 else (None, None)
        dialogue.ask(Opcode.SEND_ROUTING_INFO, SendRoutingInfoArg(number, *more))
        dialogue.result(result_of(Opcode.SEND_ROUTING_INFO, None, CAROL, version)[1])


def map_message(scene: Scene) -> None:
    """A short message: its way (sendRoutingInfoForSM), its delivery in v3 and v2, and two that the subscriber is absent for."""
    number, imsi = AddressString(CAROL.msisdn).encode(), Imsi(CAROL.imsi).encode()
    way = Dialogue(scene, 20, 3, ssn=HLR, title=CAROL.msisdn, ours=MSC)
    way.ask(Opcode.SEND_ROUTING_INFO_FOR_SM, RoutingInfoForSMArg(number, True, CENTRE))
    way.result(result_of(Opcode.SEND_ROUTING_INFO_FOR_SM, None, CAROL, 3)[1])
    to, sender = SMRPDA("imsi", imsi), SMRPOA("serviceCentreAddressOA", CENTRE)
    kinds: tuple[tuple[int, int, Callable[..., Any]], ...] = (
        (3, Opcode.MT_FORWARD_SM, MTForwardSMArg),
        (2, Opcode.MO_FORWARD_SM, ForwardSMArg),
    )
    for version, opcode, argument in kinds:
        delivery = Dialogue(scene, 25, version, ssn=MSC, title=CAROL.vlr, ours=MSC)
        delivery.ask(opcode, argument(to, sender, DELIVER))
        delivery.result(None)
    failed = Dialogue(scene, 25, 3, ssn=MSC, title=CAROL.vlr, ours=MSC)
    failed.ask(Opcode.MT_FORWARD_SM, MTForwardSMArg(to, sender, DELIVER))
    failed.error(ErrorCode.ABSENT_SUBSCRIBER_SM, AbsentSubscriberSM(diagnostic=1))
    failed = Dialogue(scene, 25, 2, ssn=MSC, title=CAROL.vlr, ours=MSC)
    failed.ask(Opcode.MO_FORWARD_SM, ForwardSMArg(to, sender, DELIVER))
    failed.error(ErrorCode.ABSENT_SUBSCRIBER, True)


def map_segmented(scene: Scene) -> None:
    """Messages too long for a UDT, in XUDT segments (Q.714 §4.1.1.2): a text of 160 septets to the MSC and from it."""
    number, imsi = AddressString(CAROL.msisdn).encode(), Imsi(CAROL.imsi).encode()
    delivery = Dialogue(scene, 25, 3, ssn=MSC, title=CAROL.vlr, ours=MSC)
    text = pack(b"0123456789" * 16)
    delivery.ask(
        Opcode.MT_FORWARD_SM,
        MTForwardSMArg(
            SMRPDA("imsi", imsi),
            SMRPOA("serviceCentreAddressOA", CENTRE),
            DELIVER[:-6] + b"\xa0" + text,
            correlation_id=BETWEEN,
        ),
    )
    delivery.result(None)
    sent = Dialogue(scene, 21, 3, ssn=MSC, title=CAROL.vlr, ours=MSC)
    to, sender = SMRPDA("serviceCentreAddressDA", CENTRE), SMRPOA("msisdn", number)
    sent.ask(
        Opcode.MO_FORWARD_SM,
        MOForwardSMArg(to, sender, SUBMIT[:-6] + b"\xa0" + text, imsi=imsi),
        we_ask=False,
    )
    sent.result(None, we_ask=False)


def map_others(scene: Scene) -> None:
    """The other operations: provideSubscriberInfo, mo-ForwardSM, delivery reports and alerts in their versions, USSD."""
    number, imsi = AddressString(CAROL.msisdn).encode(), Imsi(CAROL.imsi).encode()
    asked = Dialogue(scene, 28, 3, ssn=VLR, title=CAROL.vlr, ours=HLR)
    wanted = RequestedInfo(location_information=True, subscriber_state=True)
    asked.ask(Opcode.PROVIDE_SUBSCRIBER_INFO, ProvideSubscriberInfoArg(imsi, wanted))
    asked.result(result_of(Opcode.PROVIDE_SUBSCRIBER_INFO, None, CAROL, 3)[1])
    sent = Dialogue(scene, 21, 3, ssn=MSC, title=CAROL.vlr, ours=MSC)
    to, sender = SMRPDA("serviceCentreAddressDA", CENTRE), SMRPOA("msisdn", number)
    sent.ask(Opcode.MO_FORWARD_SM, MOForwardSMArg(to, sender, SUBMIT, imsi=imsi), we_ask=False)
    sent.result(None, we_ask=False)
    for version, argument in (
        (3, ReportSMDeliveryStatusArg(number, CENTRE, SMDeliveryOutcome.ABSENT_SUBSCRIBER, 1)),
        (2, ReportSMDeliveryStatusArgV2(number, CENTRE, SMDeliveryOutcome.SUCCESSFUL_TRANSFER)),
    ):
        report = Dialogue(scene, 20, version, ssn=HLR, title=CAROL.msisdn, ours=MSC)
        report.ask(Opcode.REPORT_SM_DELIVERY_STATUS, argument)
        report.result(None)
    alert = Dialogue(scene, 23, 2, ssn=HLR, title="46700000006", ours=MSC)
    alert.ask(Opcode.ALERT_SERVICE_CENTRE, AlertServiceCentreArg(number, CENTRE), we_ask=False)
    alert.result(None, we_ask=False)
    for opcode in (Opcode.PROCESS_UNSTRUCTURED_SS_REQUEST, Opcode.UNSTRUCTURED_SS_REQUEST):
        menu = Dialogue(scene, 19, 2, ssn=HLR, title="46700000006")
        menu.ask(opcode, USSDArg(b"\x0f", USSD), we_ask=opcode == Opcode.UNSTRUCTURED_SS_REQUEST)
        menu.result(USSDRes(b"\x0f", USSD), we_ask=opcode == Opcode.UNSTRUCTURED_SS_REQUEST)
    notice = Dialogue(scene, 19, 2, ssn=HLR, title="46700000006")
    notice.ask(Opcode.UNSTRUCTURED_SS_NOTIFY, USSDArg(b"\x0f", USSD))
    notice.result(None)
