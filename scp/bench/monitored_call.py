"""The benchmark's service ``held``: steers calls as ``voip-forwarding`` does, and monitors them to their end.

InitialDP is answered with RequestReportBCSMEvent and Connect (or Continue) in TC-CONTINUE. Answer is
notified; a disconnect waits for Continue, which comes in TC-END.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from scp.services.api import NextReport, Outgoing, ReportKind
from scp.services.voip_forwarding import voip_forwarding
from ss7.cap.operations import Opcode
from ss7.cap.types import (
    LEG2,
    BCSMEvent,
    EventTypeBCSM,
    LegID,
    MessageType,
    MonitorMode,
    RequestReportBCSMEventArg,
)

if TYPE_CHECKING:
    from pathlib import Path

    from scp.services.api import Call, NodeSettings, Report
    from scp.services.voip_forwarding import VoipForwarding

PATIENCE: Final = 3600.0
"""Longest time between two reports of a call, in seconds."""

_CALLED: Final = LegID("sendingSideID", LEG2)
_NOTIFY: Final = MonitorMode.NOTIFY_AND_CONTINUE
_WATCH: Final = Outgoing(
    Opcode.REQUEST_REPORT_BCSM_EVENT,
    RequestReportBCSMEventArg(
        (
            BCSMEvent(EventTypeBCSM.T_BUSY, _NOTIFY, _CALLED),
            BCSMEvent(EventTypeBCSM.T_NO_ANSWER, _NOTIFY, _CALLED),
            BCSMEvent(EventTypeBCSM.T_ANSWER, _NOTIFY, _CALLED),
            BCSMEvent(EventTypeBCSM.T_DISCONNECT, MonitorMode.INTERRUPTED, _CALLED),
            BCSMEvent(EventTypeBCSM.T_ABANDON, _NOTIFY),
        )
    ),
)


class MonitoredCall:
    """The service."""

    name = "held"

    def __init__(self, steering: VoipForwarding) -> None:
        self._steering = steering

    async def run(self, call: Call) -> None:
        """Serve one call."""
        await self._steering.run(call)
        call.outbox.insert(0, _WATCH)
        while _goes_on(call, await NextReport(PATIENCE)):  # and nothing of a report is kept while it waits
            pass


def _goes_on(call: Call, report: Report) -> bool:
    """Deal with a report; False once the call is over."""
    if report.kind is not ReportKind.INVOKE:
        return False
    event = report.argument
    if event.misc_call_info.message_type is MessageType.REQUEST:
        call.invoke(Opcode.CONTINUE)
    return bool(event.event_type_bcsm == EventTypeBCSM.T_ANSWER)


def monitored_call(settings: dict[str, Any], node: NodeSettings) -> MonitoredCall:
    """Build the service; its table has the settings of ``voip-forwarding``."""
    return MonitoredCall(voip_forwarding(settings, node))


def install(folder: Path) -> None:
    """Make ``folder``, once it is on the path, a distribution that adds this service as an entry point.

    Args:
        folder: made here.
    """
    about = folder / "camel_scp_bench-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: camel-scp-bench\nVersion: 1\n", encoding="utf-8"
    )
    (about / "entry_points.txt").write_text(
        f"[camel_scp.services]\n{MonitoredCall.name} = {__name__}:monitored_call\n", encoding="utf-8"
    )
