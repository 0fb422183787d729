from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scp.config import (
    EXAMPLE,
    Api,
    ApiKey,
    Chf,
    Config,
    ConfigError,
    Endpoint,
    Engine,
    HostPort,
    M3ua,
    NetworkIndicator,
    Node,
    Peer,
    PeerRole,
    PeerTimers,
    PointCode,
    Recording,
    Ro,
    Sccp,
    Scope,
    Secret,
    Store,
    Telemetry,
    describe,
    endpoints,
    load,
    loads,
    m3ua,
)
from scp.config.map import Arming, Map
from scp.config.reader import Reader
from scp.config.services import service_faults
from scp.services.voip_forwarding import Settings
from scp.voip.config import VoipConfig
from scp.voip.config import loads as voip_loads

MINIMAL = """
[node]
point_code = "0-23-1"
[numbering]
country_code = "46"
[[m3ua.peers]]
name = "stp-a"
remote = ["10.0.0.1"]
"""
HASH = "a1" * 32


def faults(text: str, environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        loads(text, environ or {})
    return {fault.path: fault.reason for fault in raised.value.faults}


def minimal(replace: str = "", by: str = "", *, more: str = "") -> str:
    assert replace in MINIMAL
    return MINIMAL.replace(replace, by, 1) + more if replace else MINIMAL + more


# --- what is right ---


def test_minimal() -> None:
    config = loads(MINIMAL, {})
    assert config.node.point_code == 185
    assert config.node.instance == 0
    assert config.sccp.ssn == 146
    assert config.m3ua.peers[0].role is PeerRole.ASP
    assert config.m3ua.peers[0].port == 2905
    assert config.m3ua.peers[0].beat == 0
    assert config.store.url.reveal() == "sqlite:camel-scp.db"
    assert config.store.deadline_ms < config.engine.answer_deadline_ms < 1000
    assert config.engine.codec == "fast"
    assert config.services == {"voip-forwarding": {"service_keys": [100], "prefix": "99"}}
    assert config.api is None


def test_example_is_what_the_design_says() -> None:
    config = loads(EXAMPLE, {})
    assert config.node.name == "scp-1"
    assert config.node.network_indicator is NetworkIndicator.INTERNATIONAL
    assert config.m3ua.peers[0].remote == ("10.0.0.1", "10.0.1.1")
    assert config.numbering.never_steer == {"112", "911"}
    assert config.services["voip-forwarding"]["nature"] == "keep"
    assert config.api == Api(), "who starts with it has the API and the console, on this host, by a key"
    assert "HTTP API without keys: every request will be refused" in describe(config)


SECRETS = {"CAMEL_SCP_OPERATOR_SHA256": HASH, "CAMEL_SCP_MASK_KEY": "k", "CAMEL_SCP_SMPP_PASSWORD": "p"}


def uncommented(without: str = "charging.ro") -> str:
    """The example without its comments, and without one of the two systems that may charge in our place."""
    every = re.sub(r"^# (?=\[|[a-z_0-9]+ = )", "", EXAMPLE, flags=re.MULTILINE)
    return re.sub(rf"^\[{re.escape(without)}\].*\n(?:.+\n)*", "", every, flags=re.MULTILINE)


def test_example_with_everything_uncommented_loads() -> None:
    config = loads(uncommented(), SECRETS)
    assert config.charging.chf is not None
    assert loads(uncommented("charging.chf"), SECRETS).charging.ro is not None
    assert config.api is not None
    assert config.recording is not None
    assert config.recording.key == Secret("k")
    assert config.api.keys[0].scopes == set(Scope)
    assert config.m3ua.peers[0].destinations == (9,)


RO = """
[charging.ro]
servers = ["ocs.example:3868"]
origin_realm = "example.org"
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("servers = []", "charging.ro.servers: one or more are needed"),
        ('servers = ["a:1", "a:1"]', "charging.ro.servers: each once"),
        ('servers = [":3868"]', "charging.ro.servers[0]: ':3868' has to name a host and a port"),
        ('servers = ["a"]', "charging.ro.servers[0]: 'a' is not HOST:PORT"),
        ('origin_realm = "ex ample"', "charging.ro.origin_realm: 'ex ample' is not allowed: a host name"),
        (
            'failure_handling = "retry"',
            "charging.ro.failure_handling: 'retry' is not allowed: one of terminate",
        ),
        ("watchdog_s = 5", "charging.ro.watchdog_s: 5 is not allowed: seconds, from 6 to 3600"),
        ('ca = "x"', "charging.ro.ca: is for tls = true"),
        ('tls = true\nkey = "x"', "charging.ro.key: is of a certificate, which is not given"),
        (
            '[charging.chf]\nurl = "http://chf"',
            "charging.ro: charging.chf is there as well: one of them charges",
        ),
    ],
)
def test_what_is_wrong_with_an_online_charging_system_is_said_by_its_key(more: str, says: str) -> None:
    key = more.partition(" ")[0]
    table = re.sub(rf"^{key} = .*\n", "", RO, flags=re.MULTILINE) if not more.startswith("[") else RO
    with pytest.raises(ConfigError) as wrong:
        loads(MINIMAL + table + more, {})
    assert says in str(wrong.value)


def test_who_charges_is_described() -> None:
    text = describe(loads(MINIMAL + RO, {}))
    assert "reservations by the online charging system at ocs.example:3868; " in text
    sms = '[sms_control]\nservice_keys = [7]\nsmsc = "46709000099"\n[sms_control.charging]\n'
    with pytest.raises(ConfigError, match=r"sms_control\.charging\.tariffs: one or more are needed"):
        loads(MINIMAL + sms, {})
    text = describe(loads(MINIMAL + RO + sms, {}))
    assert "short messages that are paid for: " in text
    assert ", by the online charging system; " in text


def test_a_typing_error_in_a_services_name_is_not_taken_for_missing_service_keys() -> None:
    with pytest.raises(ConfigError) as wrong:
        loads(
            MINIMAL
            + "[services.controlled]\nservice_keys = [2]\n[services.controled.charging]\nfirst_s = 60\n",
            {},
        )
    assert "services.controled.service_keys: " in str(wrong.value)
    assert str(wrong.value).endswith("; did you mean services.controlled?")
    with pytest.raises(ConfigError) as wrong:
        loads(MINIMAL + "[services.controlled]\n", {})
    assert str(wrong.value).endswith("service keys is needed")


def test_tariffs_are_counted_in_words_that_agree() -> None:
    tariffs = [
        '[[charging.tariffs]]\nprefix = "46"\nprice = 60\n',
        '[[charging.tariffs]]\nprefix = "47"\nprice = 60\n',
    ]
    assert "reservations by 1 tariff in EUR" in describe(loads(MINIMAL + tariffs[0], {}))
    assert "reservations by 2 tariffs in EUR" in describe(loads(MINIMAL + "".join(tariffs), {}))


def test_example_names_every_key_with_its_default() -> None:
    def tables(kind: type[msgspec.Struct]):
        yield kind
        for field in msgspec.structs.fields(kind):
            if isinstance(field.default, msgspec.Struct):
                yield from tables(type(field.default))

    every = uncommented("nothing")
    example = loads(uncommented(), SECRETS)
    kinds = [
        Chf,
        Ro,
        *tables(Config),
        Node,
        Peer,
        Api,
        ApiKey,
        Recording,
        Map,
        type(example.numbering),
    ]
    for kind in kinds:
        for name in kind.__struct_fields__:
            assert re.search(rf"(^|\[|\.){name}( =|\]|\.)", every, re.MULTILINE), f"{kind.__name__}.{name}"
    timers = example.m3ua.peers[0].timers
    assert timers == PeerTimers()
    assert example.engine == Engine()
    assert example.map is not None
    arming = msgspec.structs.replace(example.map.arming, state=None)
    assert arming == Arming()
    shown = msgspec.structs.replace(example.map, hlr=None, allowed_callers=(), arming=None)
    assert shown == Map(example.map.gateway)
    assert example.telemetry == Telemetry()
    assert example.store == Store()


def test_roles_and_heartbeats() -> None:
    text = minimal(
        'remote = ["10.0.0.1"]', 'role = "ipsp-listen"\ntransport = "tcp"\nlocal = ["::1"]\nport = 2906'
    )
    peer = loads(text, {}).m3ua.peers[0]
    assert peer.role.listens
    assert peer.role.ipsp
    assert peer.beat == 30
    assert loads(text + "heartbeat_s = 0\n", {}).m3ua.peers[0].beat == 0


@pytest.mark.parametrize(
    ("indicator", "code"), [("international", 0), ("spare", 1), ("national", 2), ("reserved", 3)]
)
def test_network_indicator_on_the_wire(indicator: str, code: int) -> None:  # Q.704 §14.2.2
    assert NetworkIndicator(indicator).code == code


# --- what is wrong ---


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (MINIMAL + "[nod]\n", "nod", "did you mean node?"),
        (MINIMAL + "[redis]\n", "redis", "unknown key; there are: node, m3ua"),
        (MINIMAL + "routing_contxt = 1\n", "m3ua.peers[0].routing_contxt", "did you mean routing_context?"),
        (MINIMAL + "[m3ua.peers.timers]\nack = 1\n", "m3ua.peers[0].timers.ack", "did you mean ack_s?"),
        (MINIMAL.replace('point_code = "0-23-1"', ""), "node.point_code", "required"),
        (MINIMAL.replace('country_code = "46"', ""), "numbering.country_code", "required"),
        ("", "node", "required"),
        ("node = 1", "node", "must be a table, not 1"),
        ("[recording]\nfiles = 2", "recording.folder", "required"),
        ('[recording]\nfolder = "."\nnumbers = ["+46"]', "recording.numbers[0]", "E.164 digits"),
        (
            MINIMAL + '[recording]\nfolder = "."\npeers = ["x"]',
            "recording.peers[0]",
            "x is none of m3ua.peers",
        ),
        ("[telemetry]\ncalls_per_second = -1", "telemetry.calls_per_second", "calls a second"),
        ("m3ua = { peers = 5 }", "m3ua.peers", "must be a list, not 5"),
        ("m3ua = { peers = [] }", "m3ua.peers", "at least one"),
        ("services = 5", "services", "must be a table"),
        ("[services]\nx = 5", "services.x", "must be a table"),
        ("[node]\ninstance = 256", "node.instance", "256 is not allowed: an integer from 0 to 255"),
        ("[node]\ninstance = -1", "node.instance", "-1 is not allowed"),
        ("[node]\ninstance = true", "node.instance", "true is not allowed"),
        ('[node]\nname = "a b"', "node.name", "letters, digits"),
        ('[node]\nname = "a\\n"', "node.name", "letters, digits"),
        ('[node]\npoint_code = "0-256-1"', "node.point_code", "256 is not within 0..255"),
        ('[node]\npoint_code = "1-2"', "node.point_code", "2 parts"),
        ("[node]\npoint_code = 16384", "node.point_code", "16384 is not within 0..16383"),
        ("[node]\npoint_code = 1.5", "node.point_code", "zone-area-point"),
        ("[node]\npoint_code = true", "node.point_code", "zone-area-point"),
        (
            '[node]\nnetwork_indicator = "x"',
            "node.network_indicator",
            "one of international, spare, national",
        ),
        ("[sccp]\nssn = 255", "sccp.ssn", "an integer from 2 to 254"),
        ('[sccp]\nglobal_title = "+4670"', "sccp.global_title", "1 to 15 digits"),
        ('[sccp]\nallowed_callers = ["4670", "x"]', "sccp.allowed_callers[1]", "point code"),
        ('[sccp]\nallowed_callers = ["0-999-1"]', "sccp.allowed_callers[0]", "within"),
        ("[sccp]\nreassembly_s = nan", "sccp.reassembly_s", "seconds, from"),
        (minimal('remote = ["10.0.0.1"]', ""), "m3ua.peers[0].remote", "required for role asp"),
        (MINIMAL + 'role = "sg"\n', "m3ua.peers[0].role", "asp, asp-listen, ipsp, ipsp-listen"),
        (
            MINIMAL + 'transport = "udp"\n',
            "m3ua.peers[0].transport",
            "'udp' is not allowed: one of sctp, tcp",
        ),
        (minimal("10.0.0.1", "10.0.0.1:2905"), "m3ua.peers[0].remote[0]", "the port of all of them"),
        (MINIMAL + 'local = ["h", "10.0.0.256"]\n', "m3ua.peers[0].local[1]", "'10.0.0.256' is no address"),
        (
            minimal("[[m3ua.peers]]", "[m3ua.peers]"),
            "m3ua.peers",
            "a list of tables, each under [[m3ua.peers]]",
        ),
        (
            minimal('["10.0.0.1"]', '"10.0.0.1"'),
            "m3ua.peers[0].remote",
            "a list, ['10.0.0.1'], not '10.0.0.1'",
        ),
        (MINIMAL + "port = 65536\n", "m3ua.peers[0].port", "an integer from 1 to 65535"),
        (MINIMAL + 'role = "asp-listen"\nlocal_port = 1\n', "m3ua.peers[0].local_port", "as port"),
        (MINIMAL + "routing_context = 4294967296\n", "m3ua.peers[0].routing_context", "4294967295"),
        (
            MINIMAL + "routing_context = [1, 2]\nnetwork_appearance = [1, 2, 3]\n",
            "m3ua.peers[0].network_appearance",
            "3 for the 2 of routing_context",
        ),
        (MINIMAL + 'destinations = ["9-9-9"]\n', "m3ua.peers[0].destinations[0]", "within"),
        (MINIMAL + "heartbeat_s = -1\n", "m3ua.peers[0].heartbeat_s", "from 0 to 3600"),
        (
            MINIMAL + "[m3ua.peers.timers]\nreconnect_most_s = 0.1",
            "m3ua.peers[0].timers.reconnect_most_s",
            "less",
        ),
        (MINIMAL + '[[m3ua.peers]]\nname = "stp-a"\nremote = ["x"]', "m3ua.peers[1].name", "peers[0]'s name"),
        (
            MINIMAL + 'role = "asp-listen"\n[[m3ua.peers]]\nname = "b"\nrole = "ipsp-listen"',
            "m3ua.peers[1].port",
            "stp-a listens",
        ),
        ("[store]\nurl = 5", "store.url", "must be a string"),
        ('[store]\nurl = "env:NOT_THERE"', "store.url", "no variable NOT_THERE"),
        ('[store]\nurl = "file:/nowhere/at/all"', "store.url", "No such file"),
        ("[store]\ndeadline_ms = 0", "store.deadline_ms", "milliseconds, from 1 to 900"),
        ("[store]\ndeadline_ms = 901", "store.deadline_ms", "milliseconds"),
        (
            MINIMAL + "[store]\ndeadline_ms = 400",
            "store.deadline_ms",
            "below engine.answer_deadline_ms (400)",
        ),
        ('[store]\non_failure = "retry"', "store.on_failure", "one of continue, release"),
        ("[engine]\nanswer_deadline_ms = 1000", "engine.answer_deadline_ms", "from 10 to 900"),
        ("[engine]\nmax_dialogues = 0", "engine.max_dialogues", "from 1"),
        ('[engine]\ncodec = "pycrate"', "engine.codec", "not allowed"),
        ('[numbering]\ncountry_code = "046"', "numbering.country_code", "not allowed"),
        (
            '[numbering]\ninternational_prefix = ["00", "+"]',
            "numbering.international_prefix[1]",
            "not allowed",
        ),
        ("[services.x]", "services.x.service_keys", "one or more"),
        ("[services.x]\nservice_keys = [1, 1]", "services.x.service_keys[1]", "given twice"),
        ("[services.x]\nservice_keys = [2147483648]", "services.x.service_keys[0]", "2147483647"),
        (
            "[services.x]\nservice_keys = [1]\n[services.y]\nservice_keys = [1]",
            "services.y.service_keys[0]",
            "services.x",
        ),
        ("[services.voip-forwarding]\nservice_keys = [1]", "services.voip-forwarding.prefix", "either"),
        (
            '[services.voip-forwarding]\nservice_keys = [1]\nprefix = "1"\nsuffix = "2"',
            "services.voip-forwarding.prefix",
            "either",
        ),
        (
            '[services.voip-forwarding]\nservice_keys = [1]\nsuffix = "9 9"',
            "services.voip-forwarding.suffix",
            "digits",
        ),
        ('[api]\nlisten = "127.0.0.1"', "api.listen", "HOST:PORT"),
        (MINIMAL + '[api]\nlisten = "127.0.0.1:9464"', "telemetry.metrics", "already"),
        (
            '[[api.keys]]\nname = "a"\nsha256 = "short"\nscopes = ["read"]',
            "api.keys[0].sha256",
            "64 hexadecimal",
        ),
        (f'[[api.keys]]\nname = "a"\nsha256 = "{HASH}"\nscopes = []', "api.keys[0].scopes", "at least one"),
        (
            f'[[api.keys]]\nname = "a"\nsha256 = "{HASH}"\nscopes = ["all"]',
            "api.keys[0].scopes[0]",
            "one of auth",
        ),
        (
            (
                f'[api]\nkeys = [{{name = "a", sha256 = "{HASH}", scopes = ["read"]}},'
                f'{{name = "a", sha256 = "{HASH}", scopes = ["read"]}}]'
            ),
            "api.keys[1].name",
            "keys[0]'s name",
        ),
        (MINIMAL + '[map]\ngateway = "0-1-1"', "sccp.global_title", "required with [map]"),
        ('[map]\ngateway = "0-1-1"\nallowed_callers = ["0-1-1"]', "map.allowed_callers[0]", "a prefix"),
        ("[map]", "map.gateway", "required"),
        (
            MINIMAL
            + 'destinations = ["0-1-2"]\n[sccp]\nglobal_title = "46700000001"\n[map]\ngateway = "0-1-1"',
            "map.gateway",
            "0-1-1: no peer leads to it",
        ),
        ('[map]\ngateway = "0-1-1"\n[map.arming]\nrat = 1', "map.arming.rat", "did you mean rate?"),
        ('[map]\ngateway = "0-1-1"\nmobility = false\n[map.arming]', "map.mobility", "must be true"),
        (
            "[sms_control.charging]\ntariffs = [{prefix = '', price = 1}, {prefix = '', price = 2}]",
            "sms_control.charging.tariffs[1].prefix",
            "charging.tariffs[0] has it already",
        ),
        (MINIMAL + "[sms_control.charging]", "sms_control.charging.tariffs", "one or more are needed"),
        ("[sms_control.charging]\ndenial_caus = 1", "sms_control.charging.denial_caus", "denial_cause?"),
        ('[map]\ngateway = "0-1-1"\ndeadline_ms = 5', "map.deadline_ms", "not allowed"),
        ('[telemetry]\nlog_level = "trace"', "telemetry.log_level", "not allowed"),
        ('[telemetry]\nmetrics = "127.0.0.1:99999"', "telemetry.metrics", "HOST:PORT"),
        ("= 1", "", "not TOML: "),
    ],
)
def test_faults(text: str, path: str, reason: str) -> None:
    found = faults(text)
    assert reason in found[path]


STRANGE = ("\u2603", -(10**12), {"x": 1}, [{"x": 1}], True, 1.5)


def keys(kind: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key below a table's declaration, with its type; of lists and named tables one."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        hint = hints[name]
        for one in [each for each in typing.get_args(hint) if each is not type(None)] or [hint]:
            bare = typing.get_args(one)[0] if typing.get_origin(one) is Annotated else one
            inner = [each for each in (bare, *typing.get_args(bare)) if isinstance(each, type)]
            for struct in inner:
                if issubclass(struct, msgspec.Struct):
                    yield from keys(struct, f"{path}{name}.")
        yield path + name, hint


@pytest.mark.parametrize("kind", [Config, Settings, VoipConfig])
def test_every_key_says_what_was_read_and_what_is_allowed(kind: type[msgspec.Struct]) -> None:
    """No words of the library that judges the value: none of them says what is allowed as a person does."""
    asked = 0
    for path, hint in keys(kind):
        for value in STRANGE:
            reader = Reader({})
            reader.value(hint, value, path)
            for fault in reader.faults:
                asked += 1
                assert fault.path.startswith(path)
                assert not re.search(r"`|[Ee]xpected|Invalid|regex|msgspec|Struct", fault.reason), fault
    assert asked > 3 * len(kind.__struct_fields__)


def test_every_fault_at_once_with_its_path() -> None:
    text = minimal(
        "[node]", "[node]\ninstance = 300\nnam = 1", more='role = "x"\n[engine]\ncodec = "y"\n[stor]\n'
    )
    assert set(faults(text)) == {"node.instance", "node.nam", "m3ua.peers[0].role", "engine.codec", "stor"}
    with pytest.raises(ConfigError, match=r"^stor: unknown key; did you mean store\?$") as raised:
        loads(minimal(more="[stor]"), {})
    assert len(raised.value.faults) == 1


def test_a_good_file_loads_and_a_bad_one_says_which(tmp_path: Path) -> None:
    path = tmp_path / "scp.toml"
    path.write_text(MINIMAL)
    assert load(path, {}) == loads(MINIMAL, {})
    path.write_text("\ufeff" + MINIMAL.replace("\n", "\r\n"))
    assert load(path, {}) == loads(MINIMAL, {}), "as Windows editors write it"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 at octet 0"):
        load(path)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "missing.toml")


toml_values = st.recursive(
    st.integers() | st.text(max_size=20) | st.booleans() | st.floats() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    (table, name)
    for table, kind in {
        "node": Node,
        "sccp": Sccp,
        "m3ua": M3ua,
        "store": Store,
        "engine": Engine,
        "api": Api,
        "telemetry": Telemetry,
        "services": Config,
    }.items()
    for name in kind.__struct_fields__
]


@given(place=st.sampled_from(PLACES), value=toml_values)
def test_any_value_anywhere_is_taken_or_refused_with_its_path(place: tuple[str, str], value: object) -> None:
    table = tomllib.loads(MINIMAL)
    table.setdefault(place[0], {})[place[1]] = value
    reader = Reader({})
    reader.struct(Config, table, "")
    reader.faults.extend(service_faults(table.get("services", {})))
    for fault in reader.faults:
        assert fault.path.startswith((place[0], "store.", "telemetry.metrics"))
        assert len(fault.reason) < 500


# --- values ---


def test_secrets_come_from_the_environment_and_files(tmp_path: Path) -> None:
    (tmp_path / "hash").write_text(HASH + "\n")
    text = (
        MINIMAL
        + f"""
[store]
url = "env:STORE"
[[api.keys]]
name = "operator"
sha256 = "file:{tmp_path}/hash"
scopes = ["read"]
"""
    )
    config = loads(text, {"STORE": "redis://user:hunter2@db.example:6379/0"})
    assert config.api is not None
    assert config.api.keys[0].sha256.reveal() == HASH
    assert config.store.url.reveal().endswith("hunter2@db.example:6379/0")
    shown = repr(config) + str(config) + describe(config) + f"{config.store.url}{config.store.url!r}"
    assert "hunter2" not in shown
    assert HASH not in shown
    assert "env:STORE" in repr(config)
    assert "redis://***@db.example:6379/0" in describe(config)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:camel-scp.db", "sqlite:camel-scp.db"),
        ("redis://:pw@h/0", "redis://***@h/0"),
        ("redis://u@h", "redis://***@h"),
        ("redis://u:p:q@h", "redis://***@h"),
        ("redis+sentinel://u:p@a:1,b:2/x", "redis+sentinel://***@a:1,b:2/x"),
        ("redis://h:6379/0", "redis://h:6379/0"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    assert Secret(url).url == shown


def test_a_bad_secret_is_not_shown() -> None:
    text = '[[api.keys]]\nname = "a"\nsha256 = "hunter2"\nscopes = ["read"]'
    assert "hunter2" not in "".join(faults(text).values())
    assert "hunter2" not in "".join(faults('[store]\nurl = ["hunter2"]').values())


def test_secret_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in faults(f'[store]\nurl = "file:{tmp_path}/x"')["store.url"]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:8080", "::1", 8080),
        (":65535", "", 65535),
        ("scp.example:1", "scp.example", 1),
    ],
)
def test_host_and_port(text: str, host: str, port: int) -> None:
    value = HostPort.parse(text)
    assert (value.host, value.port) == (host, port)
    assert str(value) == text
    assert value == HostPort(host, port)
    assert hash(value) == hash(HostPort(host, port))


@pytest.mark.parametrize(
    "text", ["", "x", "::1:80", "x:", "x:-1", "x:65536", "x:٨٠", "a b:1", "[x:1", 8080, None]
)
def test_not_host_and_port(text: object) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        HostPort.parse(text)


@given(st.integers(0, 16383))
def test_point_codes(number: int) -> None:
    assert PointCode.parse(str(PointCode(number))) == number == PointCode.parse(number)
    assert repr(PointCode(number)) == f"PointCode({str(PointCode(number))!r})"


# --- the plan ---


def test_endpoints() -> None:
    config = loads(
        MINIMAL
        + """
[[m3ua.peers]]
name = "stp-b"
role = "asp-listen"
transport = "tcp"
local = ["::1", "127.0.0.1"]
[[m3ua.peers]]
name = "stp-c"
role = "ipsp-listen"
[api]
listen = ":8080"
""",
        {},
    )
    assert endpoints(config) == [
        Endpoint("connect", "sctp", ("10.0.0.1:2905",), "M3UA peer stp-a (asp)"),
        Endpoint("listen", "tcp", ("[::1]:2905", "127.0.0.1:2905"), "M3UA peer stp-b (asp-listen)"),
        Endpoint("listen", "sctp", ("*:2905",), "M3UA peer stp-c (ipsp-listen)"),
        Endpoint("listen", "tcp", (":8080",), "HTTP API"),
        Endpoint("listen", "tcp", ("127.0.0.1:9464",), "metrics"),
    ]
    text = describe(config)
    assert "point code 0-23-1 (185)" in text
    assert "HTTP API without keys" in text
    assert "service voip-forwarding: service keys 100" in text
    assert "no HTTP API" in describe(loads(MINIMAL, {}))
    charged = "[services.controlled]\nservice_keys = [7]\n[services.controlled.charging]\nfirst_s = 60\n"
    assert "service keys 7; calls are charged: first_s 60" in describe(loads(MINIMAL + charged, {}))


def test_that_there_are_no_tariffs_is_said_to_who_charges_alone() -> None:
    assert "reservations" not in describe(loads(MINIMAL, {}))
    key = '[api]\n[[api.keys]]\nname = "voip"\nsha256 = "{}"\nscopes = ["{}"]\n'
    assert "reservations" not in describe(loads(MINIMAL + key.format("0" * 64, "read"), {}))
    service = "[services.controlled]\nservice_keys = [7]\n[services.controlled.charging]\nfirst_s = 60\n"
    for more in (key.format("0" * 64, "charging"), service):
        assert "reservations denied: there are no tariffs; " in describe(loads(MINIMAL + more, {}))


def test_two_keys_with_one_token_are_refused_and_both_are_named() -> None:
    key = '[[api.keys]]\nname = "{}"\nsha256 = "{}"\nscopes = ["read"]\n'
    keys = key.format("care", "ab" * 32) + key.format("other", "0" * 64) + key.format("billing", "AB" * 32)
    with pytest.raises(ConfigError) as caught:
        loads(MINIMAL + "[api]\n" + keys, {})
    assert "api.keys[2].sha256: billing has the token of keys[0], care" in str(caught.value)
    assert "ab" * 32 not in str(caught.value).lower()


def test_keys_that_have_expired_are_said() -> None:
    key = '[[api.keys]]\nname = "{}"\nsha256 = "{}"\nscopes = ["read"]\nuntil = "{}"\n'
    keys = key.format("old", "0" * 64, "2020-02-29") + key.format("new", "1" * 64, "9999-12-31")
    text = describe(loads(MINIMAL + "[api]\n" + keys, {}))
    assert "the API key old has expired: its last day was 2020-02-29 (UTC)" in text
    assert "API key new" not in text


def test_who_asks_for_places_is_said() -> None:
    mobility = '[sccp]\nglobal_title = "46700000001"\n[map]\ngateway = "0-1-1"\n'
    text = describe(loads(MINIMAL + mobility, {}))
    assert (
        "MAP, SSN 147: each subscriber's HLR is asked through 0-1-1 by no service: none has ask_hlr" in text
    )
    assert "moves that VLRs tell of are taken, of all callers; M-CSIs are armed by hand" in text
    steering = '[services.voip-forwarding]\nservice_keys = [7]\nprefix = "99"\nask_hlr = "needed"\n'
    more = 'hlr = "46700000006"\nallowed_callers = ["4670"]\n[map.arming]\n'
    text = describe(loads(MINIMAL + steering + mobility + more, {}))
    assert "the HLR 46700000006 is asked through 0-1-1 by voip-forwarding, within 300 ms" in text
    assert "taken, of 4670…; M-CSIs are armed by the node, known in its own file" in text
    redis = 'state = "redis://u:secret@127.0.0.1/0"\n'
    text = describe(loads(MINIMAL + steering + mobility + more + redis, {}))
    assert "known in Redis, which nodes share" in text
    assert "secret" not in text


# --- pysctp ---


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (
            "0.7.3",
            "pysctp 0.7.3 leaks memory with every message and writes beyond its buffers; no version up to 0.7.3",
        ),
        ("0.6", "no version up to 0.7.3 is taken"),
        ("0.7.4", ""),
        ("1.0", ""),
        ("", "pysctp is not installed"),
    ],
)
def test_a_pysctp_that_is_faulty_or_not_there_is_refused(monkeypatch, installed, words):
    def version(name):
        assert name == "pysctp"
        if not installed:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.delenv("CAMEL_SCP_PYSCTP", raising=False)
    monkeypatch.setattr(m3ua, "version", version)
    faults = list(m3ua.PeerSctp(library="pysctp").faults())
    assert [fault.path for fault in faults] == ["library"] * bool(words)
    assert all(words in fault.reason for fault in faults)
    assert not list(m3ua.PeerSctp().faults())
    if installed:
        monkeypatch.setenv("CAMEL_SCP_PYSCTP", "any")
        assert not list(m3ua.PeerSctp(library="pysctp").faults())


def test_a_secret_that_is_not_there_hides_no_other_fault() -> None:
    """Neither within its own table nor between tables; and there is one fault of it."""
    text = MINIMAL + (
        '[[api.keys]]\nname = "a"\nsha256 = "env:ABSENT"\nscopes = []\n'
        '[[api.keys]]\nname = "a"\nsha256 = "file:/nowhere/at/all"\nscopes = ["read"]\n'
        "[store]\ndeadline_ms = 400\n"
    )
    with pytest.raises(ConfigError) as raised:
        loads(text, {})
    assert sorted(fault.path for fault in raised.value.faults) == [
        "api.keys[0].scopes",
        "api.keys[0].sha256",
        "api.keys[1].name",
        "api.keys[1].sha256",
        "store.deadline_ms",
    ]


@pytest.mark.parametrize("read", [loads, voip_loads])
@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000 + "]" * 5000])
def test_a_value_that_toml_reads_no_further_is_a_fault(read: Any, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(f"[node]\nname = {value}\n", {})
    (fault,) = raised.value.faults
    assert fault.reason.startswith("not TOML")
