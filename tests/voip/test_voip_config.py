"""``voip.toml``, what Kamailio makes of it, and the messages of the link."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from voip_lab import PASSWORD, ROOT, unavailable

from scp.cli import app
from scp.config import ConfigError
from scp.voip.config import ha1_of, loads
from scp.voip.directory import Device, Directory, Identity
from scp.voip.example import EXAMPLE
from scp.voip.kamailio import settings
from scp.voip.messages import plain
from scp.voip.netstrings import NetstringError, NetstringReader, netstring
from scp.voip.store import Store

MINIMAL = '[voip]\ndomain = "voip.example"\n[numbering]\ncountry_code = "46"\n'
MORE = '[[trunks]]\nname = "a"\naddresses = ["10.0.0.0/8", "2001:db8::1"]\nhost = "10.0.0.5"\ntransport = "tcp"\n'
SECURE = """[sip]
listen = ["udp:127.0.0.1:5060", "tls:127.0.0.1:5061", "ws:127.0.0.1:8088"]
advertise = "192.0.2.1:5060"
tls_certificate = "/c.pem"
tls_key = "/k.pem"
[calls]
mark = ""
"""


def faults(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        loads(text, {})
    return {fault.path: fault.reason for fault in raised.value.faults}


def test_every_fault_is_named_with_its_path() -> None:
    found = faults(
        MINIMAL.replace("voip.example", "VoIP")
        + '[sip]\nlisten = ["sctp:1.2.3.4:5"]\n[charging]\nminutes = 0\n[[devices]]\nid = "a"\nidentities = []\n'
    )
    assert set(found) == {
        "voip.domain",
        "sip.listen[0]",
        "charging.minutes",
        "devices[0].password",
        "devices[0].identities",
    }
    assert faults(MINIMAL + "[charging]\n") == {"charging": "minutes are the node's: [scp] is needed"}
    twice = '[[identities]]\nmsisdn = "46701234567"\n' * 2
    assert faults(MINIMAL + twice) == {"identities[1].msisdn": "46701234567 is there already"}
    device = '[[devices]]\nid = "a"\nidentities = ["46701234568"]\npassword = "{}"\n'
    assert faults(MINIMAL + twice[: len(twice) // 2] + device.format("short")) == {
        "devices[0].identities[0]": "46701234568 is no identity's msisdn",
        "devices[0].password": "has fewer than 10 characters: openssl rand -hex 12 makes a good one",
    }
    assert set(faults(MINIMAL + device.format("46701234568"))) == {
        "devices[0].identities[0]",
        "devices[0].password",
    }
    dids = '[[identities]]\nmsisdn = "46701234567"\ndids = ["46812345"]\n'
    dids += '[[identities]]\nmsisdn = "46701234568"\ndids = ["46812345"]\n'
    assert faults(MINIMAL + dids) == {"identities[1].dids[0]": "46812345 is 46701234567's already"}
    clients = (
        '[api]\nkeys = [{{name = "a", sha256 = "{}", scopes = ["{}"]}}]\n'
        '[messages.smpp]\naddresses = ["127.0.0.1:2775"]\nsystem_id = "a"\n'
        '[admission]\ntext = "{}"\ndids = ["{}"]\n'
    )
    assert faults(
        MINIMAL
        + clients.format("00", "own", "hello", "46812345")
        + dids.partition('[[identities]]\nmsisdn = "46701234568"')[0]
    ) == {
        "api.keys[0].sha256": "must be 64 hexadecimal digits: the token's SHA-256",
        "api.keys[0].scopes": "one or more of operator, trunk; own is of devices, by admission",
        "admission.text": "{pin} is missing",
        "admission.dids[0]": "46812345 is an identity's already",
    }
    assert set(faults(MINIMAL + "[admission]\n")) == {"admission"}
    tls = faults(MINIMAL + '[sip]\nlisten = ["tls:10.0.0.1:5061"]\n')
    assert set(tls) == {"sip.tls_certificate", "sip.tls_key"}


def test_the_example_can_be_used_and_names_every_key() -> None:
    environ = {"CAMEL_SCP_VOIP_TOKEN": "x", "ALICE_PASSWORD": PASSWORD, "SMPP_PASSWORD": "z"}
    loads(EXAMPLE, environ)
    head, found, tail = EXAMPLE.partition("# [[api.keys]]")
    rest, telemetry, tail = tail.partition("[telemetry]")
    everything = head + re.sub("^# ", "", found + rest, flags=re.MULTILINE) + telemetry + tail
    config = loads(everything.replace('["46812345"]', "[]", 1), {**environ, "VOIP_OPERATOR_SHA256": "0" * 64})
    assert config.api is not None
    tables = (
        config.api,
        config.api.keys[0],
        config.admission,
        config.messages,
        config.voip,
        config.sip,
        config.calls,
        config.one_time,
        config.scp,
        config.charging,
        config.store,
        config.telemetry,
    )
    for table in (*tables, config.trunks[0], config.identities[0], config.devices[0]):
        assert table is not None
        for key in table.__struct_fields__:
            if key not in (
                "keys",
                "smpp",
                "calls_per_second",
                "unmask_traced",
            ):  # as in scp.toml, of no use here
                assert re.search(rf"^(# )?{key} = ", EXAMPLE, re.MULTILINE), f"{type(table).__name__}.{key}"


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
@pytest.mark.parametrize(
    "more",
    [
        "",
        MORE,
        SECURE,
        MORE.replace('host = "10.0.0.5"', 'host = "192.0.2.1"') + '[sip]\nhide_key = "a secret"\n',
        '[sip]\nreplication = "udp:127.0.0.1:5066"\npeers = ["udp:127.0.0.1:5067", "udp:127.0.0.1:5068"]\n',
    ],
)
def test_kamailio_takes_the_settings(tmp_path: Path, more: str) -> None:
    shutil.copy(ROOT / "deploy" / "kamailio" / "kamailio.cfg", tmp_path)
    (tmp_path / "settings.cfg").write_text(settings(loads(MINIMAL + more, {})))
    program = shutil.which("kamailio") or "/usr/sbin/kamailio"
    done = subprocess.run(
        [program, "-c", "-f", str(tmp_path / "kamailio.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr


def without_key(text: str) -> str:
    made = re.sub(r'^#!substdef "!DIALOG_KEY![0-9a-f]{32}!g"\n', "", text, flags=re.MULTILINE)
    assert made != text
    return made


def test_the_key_of_calls_is_the_same_wherever_the_secret_is_and_nobody_knows_it_without() -> None:
    def key(more: str) -> str:
        (found,) = re.findall(
            r'^#!substdef "!DIALOG_KEY!(.*)!g"$', settings(loads(MINIMAL + more, {})), re.MULTILINE
        )
        return found

    node = '[scp]\nurl = "http://127.0.0.1:8080"\ntoken = "{}"\n'
    hide = '[sip]\nhide_key = "a secret"\n'
    assert key(node.format("a-token-1")) == key(node.format("a-token-1"))
    assert key(hide + node.format("a-token-1")) == key(hide + node.format("a-token-2"))
    assert (
        len({key(node.format("a-token-1")), key(node.format("a-token-2")), key(hide), key(""), key("")}) == 5
    )


def test_the_commands(tmp_path: Path) -> None:
    file = tmp_path / "voip.toml"
    file.write_text(MINIMAL + MORE)
    run = CliRunner().invoke
    assert "calls go out to 10.0.0.5:5060;transport=tcp (a)" in run(app, ["voip", "check", str(file)]).output
    written = run(app, ["voip", "kamailio-config", "-c", str(file)]).output
    assert without_key(written) == without_key(settings(loads(MINIMAL + MORE, {})))
    assert run(app, ["example", "--voip"]).output == EXAMPLE
    assert "calls go out" in run(app, ["check", str(file)]).output
    key = '[[api.keys]]\nname = "{}"\nsha256 = "{}"\nscopes = ["operator"]\nuntil = "{}"\n'
    keys = key.format("old", "0" * 64, "2020-02-29") + key.format("new", "1" * 64, "9999-12-31")
    file.write_text(MINIMAL + keys)
    said = run(app, ["check", str(file)]).output
    assert "the API key old has expired: its last day was 2020-02-29 (UTC)" in said
    assert "API key new" not in said
    file.write_text(
        MINIMAL + key.format("a", "2" * 64, "9999-12-31") + key.format("b", "2" * 64, "9999-12-31")
    )
    refused = run(app, ["check", str(file)])
    assert refused.exit_code == 2
    assert "keys[1].sha256: b has the token of keys[0], a" in refused.output
    file.write_text(MINIMAL + "[sipp]\n")
    refused = run(app, ["voip", "-c", str(file)])
    assert refused.exit_code == 2
    assert "sipp: unknown key; did you mean sip?" in refused.output


@given(st.lists(st.binary(max_size=50)), st.integers(1, 7))
def test_netstrings_come_out_as_they_went_in_however_they_are_cut(strings: list[bytes], size: int) -> None:
    stream = b"".join(map(netstring, strings))
    reader = NetstringReader()
    found = [one for at in range(0, len(stream), size) for one in reader.feed(stream[at : at + size])]
    assert found == strings


@pytest.mark.parametrize("octets", [b"x:", b"123456789", b"3:abcd", b"99999999:"])
def test_what_is_no_netstring_is_refused(octets: bytes) -> None:
    with pytest.raises(NetstringError):
        NetstringReader().feed(octets + b"........")


def test_texts_of_sip() -> None:
    assert (plain("%3cnull%3e"), plain("<null>"), plain("a%22b%5c"), plain("+46")) == ("", "", 'a"b\\', "+46")


def test_a_change_is_made_if_what_it_expects_is_there(url: str) -> None:
    identity = Identity("46701234567")
    other = Identity("46701234567", dids=("46812345",))
    store = Store(url)
    assert store.change(put=[identity])
    assert not store.change(put=[other], remove=[identity], expect=[other])
    assert not store.change(put=[other], expect=[identity, Identity("46701")])
    assert store.change(put=[other], expect=[identity])
    directory = Directory()
    assert [row.id for row in store.differences(directory)] == ["46701234567"]
    assert store.load(directory) == []
    assert directory.identity("46701234567") == other
    assert store.differences(directory) == []
    store.remove([other])
    assert [(row.kind, row.id, row.body) for row in store.differences(directory)] == [
        ("identity", "46701234567", None)
    ]
    store.close()


def test_the_store_gives_back_what_it_took(url: str) -> None:
    identity, device = Identity("46701234567", dids=("46812345",)), Device("a", "0" * 32, ("46701234567",))
    store = Store(url)
    store.put([identity, device])
    store.mark_registered([("46701234567", True), ("1", True), ("1", False)])
    store.close()
    store, directory = Store(url), Directory()
    assert store.load(directory) == []
    assert (directory.identity("46701234567"), directory.device("a")) == (identity, device)
    assert store.registered() == ["46701234567"]
    store.remove([identity])
    store.close()
    store, directory = Store(url), Directory()
    store.load(directory)
    assert directory.identity("46701234567") is None
    store.close()


def test_ha1_is_that_of_rfc_7616() -> None:
    # RFC 2617 §3.5's example, whose response is known
    assert ha1_of("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"


def test_a_port_that_is_none_is_named() -> None:
    found = faults(MINIMAL + '[sip]\nlisten = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:99999"]\n')
    assert found == {"sip.listen[1]": "tcp:127.0.0.1:99999: ports are from 1 to 65535"}


@pytest.mark.parametrize(
    ("table", "path", "words"),
    [
        ('host = "abc:99999"', "host", 'stands beside it: host = "abc", port = 99999'),
        ('host = "10.0.0.5:5060"', "host", 'stands beside it: host = "10.0.0.5", port = 5060'),
        ('host = "10.0.0.256"', "host", "10.0.0.256 is neither an IP address nor a host name"),
        ('host = "2001:db8::g"', "host", "2001:db8::g is neither an IP address nor a host name"),
        ('addresses = ["10.0.0.1", "abc"]', "addresses[1]", "abc is no IP address"),
        ('addresses = ["10.0.0.1/33"]', "addresses[0]", "10.0.0.1/33 is no IP address"),
        ('addresses = ["999.1.1.1"]', "addresses[0]", "999.1.1.1 is no IP address"),
        ("addresses = []", "addresses", "one or more are needed"),
    ],
)
def test_addresses_of_trunks_that_are_none_are_named(table: str, path: str, words: str) -> None:
    addresses = "" if table.startswith("addresses") else 'addresses = ["10.0.0.1"]\n'
    found = faults(MINIMAL + f'[[trunks]]\nname = "a"\n{addresses}{table}\n')
    assert list(found) == [f"trunks[0].{path}"]
    assert words in found[f"trunks[0].{path}"]


@pytest.mark.parametrize(
    "trunk", ['host = "2001:db8::1"', 'host = "gw.example"', 'host = "10.0.0.5"\nport = 5070', ""]
)
def test_addresses_of_trunks_that_are_some_are_taken(trunk: str) -> None:
    loads(MINIMAL + f'[[trunks]]\nname = "a"\naddresses = ["10.0.0.1/28", "2001:db8::/64"]\n{trunk}\n', {})


def test_where_kamailio_listens_is_looked_at() -> None:
    found = faults(
        MINIMAL + '[sip]\nlisten = ["udp:10.0.0.256:5060"]\nadvertise = "10.0.0.1"\n'
        'replication = "udp:10.0.0.1:0"\npeers = ["udp:10.0.0.2:70000"]\n'
    )
    assert found == {
        "sip.listen[0]": "10.0.0.256 is neither an IP address nor a host name",
        "sip.advertise": "10.0.0.1: ports are from 1 to 65535",
        "sip.replication": "udp:10.0.0.1:0: ports are from 1 to 65535",
        "sip.peers[0]": "udp:10.0.0.2:70000: ports are from 1 to 65535",
    }


def test_a_voip_toml_whose_first_table_is_misspelt_is_not_taken_for_the_nodes(tmp_path: Path) -> None:
    file = tmp_path / "voip.toml"
    file.write_text(MINIMAL.replace("[voip]", "[viop]") + "[sip]\n")
    said = CliRunner().invoke(app, ["check", str(file)])
    assert said.exit_code == 2
    assert "viop: unknown key; did you mean voip?" in said.output
    assert "m3ua" not in said.output


def test_settings_that_cant_be_written_are_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "voip.toml"
    file.write_text(MINIMAL)
    where = tmp_path / "none" / "settings.cfg"
    said = CliRunner().invoke(app, ["voip", "kamailio-config", "-c", str(file), "-o", str(where)])
    assert said.exit_code == 2
    assert f"{where}: No such file or directory" in said.output
