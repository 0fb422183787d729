"""Passes against a plain model: a list of (until, caller, id)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scp.domain.passes import MOST, claimed, fits, granted, withdrawn
from scp.domain.subscriber import Subscriber

callers = st.sampled_from(["", "46701", "46702"])
names = st.sampled_from(["a", "b", "c"])
steps = st.lists(
    st.tuples(st.sampled_from(["grant", "claim", "withdraw"]), names, callers, st.integers(0, 50)),
    max_size=30,
)


@given(steps)
def test_a_pass_lets_one_call_of_its_caller_go_on_while_it_is_valid(given_: list) -> None:
    record, model = Subscriber("46700000001", authorized=True), []
    for now, (what, name, caller, span) in enumerate(given_):
        model = [each for each in model if each[0] > now]
        if what == "grant":
            record = granted(record, name, caller, now + span, now)
            model = [*(each for each in model if each[2] != name), (now + span, caller, name)]
        elif what == "withdraw":
            record = withdrawn(record, name, now)
            model = [each for each in model if each[2] != name]
        else:
            after = claimed(record, caller, now)
            found = next((each for each in model if "" in (caller, each[1]) or each[1] == caller), None)
            if not caller and len(model) > 1:
                found = None  # whose of them it is can't be said
            assert (after is None) == (found is None)
            if after is not None:
                assert fits(record, caller)
                record = after
                model.remove(found)


def test_a_record_keeps_the_newest() -> None:
    record = Subscriber("46700000001")
    for number in range(MOST + 5):
        record = granted(record, f"p{number}", "", 1000, 0)
    assert [each.rpartition(":")[2] for each in record.passes] == [f"p{n}" for n in range(5, MOST + 5)]
