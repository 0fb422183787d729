"""What these suites have, or these standards describe, and our cases leave out, with the reason."""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """Something without a case; ``identifiers``: which of `etsi_cases.IDENTIFIERS` it is, by side and group."""

    what: str
    why: str
    identifiers: tuple[tuple[str, str], ...] = ()


ELSEWHERE = "tried elsewhere"
ABSENT = "not in the product"

NOT_COVERED = (
    Gap(
        "M3UA: SCTP associations, multi-homing, path and stream changes",
        f"{ELSEWHERE}: `tests/lab`, on kernel SCTP",
    ),
    Gap(
        "M3UA: the gateway between several ASPs and its AS (loadshare, override, broadcast at an SGP)",
        f"{ABSENT}: the node is an ASP or an IPSP, no signalling gateway",
    ),
    Gap(
        "M3UA: IPSP double exchange (RFC 4666 §4.3.4.1.2)",
        f"{ABSENT}: the peer's own ASPUP and ASPAC are answered, ours are sent; both ends meet in single exchange",
    ),
    Gap(
        "M3UA: dynamic deregistration (DEREG REQ by the ASP)",
        f"{ABSENT}: going down deregisters (RFC 4666 §4.4.2)",
    ),
    Gap(
        "M3UA: use of the Correlation Id in a broadcast AS (RFC 4666 §4.3.4.3)",
        "read and ignored: it lets ASPs that mirror each other start in step; our nodes do not, each answers what it gets",
    ),
    Gap(
        "TS 102 381 for an SGP with two ASPs (ASPTM-V-013 to -015, ASPTM-I-009, MTR-V-001 to -004), and its registration "
        "of routing keys (RKM but for V-004 and I-023)",
        f"{ABSENT}: the node is no gateway",
        (
            ("SGP-ASPTM", "V-013 V-014 V-015 I-009"),
            ("SGP-MTR", "V-001 V-002 V-003 V-004"),
            (
                "SGP-RKM",
                (
                    "V-001 V-002 V-003 I-003 I-004 I-005 I-006 I-007 I-008 I-009 I-010 I-011 I-012 I-013 I-014 I-015 "
                    "I-017 I-018 I-020 I-021 I-022"
                ),
            ),
        ),
    ),
    Gap(
        "TS 102 381 ASP-RKM-V-003, -V-004: DEREG REQ",
        f"{ABSENT}: going down deregisters (RFC 4666 §4.4.2)",
        (("ASP-RKM", "V-003 V-004"),),
    ),
    Gap(
        "TS 102 381 ASP-SSNM-001 to -007: DAUD in answer to DUNA, DRST, SCON and DUPU, of a point code and of a network",
        f"{ABSENT}: an audit is the ASP's choice (RFC 4666 §4.5.3), and ours audits what is configured when it becomes "
        "active (A.7); what those messages do is tried there, with their masks",
        (("ASP-SSNM", "001 002 003 004 005 006 007"),),
    ),
    Gap(
        "TS 102 381 SGP-ASPSM-O-003: ASPUP while active",
        "as L.1.04: the AS is then pending, as RFC 4666 §4.3.2 has it, where the tool awaits AS-INACTIVE, and ERR first",
        (("SGP-ASPSM", "O-003"),),
    ),
    Gap("M3UA: MTP3 restart and the SGP's side of SSNM", f"{ABSENT}: the procedures are the gateway's"),
    Gap(
        "SCCP: classes 2 and 3, connection-oriented messages",
        f"{ABSENT}: CAP is connectionless; such messages are discarded (S.1)",
    ),
    Gap(
        "SCCP: relay of messages for other nodes, global title translation of what passes through",
        f"{ABSENT}: an end node; what is not ours is returned or discarded",
    ),
    Gap(
        "SCCP: coordinated state change (SOR, SOG), replicated subsystems (Q.714 §5.3.5)",
        f"{ABSENT}: nodes of a pair are told apart by their gateways' traffic mode",
    ),
    Gap(
        "SCCP: sending of LUDT, and its segmentation on the way",
        f"{ABSENT}: our messages go as UDT or XUDT; LUDT is read",
    ),
    Gap("TCAP: unidirectional messages", f"{ABSENT}: no CAP operation comes in one; discarded and counted"),
    Gap("TCAP: the connection-oriented network service", f"{ABSENT}: as SCCP classes 2 and 3"),
    Gap(
        "TCAP: sending results in segments",
        f"{ABSENT}: no CAP operation of call control has a result that long",
    ),
    Gap("CAP: SMS, GPRS and IMS contexts", f"{ABSENT}: call control only; the contexts are refused (N.2)"),
    Gap(
        "CAP: specialised resource functions (assist, ConnectToResource, PlayAnnouncement)",
        f"{ABSENT}: the codec knows them; no service of ours uses them",
    ),
    Gap(
        "Any sequence of events and any octets",
        f"{ELSEWHERE}: property tests in `tests/stack` and `tests/engine`",
    ),
    Gap(
        "Another implementation at the other end",
        f"{ELSEWHERE}: osmo-stp in `tests/lab`; tshark reads what the node sends in `tests/engine`",
    ),
)
