"""The benchmark of the API: its charged calls and flags are all right, and what it counts is there."""

from __future__ import annotations

from scp.bench.api import measure


def test_calls_are_charged_and_measured() -> None:
    said: list[str] = []
    measuring = measure(0.2, said.append)
    for what in ("calls", "flags"):
        found = next(measuring)
        assert (found.what, found.store, found.wrong, said) == (what, "sqlite", 0, ["api: sqlite"])
        assert found.per_s > 0
        assert 0 < found.p50_ms <= found.p99_ms
        assert found.client_us > 0
