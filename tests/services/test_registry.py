"""Services by service key, built from their tables."""

from __future__ import annotations

import pytest

from scp.domain.numbers import Numbering
from scp.domain.rules import OnFailure
from scp.services.api import NodeSettings
from scp.services.registry import BUILT_IN, ServiceConfigError, build_services, installed
from scp.services.settings import read_settings
from scp.services.voip_forwarding import Settings

NODE = NodeSettings(Numbering("46"))
FORWARDING = {"service_keys": [100], "prefix": "99"}


class Point:
    """An entry point without a distribution."""

    def __init__(self, name, loads):
        self.name = name
        self.value = f"somewhere:{name}"
        self.loads = loads

    def load(self):
        if isinstance(self.loads, Exception):
            raise self.loads
        return self.loads


class Echo:
    name = "echo"

    def __init__(self, settings, node):
        if settings.get("bad"):
            raise ValueError("the moon is wrong: no tide")
        self.settings = settings
        self.node = node


def test_a_built_in_service_is_built_from_its_table():
    services = build_services({"voip-forwarding": FORWARDING | {"service_keys": [100, 7]}}, NODE, [])
    assert set(services) == {100, 7}
    assert services[100] is services[7]
    assert services[100].name == "voip-forwarding"
    assert services[100].rules.prefix == "99"


def test_every_built_in_service_has_the_name_of_its_table():
    for name in BUILT_IN:
        [service] = build_services({name: FORWARDING}, NODE, []).values()
        assert service.name == name


def test_the_store_policy_is_the_nodes_unless_the_service_has_its_own():
    release = NodeSettings(Numbering("46"), OnFailure.RELEASE)
    [node] = build_services({"voip-forwarding": FORWARDING}, release, []).values()
    [own] = build_services({"voip-forwarding": FORWARDING | {"on_failure": "continue"}}, release, []).values()
    assert (node.rules.on_failure, own.rules.on_failure) == (OnFailure.RELEASE, OnFailure.CONTINUE)


def test_an_entry_point_adds_a_service_that_sees_its_settings_and_the_node():
    services = build_services(
        {"voip-forwarding": FORWARDING, "echo": {"service_keys": [5], "volume": 3}},
        NODE,
        [Point("echo", Echo), Point("not-used", ImportError("never loaded"))],
    )
    assert services[5].settings == {"volume": 3}
    assert services[5].node is NODE


def test_this_installations_entry_points_can_be_listed():
    assert [point.name for point in installed() if point.name in BUILT_IN] == []


REFUSED = [
    ({"voip-forwarding": {"prefix": "99"}}, "services.voip-forwarding.service_keys", "one or more"),
    ({"voip-forwarding": {"service_keys": []}}, "services.voip-forwarding.service_keys", "one or more"),
    ({"voip-forwarding": {"service_keys": 100}}, "services.voip-forwarding.service_keys", "one or more"),
    ({"voip-forwarding": {"service_keys": ["100"]}}, "services.voip-forwarding.service_keys[0]", "'100'"),
    ({"voip-forwarding": {"service_keys": [1, True]}}, "services.voip-forwarding.service_keys[1]", "True"),
    (
        {"voip-forwarding": {"service_keys": [2**31]}},
        "services.voip-forwarding.service_keys[0]",
        "2147483648",
    ),
    ({"voip-forwarding": {"service_keys": [-1]}}, "services.voip-forwarding.service_keys[0]", "-1"),
    ({"voip-forwarding": {"service_keys": [4, 4]}}, "services.voip-forwarding.service_keys[1]", "twice"),
    (
        {"voip-forwarding": FORWARDING, "echo": {"service_keys": [100]}},
        "services.echo.service_keys[0]",
        "services.voip-forwarding",
    ),
    (
        {"voip-forwarding": FORWARDING | {"prefix": 99}},
        "services.voip-forwarding.prefix",
        "99 is not allowed: up to 16",
    ),
    (
        {"voip-forwarding": FORWARDING | {"prefix": "+"}},
        "services.voip-forwarding.prefix",
        "'+' is not allowed",
    ),
    ({"voip-forwarding": FORWARDING | {"digits": "dialed"}}, "services.voip-forwarding.digits", "dialed"),
    ({"voip-forwarding": FORWARDING | {"prefx": "9"}}, "services.voip-forwarding.prefx", "mean prefix?"),
    (
        {"voip-forwarding": FORWARDING | {"ask_hlr": "always"}},
        "services.voip-forwarding.ask_hlr",
        "'always' is not allowed: one of off, needed, on",
    ),
    (
        {"voip-forwarding": FORWARDING | {"charging": {"first_s": "x"}}},
        "services.voip-forwarding.charging.first_s",
        "'x' is not allowed: an integer from 1 to 86400",
    ),
    (
        {"voip-forwarding": FORWARDING | {"charging": {"fist_s": 60}}},
        "services.voip-forwarding.charging.fist_s",
        "unknown key; did you mean first_s?",
    ),
    (
        {"voip-forwarding": FORWARDING | {"charging": {"pays": ["caler"]}}},
        "services.voip-forwarding.charging.pays[0]",
        "'caler' is not allowed: one of caller",
    ),
    (
        {"voip-forwarding": FORWARDING | {"charging": {"down": "grace"}}},
        "services.voip-forwarding.charging.down",
        "'grace' is not allowed: release, free, or grace:SECONDS",
    ),
    ({"voip-forwarding": {"service_keys": [1]}}, "services.voip-forwarding.prefix", "suffix"),
    ({"voip-forwarding": FORWARDING | {"prefix": "46"}}, "services.voip-forwarding.prefix", "country_code"),
    ({"eco": {"service_keys": [1]}}, "services.eco", "echo, liar, lost, twins, voip-forwarding"),
    ({"echo": {"service_keys": [1], "bad": True}}, "services.echo", "the moon is wrong: no tide"),
    ({"lost": {"service_keys": [1]}}, "services.lost", "no such module"),
    ({"liar": {"service_keys": [1]}}, "services.liar", "not a service factory"),
    ({"twins": {"service_keys": [1]}}, "services.twins", "more than one"),
]


@pytest.mark.parametrize(("tables", "path", "words"), REFUSED)
def test_a_wrong_table_is_refused_with_the_path_of_the_key(tables, path, words):
    points = [
        Point("echo", Echo),
        Point("lost", ImportError("no such module")),
        Point("liar", 5),
        Point("twins", Echo),
        Point("twins", Echo),
    ]
    with pytest.raises(ServiceConfigError) as error:
        build_services(tables, NODE, points)
    assert error.value.path == path
    assert words in error.value.reason
    assert str(error.value) == f"{path}: {error.value.reason}"


def test_an_entry_point_cannot_take_the_name_of_a_built_in_service():
    with pytest.raises(ServiceConfigError, match="more than one"):
        build_services({"voip-forwarding": FORWARDING}, NODE, [Point("voip-forwarding", Echo)])


def test_a_nested_fault_names_its_whole_path():
    assert read_settings({"prefix": "99"}, Settings).prefix == "99"
    with pytest.raises(ValueError, match=r"^numbering\.country_code: "):
        read_settings({"numbering": {"country_code": "x"}}, NodeSettings)
    with pytest.raises(ValueError, match=r"^numbering\.country_code: required"):
        read_settings({"numbering": {}}, NodeSettings)
    with pytest.raises(ValueError, match=r"^numbering: required"):
        read_settings({}, NodeSettings)
