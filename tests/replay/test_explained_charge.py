"""``explain`` says what a call under control would be charged, and why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from scp.cli import app
from scp.domain.reservation import Event, Reservation, Step
from scp.store.beside import open_ledger

CONFIG = """
[node]
point_code = "0-23-1"
[store]
url = "sqlite::memory:"
[[m3ua.peers]]
name = "msc"
role = "asp-listen"
transport = "tcp"
local = ["127.0.0.1"]
[numbering]
country_code = "46"
home_vlr = ["4670"]
never_steer = ["112"]
[services.controlled]
service_keys = [100]
[services.controlled.charging]
pays = ["caller", "forwarder", "roamer"]
first_s = 60
free = ["4620"]
barred = ["46900"]
[[charging.tariffs]]
prefix = "46"
price = 6
"""
CALLER = ("--a", "+46700000009")
NONE = "none: released with cause 31"
POOR = "pays 40 s: the switch ends the call after them"


async def paid_in(url: str, amount: int) -> None:
    """The caller has so much, of which a reservation holds 3."""
    ledger = open_ledger(url, "", "a test")
    await ledger.open()
    await ledger.credit("46700000009", "first", amount, 1)
    held = Reservation(
        id="held",
        account="46700000009",
        call_id="c",
        a_number="46700000009",
        b_number="46701234567",
        created_ms=1,
    )
    await ledger.reserve(held, Step(Event.RESERVE, 1, 3, 30, 2**40))
    await ledger.close()


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        (
            ("--trigger", "originating", "--b", "+46701234567", *CALLER),
            {"charged": "yes", "tariff": "yes", "first quota": "6 reserved, 30 s withheld", "account": POOR},
        ),
        (("--trigger", "originating", "--b", "+46201234567", *CALLER), {"charged": "no: free"}),
        (("--trigger", "originating", "--b", "+46900123456", *CALLER), {"barred": "released with cause 31"}),
        (("--trigger", "originating", "--b", "112", *CALLER), {"charged": "no: never-steer"}),
        (("--trigger", "originating", "--b", "+46701234567"), {"charged": "no: nobody pays"}),
        (
            ("--trigger", "originating", "--b", "+4912345678", *CALLER),
            {"charged": "yes", "tariff": "none: released with cause 31"},
        ),
        (
            ("--trigger", "forwarded", "--b", "+46701234567", "--redirecting", "+46700000002", *CALLER),
            {"charged": "yes", "tariff": "yes", "first quota": "6 reserved, 30 s withheld", "account": NONE},
        ),
        (
            ("--trigger", "terminating", "--b", "+46701234567", "--vlr", "46709000001", *CALLER),
            {"charged": "no: nobody pays"},
        ),
        (
            ("--trigger", "terminating", "--b", "+46701234567", "--vlr", "46319999999", *CALLER),
            {"charged": "yes", "tariff": "yes", "first quota": "6 reserved, 30 s withheld", "account": NONE},
        ),
    ],
)
def test_what_a_call_would_be_charged(tmp_path: Path, asked: tuple[str, ...], steps: dict[str, str]) -> None:
    file = tmp_path / "scp.toml"
    url = f"sqlite:{tmp_path / 'money.db'}"
    table = "[[charging.tariffs]]"
    file.write_text(CONFIG.replace(table, f'[charging]\nledger = "{url}"\n{table}'))
    asyncio.run(paid_in(url, 7))
    done = CliRunner().invoke(app, ["explain", "--config", str(file), "--json", *asked])
    assert done.exit_code == 0, done.output
    path = msgspec.json.decode(done.stdout.splitlines()[-1])["path"]
    shown = {step["condition"]: step["outcome"] for step in path}
    if steps.get("account") == POOR:
        assert path[-1]["value"] == "balance 7, 3 of it reserved, 4 left"
    assert {name: shown[name] for name in steps} == steps
    assert not {"charged", "tariff", "first quota", "account", "barred"} & (shown.keys() - steps.keys())


def test_an_hlr_that_would_be_asked_is_said(tmp_path: Path) -> None:
    file = tmp_path / "scp.toml"
    text = CONFIG.replace("sqlite::memory:", f"sqlite:{tmp_path / 'store.db'}").replace(
        "services.controlled", "services.voip-forwarding"
    )
    service = 'service_keys = [100]\nprefix = "99"\nask_hlr = "needed"\n'
    text = text.replace("service_keys = [100]\n", service)
    text += '[sccp]\nglobal_title = "46700000001"\n[map]\ngateway = "0-23-6"\n'
    file.write_text(text)
    record = {
        "msisdn": "46701234567", "authorized": True, "aor": "sip:b@voip.example", "forwarding": True, "when": "roaming",
    }  # fmt: skip
    (tmp_path / "b.ndjson").write_bytes(msgspec.json.encode(record))
    runner = CliRunner()
    done = runner.invoke(app, ["subscribers", "import", str(tmp_path / "b.ndjson"), "-c", str(file)])
    assert done.exit_code == 0, done.output
    ask = ["explain", "--config", str(file), "--json", "--b", "+46701234567", "--trigger"]
    path = msgspec.json.decode(runner.invoke(app, [*ask, "originating"]).stdout.splitlines()[-1])["path"]
    shown = {step["condition"]: (step["value"], step["outcome"]) for step in path}
    assert shown["place"] == ("ask_hlr is needed", "the HLR was not asked")
    path = runner.invoke(app, [*ask, "terminating", "--vlr", "46709000001"]).stdout
    assert '"place"' not in path
    done = runner.invoke(app, [*ask, "originating", "--ask"])
    assert done.exit_code != 0
    assert "--ask has a running node ask the HLR" in done.stderr
    assert "start the node" in done.stderr
