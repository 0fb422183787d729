"""What `camel-scp check` finds beyond the file's own words: what would keep a node from starting."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scp.app.preflight import missing_folders, preflight
from scp.cli import app
from scp.config import loads

BASE = """
[node]
point_code = "2-44-1"
[[m3ua.peers]]
name = "msc"
transport = "tcp"
role = "asp-listen"
[numbering]
country_code = "44"
"""
ARMING = """
[sccp]
global_title = "447700900001"
[map]
gateway = "2-44-2"
mobility = true
[map.arming]
state = "{}"
"""


def found(more: str) -> dict[str, str]:
    config = loads(BASE + more, {})
    return dict([*preflight(config), *missing_folders(config)])


def test_what_would_start_has_no_fault() -> None:
    assert found("") == found('[store]\nurl = "redis://10.0.0.9/0"\n') == {}


@pytest.mark.parametrize(
    ("more", "path", "reason"),
    [
        ('[store]\nurl = "reddis://h"\n', "store.url", "no store for the URL scheme reddis"),
        ('[store]\nurl = "redis://h:99999"\n', "store.url", "a port must be from 1 to 65535"),
        ('[store]\nurl = "rediss://h?ca=/no/ca.pem"\n', "store.url", "No such file"),
        ('[store]\nurl = "sqlite:/no/such/s.db"\n', "store.url", "/no/such: there is no such folder"),
        ('[store]\nurl = "sqlite:/dev/null/s.db"\n', "store.url", "/dev/null: not a folder"),
        ('[charging]\nledger = "mysql:x"\n', "charging.ledger", "it may be in SQLite or Redis"),
        ('[charging]\nledger = "sqlite:"\n', "charging.ledger", "the path is missing"),
        ('[charging]\nrecords = "sqlite:"\n', "charging.records", "the path is missing"),
        (ARMING.format("sqlite:"), "map.arming.state", "the path is missing"),
        (ARMING.format("mysql:x"), "map.arming.state", "it may be in SQLite or Redis"),
        (ARMING.format("sqlite:/no/such/a"), "map.arming.state", "there is no such folder"),
        ('[charging]\nrecords = "sqlite:/no/such/r"\n', "charging.records", "there is no such folder"),
        ('[api]\naudit = "/no/such/audit"\n', "api.audit", "there is no such folder"),
        ('[recording]\nfolder = "/no/such"\n', "recording.folder", "there is no such folder"),
        ("[services.other]\nservice_keys = [1]\n", "services.other", "no service of this name is installed"),
        (
            '[services.voip-forwarding]\nservice_keys = [1]\nprefix = "9"\ndigits = "e164"\n',
            "services.voip-forwarding.digits",
            "one of as-dialled, international, national",
        ),
        ('[api.tls]\ncertificate = "/no/c"\nkey = "/no/k"\n', "api.tls.certificate", "/no/c: No such file"),
    ],
)
def test_a_fault_names_its_key(more: str, path: str, reason: str) -> None:
    assert reason in found(more)[path]


def test_certificate_and_key_must_belong_together(tmp_path: Path) -> None:
    for name in "ab":
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", f"/CN={name}", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    tls = '[api.tls]\ncertificate = "{0}/a.pem"\nkey = "{0}/{1}.key"\nclient_ca = "{0}/{2}"\n'
    assert found(tls.format(tmp_path, "a", "b.pem")) == {}
    assert "key values mismatch" in found(tls.format(tmp_path, "b", "b.pem"))["api.tls.certificate"]
    wrong = found(tls.format(tmp_path, "a", "b.key"))
    assert list(wrong) == ["api.tls.client_ca"], ssl.OPENSSL_VERSION


def test_check_refuses_what_serve_would(tmp_path: Path) -> None:
    file = tmp_path / "scp.toml"
    file.write_text(BASE + '[store]\nurl = "reddis://h"\n')
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 2
    assert f"{file}: store.url: no store for the URL scheme reddis" in result.output
    file.write_text(BASE + '[api]\naudit = "/no/such/audit"\n')
    result = CliRunner().invoke(app, ["check", str(file)])
    assert (result.exit_code, "api.audit: /no/such: there is no such folder" in result.stderr) == (0, True)
    missing = CliRunner().invoke(app, ["check", str(tmp_path / "none")])
    assert (missing.exit_code, missing.output) == (2, f"{tmp_path / 'none'}: No such file or directory\n")
