"""All groups of cases; the table, and the page ``deploy/conformance.md``, that are made of them."""

from __future__ import annotations

from pathlib import Path

from case import Case, Group
from etsi_cases import ETSI_ASP, ETSI_SGP
from m3ua_cases import ASP
from m3ua_listener_cases import LISTENER
from node_call_cases import NODE
from not_covered import NOT_COVERED
from sccp_cases import SCCP
from tcap_cases import TCAP

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "deploy" / "conformance.md"
GROUPS = (ASP, LISTENER, ETSI_ASP, ETSI_SGP, SCCP, TCAP, NODE)

INTRODUCTION = """\
# Conformance

What camel-scp is tried against, case by case: `make conformance` runs these and prints this table, and `make test`
runs them on plain and on compiled code. This page is written by `python tests/conformance --write`; a test
holds it to the cases.

A case looks at everything that it sees: `make conformance-mutations` shows it each message, delivery, report and count
lost, there twice, late, and changed in each bit or field, and something where nothing came, and it has to fail each
time. All do; none is excused. `make test` does the same with some of these alterations.

The suites that carriers know for these layers are ETSI TS 102 381 (M3UA), ITU-T Q.786 (SCCP) and ITU-T Q.787
(TCAP). The cases cover what those suites are about as far as the node implements it. In the groups EA and ES **numbers
are TS 102 381's as a public test tool that follows it has them** (github.com/nplab/m3ua-testtool); the wording is ours,
and the standard's own text was not at hand to compare. In all other groups **numbers are ours as well**: the group's
letter, a section and a running number. The numbers of Q.786 and Q.787 are in no text that we could read.
The clause beside a case is where the behaviour is specified, of the group's own standard where it names none.

"""


def reference(group: Group, case: Case) -> str:
    """The standard and the clause."""
    if case.clause.startswith("§"):
        return f"{group.standard} {case.clause}"
    return case.clause if " " in case.clause else f"{group.standard} §{case.clause}"


def page() -> str:
    """The page as it has to be."""
    total = sum(len(group.cases) for group in GROUPS)
    lines = [INTRODUCTION + f"{total} cases in {len(GROUPS)} groups, all of which pass.", ""]
    for group in GROUPS:
        lines += [
            f"## {group.letter} · {group.title}",
            "",
            f"{len(group.cases)} cases; tried: {group.tried}.",
            "",
        ]
        lines += ["| number | reference | purpose |", "| --- | --- | --- |"]
        lines += [f"| {case.number} | {reference(group, case)} | {case.purpose} |" for case in group.cases]
        lines.append("")
    lines += ["## What is not covered, and why", "", "| what | why |", "| --- | --- |"]
    lines += [f"| {gap.what} | {gap.why} |" for gap in NOT_COVERED]
    return "\n".join(lines) + "\n"


def run() -> bool:
    """Run every case, print a line for each, and say whether all passed."""
    failed = 0
    for group in GROUPS:
        print(f"\n{group.letter}  {group.title} ({group.standard})")
        for case in group.cases:
            verdict = "pass"
            try:
                case.run()
            except AssertionError as error:
                failed += 1
                verdict = f"FAIL {error}"
            print(f"  {case.number:8} {reference(group, case):22} {case.purpose}: {verdict}")
    total = sum(len(group.cases) for group in GROUPS)
    print(f"\n{total - failed} of {total} cases pass; not covered, and why: {PAGE.relative_to(ROOT)}")
    return not failed
