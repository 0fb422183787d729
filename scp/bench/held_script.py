"""The MSC's messages in dialogues that the gsmSCF holds open, encoded once for all calls of a load test."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from scp.bench.template import CLASS_1_RETURN_ON_ERROR, SLS_VALUES
from scp.simulator.bcsm import CALLED, MODELS, NORMAL_CLEARING
from scp.simulator.network import SCCP
from scp.simulator.reports import event_report
from ss7.cap.codec import FAST
from ss7.cap.operations import Opcode
from ss7.m3ua import DataEncoder
from ss7.rose import encode_invoke
from ss7.sccp import udt
from ss7.tcap import build_continue, build_end

if TYPE_CHECKING:
    from scp.simulator.network import Network
    from scp.simulator.scenario import Scenario

_OURS: Final = b"\xc1\xc2\xc3\xc4"
_THEIRS: Final = b"\xd1\xd2\xd3\xd4"
_FIRST_INVOKE_ID: Final = 2  # 1 was the InitialDP's


class Then(StrEnum):
    """What happens to a dialogue that the first answer leaves open."""

    END = "end"  # the MSC ends it: the load is in the first answer only
    REPORT = "report"  # answer, then disconnect is reported, and the gsmSCF ends it
    LEAVE = "leave"  # nothing, for ever


@final
class HeldScript:
    """What the MSC sends after the first TC-CONTINUE of each dialogue.

    Args:
        then: what happens.
        scenario: the call; its trigger says which basic call state model's events are reported.
        network: addresses.
    """

    def __init__(self, then: Then, scenario: Scenario, network: Network) -> None:
        self._then = then
        self._network = network
        self._encode = DataEncoder(network.routing_context).encode
        self._components = _reports(scenario) if then is Then.REPORT else []
        self._parts = [self._cut(octets) for octets in self._tcap(_OURS, _THEIRS)]

    def _tcap(self, ours: bytes, theirs: bytes) -> list[bytes]:
        if self._then is Then.END:
            return [build_end(theirs, b"", [])]
        return [build_continue(ours, theirs, b"", [component]) for component in self._components]

    def _whole(self, octets: bytes, sls: int) -> bytes:
        network = self._network
        unit = udt(network.called(), network.calling(), octets, CLASS_1_RETURN_ON_ERROR)
        return self._encode(
            network.point_code, network.scp_point_code, SCCP, network.network_indicator, 0, sls, unit
        )

    def _cut(self, octets: bytes) -> list[tuple[bytes, bytes]]:
        """Return what stands before and after the peer's transaction id, for every SLS."""
        cuts = [self._whole(octets, sls).partition(_THEIRS) for sls in range(SLS_VALUES)]
        return [(head, tail) for head, _, tail in cuts]

    def messages(self, ours: bytes, theirs: bytes) -> list[bytes]:
        """Return the messages for a dialogue's two transaction ids; ours has 4 octets."""
        sls = ours[3] & 15
        if len(theirs) != len(_THEIRS):
            return [self._whole(octets, sls) for octets in self._tcap(ours, theirs)]
        return [part[sls][0].replace(_OURS, ours) + theirs + part[sls][1] for part in self._parts]


def _reports(scenario: Scenario) -> list[bytes]:
    """Encode the EventReportBCSMs of a call that is answered and then ended by the called party."""
    model = MODELS[scenario.trigger]
    reports = (
        event_report(model.answer, CALLED),
        event_report(model.disconnect, CALLED, request=True, cause=NORMAL_CLEARING),
    )
    opcode = Opcode.EVENT_REPORT_BCSM
    return [
        encode_invoke(number, int(opcode), FAST.encode_argument(opcode, report, scenario.version))
        for number, report in enumerate(reports, _FIRST_INVOKE_ID)
    ]
