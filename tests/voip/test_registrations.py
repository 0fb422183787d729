"""What the node is told of bindings, against a model: whatever happens, it ends knowing what is so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scp.voip.registrations import Registrations
from scp.voip.store import Store

GRACE = 30.0
ONE = "46701234567"


def told(machine: Registrations, now: float, *, works: bool = True) -> list[bool]:
    """Take what waits, and say that the node has it (or not)."""
    waiting, machine.outbox = machine.outbox, []
    for msisdn, registered in waiting:
        if works:
            machine.told(msisdn, registered, now)
        else:
            machine.failed(msisdn, now)
    return [registered for _, registered in waiting]


def test_the_first_binding_registers_and_the_last_deregisters_after_the_grace() -> None:
    machine = Registrations(GRACE)
    machine.count(ONE, 1, 0.0)
    assert told(machine, 0.1) == [True]
    machine.count(ONE, 2, 1.0)
    machine.count(ONE, 0, 2.0)
    machine.tick(31.9)
    assert told(machine, 31.9) == []
    machine.tick(32.0)
    assert told(machine, 32.0) == [False]
    assert machine.next_deadline() is None


def test_a_device_that_flaps_costs_the_node_nothing() -> None:
    machine = Registrations(GRACE)
    machine.count(ONE, 1, 0.0)
    assert told(machine, 0.0) == [True]
    for second in range(1, 600):
        machine.count(ONE, second % 2, float(second))
        machine.tick(float(second))
        assert told(machine, float(second)) == []


def test_a_brain_that_starts_anew_deregisters_whom_nobody_binds() -> None:
    machine = Registrations(GRACE)
    machine.remember([ONE])
    assert machine.believed() == [ONE]
    machine.count(ONE, 0, 5.0)
    machine.tick(35.0)
    assert told(machine, 35.0) == [False]


def test_what_the_node_did_not_take_is_told_again_later_and_later() -> None:
    machine = Registrations(GRACE)
    machine.count(ONE, 1, 0.0)
    now, waits = 0.0, []
    for _ in range(8):
        assert told(machine, now, works=False) == [True]
        due = machine.next_deadline()
        assert due is not None
        waits.append(due - now)
        now = due
        machine.tick(now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 100), st.booleans(), st.booleans()), max_size=40))
def test_in_the_end_the_node_knows_what_is_so(steps: list[tuple[int, float, bool, bool]]) -> None:
    machine = Registrations(GRACE)
    now, node, bindings = 0.0, False, 0
    for bindings, wait, works, late in steps:
        machine.count(ONE, bindings, now)
        if not late:
            heard = told(machine, now, works=works)
            node = heard[-1] if heard and works else node
        now += wait
        machine.tick(now)
    for _ in range(20):
        heard = told(machine, now)
        node = heard[-1] if heard else node
        due = machine.next_deadline()
        if due is None and not machine.outbox:
            break
        now = max(now, due or now)
        machine.tick(now)
    assert node is bool(bindings)
    assert not machine.outbox


def test_threads_that_write_at_a_time_write_everything(tmp_path: Path) -> None:
    store = Store(f"sqlite:{tmp_path / 'voip.db'}")
    with ThreadPoolExecutor(8) as threads:
        numbers = [str(number) for number in range(200)]
        list(threads.map(lambda number: store.mark_registered([(number, True)]), numbers))
        assert sorted(store.registered()) == sorted(numbers)
        list(threads.map(lambda number: store.mark_registered([(number, False)]), numbers[:150]))
    assert sorted(store.registered()) == sorted(numbers[150:])
    store.close()
