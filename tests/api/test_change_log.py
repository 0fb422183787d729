"""The log of changes: bounded, recalled from the audit file, shown to keys of the scopes alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from scp.api import change_log
from scp.api.audit import Audit
from scp.config import Scope

EVERY = frozenset(Scope)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_was_changed_before_a_start_is_read_from_the_audit_file(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    before = Audit(str(file), lambda: NOW)
    before.changed(
        "care", "PUT /v1/forwarding/46701", {"forwarding": False}, {"msisdn": "46701", "forwarding": True}
    )
    before.refused("care", "PUT /v1/forwarding/46701", 409, "not-registered")
    before.changed("voip", "reserve", None, {"account": "46702", "id": "r1"})
    before.close()
    with file.open("ab") as damaged:
        damaged.write(b"{no line\n")
    after = Audit(str(file), lambda: NOW)
    (found,) = after.changes.of("46701", EVERY, 10)
    assert (found.who, found.before, found.after["forwarding"]) == ("care", {"forwarding": False}, True)
    assert [each.who for each in after.changes.of("", EVERY, 10)] == ["voip", "care"]
    assert after.changes.of("46702", EVERY - {Scope.CHARGING}, 10) == ()
    after.close()


def test_it_forgets_the_oldest_and_what_nobody_knows_nobody_sees() -> None:
    log = change_log.ChangeLog()
    for number in range(change_log.MOST + 5):
        log.add(NOW, "care", f"DELETE /v1/roaming/4670{number:07}", None, None)
    assert len(log.of("", EVERY, change_log.MOST + 5)) == change_log.MOST
    assert log.of("46700000004", EVERY, 1) == ()
    assert len(log.of("46700000005", EVERY, 5)) == 1
    log.add(NOW, "care", "something new", None, {"msisdn": "46701"})
    assert log.of("46701", EVERY, 5) == ()


def test_a_change_by_any_call_is_shown_to_keys_of_its_scope() -> None:
    log = change_log.ChangeLog()
    shown = {
        "PUT /v1/mobility/46701234567": Scope.READ,
        "PUT /v1/passes/46701234567/p1": Scope.PASSES,
        "DELETE /v1/passes/46701234567/p1": Scope.PASSES,
        "PUT /v1/one-time-numbers/46810000017": Scope.PASSES,
        "DELETE /v1/one-time-numbers/46810000017": Scope.PASSES,
        "PUT /v1/traces/46701234567": Scope.TRACE,
        "POST /v1/subscribers:import": Scope.READ,
    }
    for what, scope in shown.items():
        log.add(NOW, "care", what, None, {})
        assert log.of("", frozenset({scope}), 1)[0].what == what
        assert all(each.what != what for each in log.of("", EVERY - {scope}, 100))
