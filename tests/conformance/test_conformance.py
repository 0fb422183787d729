"""Every conformance case, and the page that lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import pytest
from case import Case
from etsi_cases import IDENTIFIERS
from m3ua_script import Stage
from mutations import survivors
from not_covered import NOT_COVERED
from suite import GROUPS, PAGE, page
from watch import WATCH

from scp.stack.m3ua.asp import Asp

CASES = [case for group in GROUPS for case in group.cases]


def identifiers(groups: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{group}-{name}" for group, names in groups for name in names.split()]


TOOL = identifiers(IDENTIFIERS.items())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conformance_case(case: Case) -> None:
    case.run()


@pytest.mark.skipif(os.environ.get("CAMEL_SCP_TESTED") == "compiled", reason="it is the cases that are tried")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_notices_what_it_sees_altered(case: Case) -> None:
    """Some of what ``make conformance-mutations`` does."""
    count, unnoticed = survivors(case, some=20)
    assert count, "it sees nothing"
    assert not unnoticed


def test_a_case_that_does_not_look_is_found() -> None:
    def blind() -> None:
        stage = Stage(Asp())
        stage.play("connect\n-> ASPUP")
        assert WATCH.result("not looked at", 5)

    _, unnoticed = survivors(Case("X", "1", "blind", blind))
    assert unnoticed == ["not looked at 2: more", "not looked at 2: less"]


def test_cases_are_numbered_and_referenced() -> None:
    assert len({case.number for case in CASES}) == len(CASES)
    assert len({(group.letter, case.purpose) for group in GROUPS for case in group.cases}) == len(CASES)
    for case in CASES:
        ours = re.fullmatch(r"[A-Z]\.\d+\.\d\d", case.number)
        assert ours or case.number in TOOL
        assert re.search(r"\d+(\.\d+)*\Z", case.clause), case.clause


def test_what_the_public_tool_has_is_a_case_or_has_a_reason() -> None:
    excused = [each for gap in NOT_COVERED for each in identifiers(gap.identifiers)]
    tried = [case.number for case in CASES if case.number in TOOL]
    assert sorted([*tried, *excused]) == sorted(TOOL)


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
