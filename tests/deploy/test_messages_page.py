"""The page on text messages: its ten lines deliver one, as they stand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from oracles import page
from oracles.servers import free_ports
from scp.domain.message import State

PAGE = (Path(__file__).parents[2] / "deploy" / "messages.md").read_text(encoding="utf-8")


def test_a_message_is_delivered_by_the_pages_lines(tmp_path: Path) -> None:
    """Other ports are all that differs: those of the page may be taken here."""
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    m3ua, api, metrics, smsc = free_ports(4)
    (lines,) = re.findall(r"```sh\n(TOKEN=.*?)```", PAGE, re.DOTALL)
    swaps = (
        ('role = "asp-listen"\n', f'role = "asp-listen"\nport = {m3ua}\n'),
        ("[api]\n", f'[telemetry]\nmetrics = "127.0.0.1:{metrics}"\n[api]\nlisten = "127.0.0.1:{api}"\n'),
        ("127.0.0.1:8080", f"127.0.0.1:{api}"),
        ("127.0.0.1:2775", f"127.0.0.1:{smsc}"),
        ("camel-scp smsc", f"camel-scp smsc --listen 127.0.0.1:{smsc}"),
    )
    shown = page.run(page.swapped(lines, swaps), tmp_path)
    assert "Hello: привет, 😀" in (tmp_path / "smsc.log").read_text(encoding="utf-8")
    said = json.loads(shown.splitlines()[-1].partition('{"events"')[1] + shown.rpartition('{"events"')[2])
    assert [event["state"] for event in said["events"]] == ["queued", "sent", "delivered"]


def test_the_page_explains_every_state() -> None:
    assert set(re.findall(r"(?m)^\| `([a-z]+)` \|", PAGE)) - {"state"} == {str(state) for state in State}
