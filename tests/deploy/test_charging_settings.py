"""The pages' tables of settings have each setting of the code, with its default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from scp.config.charging import Chf, Ro
from scp.config.engine import Journal
from scp.services.charging_policy import ChargingPolicy
from scp.services.voip_forwarding import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
HELD = {"rescue", "no_answer_s", "quiet_s", "announce", "call_information"}
SERVERS = {"deadline_ms", "tx_ms", "watchdog_s", "reconnect_s", "failure_handling", "session_failover"}
PATIENCE = {"deadline_ms", "attempt_ms", "breaker_failures", "breaker_rest_s"}


def table(page: str, section: str) -> dict[str, str]:
    """The settings of a section and their defaults, as the page's first table behind its name has them."""
    text = (DEPLOY / page).read_text(encoding="utf-8")
    found = re.search(
        re.escape(f"\n`[{section}]`") + r".*?\n\| setting \| default \| \|\n\|---\|---\|---\|\n(.*?)\n\n",
        text,
        re.DOTALL,
    )
    assert found is not None, f"{page} has no table of [{section}]"
    return dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \| .+ \|$", found[1], re.MULTILINE))


def default(kind: Any, name: str) -> str:
    """The default of a setting as a configuration would have it."""
    (field,) = [each for each in structs.fields(kind) if each.name == name]
    value = field.default
    return "none" if value is None else json.dumps(value)


@pytest.mark.parametrize(
    ("page", "section", "kind", "names"),
    [
        ("charged-calls.md", "services.NAME.charging", ChargingPolicy, None),
        ("charged-calls.md", "charging.chf", Chf, PATIENCE),
        ("charged-calls.md", "charging.ro", Ro, SERVERS),
        ("held-calls.md", "journal", Journal, None),
        ("held-calls.md", "services.NAME", Settings, HELD),
    ],
)
def test_the_page_has_each_setting_with_its_default(
    page: str, section: str, kind: Any, names: set[str] | None
) -> None:
    wanted = names or set(kind.__struct_fields__)
    assert table(page, section) == {name: default(kind, name) for name in wanted}
