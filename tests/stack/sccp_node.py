"""A node's SCCP between an STP and an MSC, for the tests of it."""

from __future__ import annotations

from scp.stack.sccp import Sccp
from scp.stack.sccp_settings import DISCARD, SccpSettings
from ss7 import sccp
from ss7.m3ua import Data
from ss7.sccp import Address, GlobalTitle, MessageType, Segmentation, UnitData
from ss7.scmg import Management, ScmgType

OWN, STP, MSC = 185, 200, 300
OWN_TITLE = GlobalTitle("46700000001")
MSC_TITLE = GlobalTitle("46700000099")
TO_US = Address(146, -1, OWN_TITLE).encode()
TO_SSN = Address(146, OWN, None, True).encode()
FROM_MSC = Address(146, -1, MSC_TITLE).encode()
FROM_MSC_SSN = Address(146, MSC, None, True).encode()
FROM_ELSEWHERE = Address(146, -1, GlobalTitle("4917000")).encode()


def node(**changed):
    return Sccp(SccpSettings(**{"point_codes": (OWN,), **changed}))


def mtp(payload, opc=STP, dpc=OWN, si=3, sls=5):
    return Data(opc, dpc, si, 2, 0, sls, payload)


def udt(called=TO_US, calling=FROM_MSC, user=b"user", kind=MessageType.UDT, wanted=False, hops=-1, part=None):
    hops = 9 if kind != MessageType.UDT and hops < 0 else hops
    return UnitData(kind, 1, wanted, called, calling, user, hops, part)


def reasons(stack):
    found = [event.reason for event in stack.events if event.kind == DISCARD]
    stack.events.clear()
    return found


def segment(user, remaining, reference=1, first=False, **changed):
    return udt(user=user, kind=MessageType.XUDT, part=Segmentation(first, remaining, reference), **changed)


def management(kind, ssn=146, point_code=OWN, opc=STP):
    peers = Address(1, OWN, None, True).encode(), Address(1, opc, None, True).encode()
    congestion = 1 if kind == ScmgType.SSC else -1
    payload = Management(kind, ssn, point_code, 0, congestion).encode()
    return mtp(UnitData(MessageType.UDT, 0, False, *peers, payload).encode(), opc)


def sent_management(stack):
    sent = []
    for opc, dpc, sls, octets in stack.own:
        message = sccp.decode(octets)
        assert (message.called.ssn, message.calling.ssn, message.protocol_class) == (1, 1, 0)
        assert message.called.route_on_ssn
        assert message.calling.point_code == opc == OWN
        sent.append((dpc, sls, Management.decode(message.data)))
    stack.own.clear()
    return sent
