from scp.simulator.ladder import ladder
from scp.simulator.result import CallResult, Step
from scp.simulator.scenario import Scenario
from scp.telemetry.trace import ASCII


def test_a_ladder_shows_messages_contents_outcome_and_verdict():
    steps = [
        Step(0.0, True, "TC-BEGIN", ("initialDP termAttemptAuthorized 46 → 47, service key 100",)),
        Step(0.002, False, "TC-CONTINUE", ("requestReportBCSMEvent tAnswer interrupted", "continue")),
        Step(0.5, True, "local abort"),
    ]
    result = CallResult(scenario=Scenario(), steps=steps, outcome="continued", faults=["too slow"])
    text = ladder(result, ASCII)
    lines = text.splitlines()
    assert lines[0].split("  ")[-1].strip() == "gsmSCF"
    assert any("TC-BEGIN initialDP" in line and line.rstrip().endswith(">|") for line in lines)
    assert any("<" in line and "TC-CONTINUE requestReportBCSMEvent + continue" in line for line in lines)
    for wanted in (
        "service key 100",
        "tAnswer interrupted",
        "* local abort",
        "* continued",
        "* NOT as expected",
    ):
        assert wanted in text
    assert "too slow" in text
    result.faults.clear()
    assert "* as expected" in ladder(result, ASCII)
