"""The MSC's messages in dialogues that the gsmSCF holds open, encoded once for all calls of a load test."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from scp.bench.template import CLASS_1_RETURN_ON_ERROR, SLS_VALUES
from scp.simulator.bcsm import CALLED, CALLING, MODELS, NORMAL_CLEARING
from scp.simulator.charged import Reported
from scp.simulator.network import SCCP
from scp.simulator.reports import charging_report, event_report
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
    CHARGE = "charge"  # answer, a charged period's end, once that has a further quota the call's: likewise
    TALK = "talk"  # answer is reported, then nothing, for ever
    LEAVE = "leave"  # nothing, for ever


@final
class HeldScript:
    """What the MSC sends after the first TC-CONTINUE of each dialogue, and, if that charges, after the next.

    Args:
        then: what happens.
        scenario: the call; its trigger says which basic call state model's events are reported.
        network: addresses.
    """

    def __init__(self, then: Then, scenario: Scenario, network: Network) -> None:
        self._then = then
        self._network = network
        self._encode = DataEncoder(network.routing_context).encode
        self._first: list[list[bytes]] = []  # the components of each message
        self._further: list[list[bytes]] = []
        if then is Then.REPORT:
            self._first = [[component] for component in _reports(scenario)]
        elif then is Then.CHARGE:
            self._first, self._further = _charged(scenario)
        elif then is Then.TALK:
            self._first = _charged(scenario)[0][:1]
        self._parts = [self._cut(octets) for octets in self._tcap(_OURS, _THEIRS, self._first)]
        self._ends = [self._cut(octets) for octets in self._tcap(_OURS, _THEIRS, self._further)]

    def _tcap(self, ours: bytes, theirs: bytes, messages: list[list[bytes]]) -> list[bytes]:
        if self._then is Then.END:
            return [build_end(theirs, b"", [])]
        return [build_continue(ours, theirs, b"", components) for components in messages]

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

    def messages(self, ours: bytes, theirs: bytes, *, further: bool = False) -> list[bytes]:
        """Return the messages for a dialogue's two transaction ids; ours has 4 octets.

        ``further``: those that answer a further quota, not the first message.
        """
        sls = ours[3] & 15
        if len(theirs) != len(_THEIRS):
            messages = self._further if further else self._first
            return [self._whole(octets, sls) for octets in self._tcap(ours, theirs, messages)]
        parts = self._ends if further else self._parts
        return [part[sls][0].replace(_OURS, ours) + theirs + part[sls][1] for part in parts]


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


PERIOD: Final = 60.0
"""Seconds since answer at the end of the first charged period."""
TALKED: Final = 72.3
"""Seconds since answer at the call's end."""


def _charged(scenario: Scenario) -> tuple[list[list[bytes]], list[list[bytes]]]:
    """Encode a charged call: answer, the first period's end; then the last report with the disconnect."""
    model, version = MODELS[scenario.trigger], scenario.version

    def invoke(number: int, opcode: Opcode, argument: object) -> bytes:
        return encode_invoke(number, int(opcode), FAST.encode_argument(opcode, argument, version))

    answer = event_report(model.answer, CALLED)
    used = charging_report(Reported(PERIOD, CALLING), version, active=True)
    last = charging_report(Reported(TALKED, CALLING), version, active=False)
    over = event_report(model.disconnect, CALLED, cause=NORMAL_CLEARING)
    event, charge = Opcode.EVENT_REPORT_BCSM, Opcode.APPLY_CHARGING_REPORT
    first = [[invoke(_FIRST_INVOKE_ID, event, answer)], [invoke(_FIRST_INVOKE_ID + 1, charge, used)]]
    further = [invoke(_FIRST_INVOKE_ID + 2, charge, last), invoke(_FIRST_INVOKE_ID + 3, event, over)]
    return first, [further]
