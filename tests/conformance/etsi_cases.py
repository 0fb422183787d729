"""M3UA by the identifiers of a public test tool whose tests follow ETSI TS 102 381 (`nplab/m3ua-testtool`).

An identifier is the side that is tried, a group (ASPSM, ASPTM, MTR: transfer, RKM: routing keys), V for valid,
I for invalid and O for inopportune behaviour, and a number. What is said and heard is written anew from what the
identifier's test tries; `m3ua_script` says how to read it.
"""

from __future__ import annotations

from case import Case, Group
from m3ua_cases import RC7
from m3ua_script import KEY, REG_REQ, SERVED, UP, played

from scp.stack.m3ua.asp import Asp
from scp.stack.m3ua.settings import AspSettings, SgpSettings, TrafficMode
from scp.stack.m3ua.sgp import Sgp

STARTED = "connect\n-> ASPUP\n"
ASKED = f"{STARTED}<- ASPUP ACK\n-> ASPAC rc=7\n"
INACTIVE = "connect\n<- ASPUP\n-> ASPUP ACK\n-> NTFY status=1.2\n"
BAD = "discards malformed"
LONG, LONGER = "5a" * 600, "5a" * 5000

_ASP: tuple[tuple[str, str, str, str], ...] = (
    ("ASPSM-V-002", "3.1.1", "ASPUP has version 1", STARTED),
    ("ASPSM-V-005", "3.1.1", "ASPDN has version 1", f"{ASKED}down\n-> ASPDN"),
    (
        "ASPSM-V-005-alternate",
        "4.3.4.2",
        "From active, ASPIA goes before ASPDN",
        f"{UP}down\n-> ASPIA rc=7\n<- ASPIA ACK rc=7\n-> ASPDN\n<- ASPDN ACK\nstate down",
    ),
    (
        "ASPSM-I-001",
        "3.8.1",
        "ASPUP ACK of another version: ERR invalid version",
        f"{STARTED}<< 0200030400000008\n-> ERR error=01\n{BAD}\nstate down",
    ),
    (
        "ASPSM-I-002",
        "3.8.1",
        "ASPDN ACK of another version: ERR invalid version",
        f"{ASKED}down\n-> ASPDN\n<< 0200030500000008\n-> ERR error=01\n{BAD}\nstate inactive",
    ),
    (
        "ASPSM-I-002-alternate",
        "3.8.1",
        "From active, ASPDN ACK of another version: ERR invalid version",
        (
            f"{UP}down\n-> ASPIA rc=7\n<- ASPIA ACK rc=7\n-> ASPDN\n<< 0200030500000008\n-> ERR error=01\n{BAD}\n"
            "state inactive"
        ),
    ),
    (
        "ASPSM-I-003",
        "3.8.1",
        "An unknown type of ASPSM: ERR unsupported message type",
        f"{STARTED}<< 0100030700000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "ASPSM-O-001",
        "4.3.4.1",
        "ASPDN ACK in answer to ASPUP: no ASPAC",
        f"{STARTED}<- ASPDN ACK\nwait 1.9\nstate down\nwait 0.1\n-> ASPUP",
    ),
    (
        "ASPSM-O-002",
        "4.3.4.3",
        "ASPAC ACK before ASPUP ACK does not make the ASP active",
        f"{STARTED}<- ASPAC ACK\n-> ERR error=06\ndiscards unexpected-message\nstate down\nsend sls=1\nunsent",
    ),
    ("ASPTM-V-001", "4.3.4.3", "After ASPUP ACK the ASP asks for traffic", ASKED),
    ("ASPTM-V-002", "3.1.1", "ASPAC has version 1", ASKED),
    ("ASPTM-V-005", "3.1.1", "ASPIA has version 1", f"{UP}deactivate\n-> ASPIA rc=7"),
    (
        "ASPTM-V-007",
        "3.5.6",
        "BEAT with 5000 octets of data is answered",
        f"{UP}<- BEAT beat={LONGER}\n-> BEAT ACK beat={LONGER}",
    ),
    (
        "ASPTM-V-008",
        "3.5.6",
        "BEAT ACK has the data of the BEAT unchanged",
        f"{UP}<- BEAT beat={LONG}\n-> BEAT ACK beat={LONG}",
    ),
    (
        "ASPTM-I-001",
        "3.8.1",
        "ASPAC ACK of another version: ERR invalid version",
        f"{ASKED}<< 0200040300000008\n-> ERR error=01\n{BAD}\nstate inactive",
    ),
    (
        "ASPTM-I-002",
        "3.8.1",
        "ASPIA ACK of another version: ERR invalid version",
        f"{UP}deactivate\n-> ASPIA\n<< 0200040400000008\n-> ERR error=01\n{BAD}\nstate active",
    ),
    (
        "ASPTM-I-003",
        "3.8.1",
        "An unknown type of ASPTM: ERR unsupported message type",
        f"{ASKED}<< 0100040500000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "ASPTM-O-001",
        "4.3.4.1",
        "ASPUP ACK in answer to ASPAC does not make the ASP active",
        f"{ASKED}<- ASPUP ACK\nstate inactive\nsend sls=1\nunsent",
    ),
    ("MTR-V-001", "3.3.1", "DATA has the routing context", f"{UP}send sls=1\n-> DATA rc=7"),
    ("MTR-V-002", "3.3.1", "DATA has the user's data and label", f"{UP}send sls=1\n-> DATA rc=7 sls=1"),
    ("MTR-V-003", "1.4.7", "DATA goes on a stream that is not 0", f"{UP}send sls=0\n-> DATA rc=7 stream=1"),
    (
        "MTR-I-001",
        "3.8.1",
        "DATA of another version: ERR invalid version",
        f"{UP}<< 0200010100000008\n-> ERR error=01\n{BAD}\ndelivered 0",
    ),
    (
        "MTR-I-002",
        "3.8.1",
        "An unknown class: ERR unsupported message class",
        f"{UP}<< 01000a0000000008\n-> ERR error=03\n{BAD}",
    ),
    (
        "MTR-I-003",
        "3.8.1",
        "An unknown type of transfer message: ERR unsupported message type",
        f"{UP}<< 0100010200000008\n-> ERR error=04\n{BAD}",
    ),
    ("RKM-V-002", "4.4.1", "REG REQ has a valid routing key", f"{STARTED}<- ASPUP ACK\n-> REG REQ"),
    (
        "RKM-I-001",
        "3.8.1",
        "An unknown type of RKM: ERR unsupported message type",
        f"{STARTED}<- ASPUP ACK\n-> REG REQ\n<< 0100090500000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "SSNM-008",
        "3.8.1",
        "DUPU with a mask of 255: ERR invalid parameter value",
        f"{UP}<< 0100020500000018" + "00120008ff0000b9" + "0204000800010005" + f"\n-> ERR error=11\n{BAD}",
    ),
)

_SGP: tuple[tuple[str, str, str, str], ...] = (
    ("ASPSM-V-001", "4.3.4.1", "ASPUP is acknowledged", INACTIVE),
    ("ASPSM-V-003", "4.3.4.5", "ASPUP ACK is followed by NTFY AS-INACTIVE", INACTIVE),
    (
        "ASPSM-V-005",
        "4.3.4.2",
        "ASPDN is acknowledged",
        f"{INACTIVE}<- ASPDN\n-> ASPDN ACK\nstate down",
    ),
    (
        "ASPSM-V-009",
        "3.8.1",
        "ASPUP that the administration does not let in: ERR refused, management blocking",
        "connect\ndown\n<- ASPUP\n-> ERR error=0d\ndiscards blocked",
    ),
    (
        "ASPSM-I-001",
        "3.8.1",
        "ASPUP of another version: ERR invalid version",
        f"connect\n<< 0200030100000008\n-> ERR error=01\n{BAD}",
    ),
    (
        "ASPSM-I-002",
        "3.8.1",
        "An unknown type of ASPSM while down: ERR unsupported message type",
        f"connect\n<< 0100030700000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "ASPSM-I-003",
        "3.8.1",
        "ASPAC while down: ERR unexpected message",
        "connect\n<- ASPAC\n-> ERR error=06\ndiscards unexpected-message",
    ),
    (
        "ASPSM-I-004",
        "3.8.1",
        "An unknown type of ASPSM while inactive: ERR unsupported message type",
        f"{INACTIVE}<< 0100030700000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "ASPSM-O-001",
        "4.3.4.1",
        "ASPUP while inactive is acknowledged again",
        f"{INACTIVE}<- ASPUP\n-> ASPUP ACK",
    ),
    ("ASPSM-O-004", "4.3.4.2", "ASPDN while down is acknowledged", "connect\n<- ASPDN\n-> ASPDN ACK"),
    ("ASPTM-V-001", "4.3.4.3", "ASPAC is acknowledged", SERVED),
    ("ASPTM-V-003", "4.3.4.5", "ASPAC ACK is followed by NTFY AS-ACTIVE", SERVED),
    ("ASPTM-V-005", "3.7.2", "ASPAC ACK has the routing context of the ASPAC", SERVED),
    (
        "ASPTM-V-006",
        "4.3.4.4",
        "ASPIA is acknowledged",
        f"{SERVED}<- ASPIA\n-> ASPIA ACK\n-> NTFY status=1.4\nstate inactive",
    ),
    (
        "ASPTM-V-008",
        "4.3.4.5",
        "ASPIA ACK is followed by NTFY AS-PENDING",
        f"{SERVED}<- ASPIA\n-> ASPIA ACK\n-> NTFY status=1.4",
    ),
    ("ASPTM-V-010", "3.5.6", "BEAT is answered", f"{SERVED}<- BEAT beat=4d335541\n-> BEAT ACK beat=4d335541"),
    (
        "ASPTM-V-011",
        "3.5.6",
        "BEAT ACK has the data of the BEAT unchanged",
        f"{SERVED}<- BEAT beat=0102030405060708090a0b0c0d\n-> BEAT ACK beat=0102030405060708090a0b0c0d",
    ),
    (
        "ASPTM-I-001",
        "3.8.1",
        "ASPAC of another version: ERR invalid version",
        f"{INACTIVE}<< 0200040100000008\n-> ERR error=01\n{BAD}",
    ),
    (
        "ASPTM-I-003",
        "3.8.1",
        "ASPAC with a traffic mode that the AS does not have: ERR unsupported traffic mode type",
        f"{INACTIVE}<- ASPAC mode=3\n-> ERR error=05\ndiscards traffic-mode",
    ),
    (
        "ASPTM-I-004",
        "3.8.1",
        "ASPAC with a traffic mode that there is not: ERR unsupported traffic mode type",
        f"{INACTIVE}<- ASPAC mode=4\n-> ERR error=05\ndiscards traffic-mode",
    ),
    (
        "ASPTM-I-005",
        "3.8.1",
        "ASPAC for an unknown routing context: ERR invalid routing context",
        f"{INACTIVE}<- ASPAC rc=8\n-> ERR error=19 rc=8\ndiscards routing-context",
    ),
    (
        "ASPTM-I-006",
        "3.8.1",
        "An unknown type of ASPTM while inactive: ERR unsupported message type",
        f"{INACTIVE}<< 0100040500000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "ASPTM-I-008",
        "3.8.1",
        "An unknown type of ASPTM while active: ERR unsupported message type",
        f"{SERVED}<< 0100040500000008\n-> ERR error=04\n{BAD}\nstate active",
    ),
    (
        "ASPTM-I-010",
        "4.3.4.4",
        "ASPIA of an active ASP is acknowledged",
        f"{SERVED}<- ASPIA\n-> ASPIA ACK\n-> NTFY status=1.4",
    ),
    (
        "ASPTM-O-001",
        "4.3.4.3",
        "ASPAC while active is acknowledged again",
        f"{SERVED}<- ASPAC rc=7\n-> ASPAC ACK rc=7\nstate active",
    ),
    ("ASPTM-O-003", "4.3.4.4", "ASPIA while inactive is acknowledged", f"{INACTIVE}<- ASPIA\n-> ASPIA ACK"),
    (
        "MTR-V-002-alternate",
        "3.8.1",
        "DATA without Protocol Data: ERR missing parameter",
        f"{SERVED}<< 0100010100000008\n-> ERR error=16\n{BAD}\ndelivered 0",
    ),
    (
        "MTR-V-003-alternate",
        "3.8.1",
        "DATA on stream 0: ERR invalid stream identifier",
        f"{SERVED}<- DATA rc=7\ndelivered 1\n<- DATA rc=7 stream=0\n-> ERR error=09\ndelivered 1\ndiscards data-on-stream-0",
    ),
    (
        "MTR-I-001",
        "3.8.1",
        "DATA of another version: ERR invalid version",
        f"{SERVED}<< 0200010100000008\n-> ERR error=01\n{BAD}\ndelivered 0",
    ),
    (
        "MTR-I-002",
        "3.8.1",
        "An unknown class: ERR unsupported message class",
        f"{SERVED}<< 01000a0100000008\n-> ERR error=03\n{BAD}",
    ),
    (
        "MTR-I-003",
        "3.8.1",
        "An unknown type of transfer message: ERR unsupported message type",
        f"{SERVED}<< 0100010200000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "RKM-V-004",
        "4.4.1",
        "REG REQ where there is no registration: ERR unsupported message class",
        f"{INACTIVE}<< {REG_REQ}\n-> ERR error=03\ndiscards unexpected-message",
    ),
    (
        "RKM-I-023",
        "3.8.1",
        "An unknown type of RKM: ERR unsupported message type",
        f"{INACTIVE}<< 0100090500000008\n-> ERR error=04\n{BAD}",
    ),
    (
        "SSNM-001",
        "4.5.3",
        "DAUD of a congested destination: SCON",
        (
            f"{SERVED}congestion 185 1\n-> SCON pc=185 rc=7 level=1\n<- DAUD pc=185\n-> SCON pc=185 rc=7 level=1\n"
            "-> DAVA pc=185 rc=7"
        ),
    ),
    (
        "SSNM-002",
        "4.5.3",
        "DAUD of a restricted destination: DRST",
        f"{SERVED}destination 185 restricted\n-> DRST pc=185 rc=7\n<- DAUD pc=185\n-> DRST pc=185 rc=7",
    ),
    (
        "SSNM-003",
        "4.5.3",
        "DAUD of an unavailable destination: DUNA",
        f"{SERVED}destination 185 unavailable\n-> DUNA pc=185 rc=7\n<- DAUD pc=185\n-> DUNA pc=185 rc=7",
    ),
    (
        "SSNM-004",
        "4.5.3",
        "DAUD of an available destination: DAVA",
        f"{SERVED}<- DAUD pc=185\n-> DAVA pc=185 rc=7",
    ),
)

IDENTIFIERS = {
    "ASP-ASPSM": "V-002 V-005 V-005-alternate I-001 I-002 I-002-alternate I-003 O-001 O-002",
    "ASP-ASPTM": "V-001 V-002 V-005 V-007 V-008 I-001 I-002 I-003 O-001",
    "ASP-MTR": "V-001 V-002 V-003 I-001 I-002 I-003",
    "ASP-RKM": "V-002 V-003 V-004 I-001",
    "ASP-SSNM": "001 002 003 004 005 006 007 008",
    "SGP-ASPSM": "V-001 V-003 V-005 V-009 I-001 I-002 I-003 I-004 O-001 O-003 O-004",
    "SGP-ASPTM": "V-001 V-003 V-005 V-006 V-008 V-010 V-011 V-013 V-014 V-015 I-001 I-003 I-004 I-005 I-006 I-008 "
    "I-009 I-010 O-001 O-003",
    "SGP-MTR": "V-001 V-002 V-002-alternate V-003 V-003-alternate V-004 I-001 I-002 I-003",
    "SGP-RKM": "V-001 V-002 V-003 V-004 I-003 I-004 I-005 I-006 I-007 I-008 I-009 I-010 I-011 I-012 I-013 I-014 I-015 "
    "I-017 I-018 I-020 I-021 I-022 I-023",
    "SGP-SSNM": "001 002 003 004",
}
"""All that the tool has, by side and group."""


def _asp(name: str) -> Asp:
    return Asp(AspSettings(key=KEY) if name.startswith("RKM") else RC7)


def _sgp() -> Sgp:
    return Sgp(SgpSettings(routing_contexts=(7,), traffic_mode=TrafficMode.LOADSHARE))


ETSI_ASP = Group(
    "EA",
    "M3UA: ASP, by TS 102 381's identifiers",
    "RFC 4666",
    "`Asp`; identifiers as the public tool m3ua-testtool has them",
    tuple(
        Case(f"ASP-{name}", clause, purpose, played(lambda name=name: _asp(name), script))
        for name, clause, purpose, script in _ASP
    ),
)
ETSI_SGP = Group(
    "ES",
    "M3UA: listening IPSP, by TS 102 381's identifiers for an SGP",
    "RFC 4666",
    "`Sgp`; identifiers as the public tool m3ua-testtool has them",
    tuple(
        Case(f"SGP-{name}", clause, purpose, played(_sgp, script)) for name, clause, purpose, script in _SGP
    ),
)
