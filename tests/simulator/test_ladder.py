from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scp.simulator.ladder import ASCII, MAX_EVENTS, Ladder, Message, Note, ladder_of, render
from scp.simulator.result import CallResult, Step
from scp.simulator.scenario import Scenario

LADDER = """\
              MSC                         SCP
               │                           │
    0.000 ms   │─────────InitialDP────────▶│
               │  TC-BEGIN otid 01000001, CAP v2
               │  serviceKey 100, calledPartyNumber 0011234567 (unknown)
               │                           │
    0.100 ms   │                           ● lookup 11234567
               │                           │  registered, forwarding while roaming
               │                           │
    0.210 ms   │◀─────────Connect──────────│
               │  destinationRoutingAddress 990011234567
               │  reason: forwarded-roaming│
               │                           │"""


def ladder() -> Ladder:
    found = Ladder()
    found.message(
        10.0,
        "MSC",
        "SCP",
        "InitialDP",
        "TC-BEGIN otid 01000001, CAP v2",
        "serviceKey 100, calledPartyNumber 0011234567 (unknown)",
    )
    found.note(10.0001, "SCP", "lookup 11234567", "registered, forwarding while roaming")
    found.message(
        10.00021,
        "SCP",
        "MSC",
        "Connect",
        "destinationRoutingAddress 990011234567",
        "reason: forwarded-roaming",
    )
    return found


def test_ladder() -> None:
    assert str(ladder()) == LADDER


def test_ascii() -> None:
    text = render(ladder().events, style=ASCII)
    assert text.isascii()
    assert "|---------InitialDP-------->|" in text
    assert "|<---------Connect----------|" in text


def test_nothing_happened() -> None:
    assert render([]) == ""
    assert str(Ladder()) == ""


def test_parties_in_the_order_asked_for_and_arrows_across() -> None:
    text = render(ladder().events, ("SCP", "STP", "MSC"), ASCII)
    head = text.splitlines()[0]
    assert head.index("SCP") < head.index("STP") < head.index("MSC")
    arrow = next(line for line in text.splitlines() if "InitialDP" in line)
    assert "<" in arrow
    assert arrow.count("|") == 2  # it passes the one in the middle


def test_a_message_to_oneself_is_a_note() -> None:
    text = render([Message(0.0, "SCP", "SCP", "timer", ("T1",))])
    assert "● timer" in text
    assert "T1" in text


def test_long_texts_widen_the_ladder() -> None:
    text = render([Message(0.0, "A", "B", "x" * 80), Message(0.0, "B", "C", "y")], style=ASCII)
    arrow = next(line for line in text.splitlines() if "xxx" in line)
    assert "x" * 80 in arrow
    assert arrow.count("|") == 3


def test_details_of_several_lines() -> None:
    text = render([Message(0.0, "A", "B", "x", ("one\ntwo", ""))])
    assert [line.strip(" │") for line in text.splitlines()[3:5]] == ["one", "two"]


def test_a_trace_is_bounded() -> None:
    found = Ladder()
    for number in range(MAX_EVENTS + 5):
        found.note(number, "SCP", f"event {number}")
    assert len(found.events) == MAX_EVENTS
    assert found.dropped == 5
    assert str(found).endswith("… and 5 more events")


names = st.sampled_from(["MSC", "SCP", "a much longer name of a party", "X"])
texts = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=60)
events = st.lists(
    st.builds(Message, st.floats(0, 10), names, names, texts, st.lists(texts, max_size=3).map(tuple))
    | st.builds(Note, st.floats(0, 10), names, texts, st.lists(texts, max_size=3).map(tuple)),
    min_size=1,
    max_size=10,
)


@given(events)
def test_everything_that_was_told_is_in_the_ladder_in_order(told: list[Message | Note]) -> None:
    text = render(told)
    at = text.index("\n")
    for event in told:
        at = text.index(event.text, at) + len(event.text)
        for detail in event.details:
            at = text.index(detail, at) + len(detail)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_ladder_shows_messages_contents_outcome_and_verdict():
    steps = [
        Step(0.0, True, "TC-BEGIN", ("initialDP termAttemptAuthorized 46 → 47, service key 100",)),
        Step(0.002, False, "TC-CONTINUE", ("requestReportBCSMEvent tAnswer interrupted", "continue")),
        Step(0.3, False, "TC-U-ABORT", ("aborted by the gsmSCF",)),
        Step(0.5, True, "local abort"),
    ]
    result = CallResult(scenario=Scenario(), steps=steps, outcome="continued", faults=["too slow"])
    text = ladder_of(result, ASCII)
    lines = text.splitlines()
    assert lines[0].split("  ")[-1].strip() == "gsmSCF"
    assert any("TC-BEGIN initialDP" in line and line.rstrip().endswith(">|") for line in lines)
    assert any("<" in line and "TC-CONTINUE requestReportBCSMEvent + continue" in line for line in lines)
    [abort] = [line for line in lines if "TC-U-ABORT" in line]
    assert abort.split()[-1].strip("-<|") == "TC-U-ABORT"
    for wanted in (
        "aborted by the gsmSCF",
        "service key 100",
        "tAnswer interrupted",
        "* local abort",
        "* continued",
        "* NOT as expected",
    ):
        assert wanted in text
    assert "too slow" in text
    result.faults.clear()
    assert "* as expected" in ladder_of(result, ASCII)
    result.expected = False
    text = ladder_of(result, ASCII)
    assert "as expected" not in text
    assert "* without fault" in text
