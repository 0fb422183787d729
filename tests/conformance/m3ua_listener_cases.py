"""M3UA: a listening IPSP, which answers as a gateway does (RFC 4666); `m3ua_script` says how to read it."""

from __future__ import annotations

from case import Case, Group, Section
from m3ua_script import REG_REQ, SERVED, played

from scp.stack.m3ua.settings import SgpSettings, TrafficMode
from scp.stack.m3ua.sgp import Sgp

_sgp_cases: list[Case] = []
_sgp = Section("L", _sgp_cases)


def sgp(clause: str, purpose: str, script: str, settings: SgpSettings | None = None) -> None:
    _sgp.add(clause, purpose, played(lambda: Sgp(settings or SgpSettings(routing_contexts=(7,))), script))


_sgp.begin()
sgp("4.3.4", "A listening side says nothing before it is asked", "connect\nwait 60")
sgp(
    "4.3.4.1",
    "ASPUP is acknowledged; ASPAC is, and traffic may go",
    SERVED + "send sls=1\n-> DATA rc=7",
)
sgp(
    "4.3.4.1",
    "ASPUP while inactive is acknowledged again",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- ASPUP\n-> ASPUP ACK",
)
sgp(
    "4.3.4.1",
    "ASPUP while active: ACK, ERR unexpected message, inactive",
    SERVED + "<- ASPUP\n-> ASPUP ACK\n-> ERR error=06\n-> NTFY status=1.4\nstate inactive",
)
sgp(
    "4.3.4.2",
    "ASPDN is acknowledged in every state",
    "connect\n<- ASPDN\n-> ASPDN ACK\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- ASPDN\n-> ASPDN ACK\n"
    "state down\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- ASPAC\n-> ASPAC ACK\n-> NTFY status=1.3\n"
    "<- ASPDN\n-> ASPDN ACK\nstate down\nas pending",
)
sgp(
    "4.3.4.4",
    "ASPIA is acknowledged; the AS is pending",
    SERVED + "<- ASPIA rc=7\n-> ASPIA ACK rc=7\n-> NTFY status=1.4\nstate inactive\nas pending",
)
sgp(
    "3.8.1",
    "ASPAC while down: ERR unexpected message",
    "connect\n<- ASPAC rc=7\n-> ERR error=06 rc=7\ndiscards unexpected-message",
)
sgp(
    "3.8.1",
    "ASPAC for an unknown routing context: ERR invalid routing context",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- ASPAC rc=8\n-> ERR error=19 rc=8\ndiscards routing-context\nstate inactive",
)
sgp(
    "3.8.1",
    "ASPAC with another traffic mode than configured: ERR unsupported traffic mode type",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- ASPAC mode=1\n-> ERR error=05\ndiscards traffic-mode",
    SgpSettings(routing_contexts=(7,), traffic_mode=TrafficMode.LOADSHARE),
)
sgp(
    "3.8.1",
    "ASPUP without the ASP Identifier that is required: ERR ASP identifier required",
    "connect\n<- ASPUP\n-> ERR error=0e\ndiscards asp-identifier",
    SgpSettings(require_asp_identifier=True),
)
sgp(
    "3.8.1",
    "DATA of an ASP that is not active: ERR unexpected message",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<- DATA rc=7\n-> ERR error=06 rc=7\ndelivered 0\ndiscards not-active",
)
sgp(
    "4.3.4.4",
    "Traffic is taken away with an unsolicited ASPIA ACK, and refused until it is allowed again",
    SERVED
    + "deactivate\n-> ASPIA ACK rc=7\n-> NTFY status=1.4\n<- ASPAC rc=7\n-> ERR error=0d rc=7\ndiscards blocked\nactivate\n<- ASPAC rc=7\n-> ASPAC ACK rc=7\n-> NTFY status=1.3",
)
sgp(
    "4.3.4.2",
    "An ASP is taken down with an unsolicited ASPDN ACK, and ASPUP refused until it is allowed again",
    SERVED
    + "down\n-> ASPDN ACK\nstate down\nas pending\n<- ASPUP\n-> ERR error=0d\ndiscards blocked\nactivate\n"
    "<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.4\nstate inactive",
)
sgp(
    "4.3.1",
    "With its association the ASP is down; its AS is pending for T(r), and what waits goes to the next association",
    SERVED + "lost\nstate down\nas pending\nsend sls=1\nwait 1.9\nconnect\n<- ASPUP\n-> ASPUP ACK\n"
    "-> NTFY status=1.4\n<- ASPAC\n-> ASPAC ACK\n-> NTFY status=1.3\n-> DATA rc=7",
)
sgp(
    "4.3.2",
    "Messages for an AS that is pending wait for its ASP",
    SERVED
    + "<- ASPIA\n-> ASPIA ACK\n-> NTFY status=1.4\nsend sls=1\n<- ASPAC rc=7\n-> ASPAC ACK rc=7\n-> NTFY status=1.3\n-> DATA rc=7",
)
sgp(
    "4.3.2",
    "After T(r) in pending the AS is inactive and what waited is discarded",
    SERVED
    + "<- ASPIA\n-> ASPIA ACK\n-> NTFY status=1.4\nsend sls=1\nwait 1.9\nas pending\nwait 0.1\n-> NTFY status=1.2\nas inactive\ndiscards recovery-expired",
)
sgp(
    "4.5.3",
    "DAUD is answered with what is known, congestion first",
    SERVED + "<- DAUD pc=185 rc=7\n-> DAVA pc=185 rc=7\ndestination 185 restricted\n-> DRST pc=185 rc=7\n"
    "congestion 185 2\n-> SCON pc=185 rc=7 level=2\n<- DAUD pc=185,186 rc=7\n-> SCON pc=185 rc=7 level=2\n"
    "-> DRST pc=185 rc=7\n-> DAVA pc=186 rc=7",
)
sgp(
    "4.5.3",
    "DAUD of a range is answered for the range, then for what is known of its parts",
    SERVED
    + "destination 185 unavailable\n-> DUNA pc=185 rc=7\ndestination 300 unavailable\n-> DUNA pc=300 rc=7\n"
    "<- DAUD pc=184/3 rc=7\n-> DAVA pc=184/3 rc=7\n-> DUNA pc=185 rc=7\n<- DAUD pc=0/255 rc=7\n"
    "-> DAVA pc=0/255 rc=7\n-> DUNA pc=185 rc=7\n-> DUNA pc=300 rc=7",
)
sgp(
    "4.4.1",
    "REG REQ where routing key management is not configured: ERR unsupported message class",
    f"connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<< {REG_REQ}\n-> ERR error=03\n"
    "discards unexpected-message\nstate inactive",
)
sgp(
    "4.4.1",
    "DEREG REQ likewise",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n<< 01000903000000100006000800000007\n-> ERR error=03\n"
    "discards unexpected-message\nstate inactive",
)

# --- several application servers in one association ---
BOTH_SERVED = """
    connect
    <- ASPUP
    -> ASPUP ACK
    -> NTFY status=1.2 rc=7
    -> NTFY status=1.2 rc=9
    <- ASPAC rc=7,9
    -> ASPAC ACK rc=7,9
    -> NTFY status=1.3 rc=7
    -> NTFY status=1.3 rc=9
"""
_sgp.begin()
sgp(
    "4.3.4.3",
    "An ASPAC for some makes the ASP active in those",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2 rc=7\n-> NTFY status=1.2 rc=9\n<- ASPAC rc=9\n"
    "-> ASPAC ACK rc=9\n-> NTFY status=1.3 rc=9\nstate active rc=9\nstate inactive rc=7\n<- DATA rc=7\n"
    "-> ERR error=06 rc=7\n<- DATA rc=9\ndelivered 1\ndiscards not-active",
    SgpSettings(routing_contexts=(7, 9)),
)
sgp(
    "4.3.4.3",
    "ASPAC without a routing context is for all that are configured",
    BOTH_SERVED.replace("rc=7,9", ""),
    SgpSettings(routing_contexts=(7, 9)),
)
sgp(
    "4.3.4.3",
    "Of the routing contexts in ASPAC those that are known are granted; ERR for the others",
    "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2 rc=7\n-> NTFY status=1.2 rc=9\n<- ASPAC rc=8,9\n-> ERR error=19 rc=8\n-> ASPAC ACK rc=9\n"
    "-> NTFY status=1.3 rc=9",
    SgpSettings(routing_contexts=(7, 9)),
)
sgp(
    "4.3.2",
    "Messages wait for the AS that is pending, those of the other go",
    BOTH_SERVED
    + "<- ASPIA rc=9\n-> ASPIA ACK rc=9\n-> NTFY status=1.4 rc=9\nsend sls=1 rc=9\nsend sls=2 rc=7\n"
    "-> DATA rc=7\n<- ASPAC rc=9\n-> ASPAC ACK rc=9\n-> NTFY status=1.3 rc=9\n-> DATA rc=9 sls=1",
    SgpSettings(routing_contexts=(7, 9)),
)
sgp(
    "4.3.4.4",
    "Traffic is taken away in all with one unsolicited ASPIA ACK",
    BOTH_SERVED + "deactivate\n-> ASPIA ACK rc=7,9\n-> NTFY status=1.4 rc=7\n-> NTFY status=1.4 rc=9",
    SgpSettings(routing_contexts=(7, 9)),
)


LISTENER = Group(
    "L",
    "M3UA: listening IPSP",
    "RFC 4666",
    "`Sgp`, the machine of the role ipsp-listen",
    tuple(_sgp_cases),
)
