"""Every conformance case, and the page that lists them."""

from __future__ import annotations

import re

import pytest
from case import Case
from m3ua_script import Stage
from suite import GROUPS, PAGE, page

from scp.stack.m3ua.asp import Asp

CASES = [case for group in GROUPS for case in group.cases]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conformance_case(case: Case) -> None:
    case.run()


def test_cases_are_numbered_and_referenced() -> None:
    assert len({case.number for case in CASES}) == len(CASES)
    assert len({(group.letter, case.purpose) for group in GROUPS for case in group.cases}) == len(CASES)
    for case in CASES:
        ours = re.fullmatch(r"[A-Z]\.\d+\.\d\d", case.number)
        assert ours or re.fullmatch(r"(ASP|SGP)-(ASPSM|ASPTM|MTR|RKM)-[VIO]-\d{3}(-alternate)?", case.number)
        assert re.search(r"\d+(\.\d+)*\Z", case.clause), case.clause


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/conformance --write"


@pytest.mark.parametrize(
    "wrong",
    [
        "connect",  # what was said is not awaited
        "connect\n-> ASPDN",
        "connect\n-> ASPUP id=1",
        "connect\n-> ASPUP stream=1",
        "connect\n-> ASPUP\n-> ASPUP",
        "connect\n-> ASPUP\nstate active",
        "connect\n-> ASPUP\nas active",
        "connect\n-> ASPUP\n<- DATA\ndelivered 1",
        "connect\n-> ASPUP\n<- DATA\ndiscards malformed",
        "connect\n-> ASPUP\nbrings down",
        "connect\n-> ASPUP\nknown 1 unavailable",
        "connect\n-> ASPUP\ncongested 1 1",
    ],
)
def test_a_script_fails_where_the_machine_does_otherwise(wrong: str) -> None:
    with pytest.raises(AssertionError):
        Stage(Asp()).play(wrong)
