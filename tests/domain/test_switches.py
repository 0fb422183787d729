"""Which profile a call's switch has, and what its configuration has to say."""

import pytest

from scp import config
from scp.config.switches import switches
from scp.domain.switches import STANDARD, ChargedTime, Origin

BASE = """
[node]
point_code = 1
[[m3ua.peers]]
name = "a"
transport = "tcp"
role = "asp"
remote = ["127.0.0.1"]
[numbering]
country_code = "46"
"""
BY_PERIOD = """
[switches.vendor-a]
point_codes = ["0-23-3"]
global_titles = ["467"]
msc_numbers = ["49"]
charged_time = "by-period"
"""
SILENT = """
[switches.vendor-b]
global_titles = ["46709", "49"]
abandon_report = false
"""


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        (Origin(187, "46709000002", ""), "vendor-a"),  # the point code counts first
        (Origin(1, "46709000002", "491"), "vendor-b"),  # the longer title
        (Origin(1, "46708000002", ""), "vendor-a"),
        (Origin(1, "", "491710000"), "vendor-a"),
        (Origin(1, "49171", "491710000"), "vendor-b"),  # a title before an MSC number
        (Origin(1, "", ""), ""),
        (Origin(-1, "3368", "3368"), ""),
    ],
)
def test_a_switch_is_known_by_point_code_title_or_msc_number(origin, name):
    known = switches(config.loads(BASE + BY_PERIOD + SILENT, {}).switches)
    found = known.of(origin)
    assert found.name == name
    assert bool(known)
    assert found.by_period is (name == "vendor-a")
    assert found.abandon_report is (name != "vendor-b")


def test_without_profiles_every_switch_keeps_to_the_standard():
    known = switches(config.loads(BASE, {}).switches)
    assert not known
    assert known.of(Origin(187, "46", "46")) is STANDARD
    assert STANDARD.charged_time is ChargedTime.SINCE_ANSWER


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        ("[switches.x]\ncharged_time = 'by-period'", "switches.x", "whose?"),
        (BY_PERIOD + "[switches.x]\npoint_codes = [187]", "switches.x.point_codes[0]", "vendor-a already"),
        ("[switches.x]\npoint_codes = [1]\ncharged_time = 'never'", "switches.x.charged_time", "by-period"),
        ("[switches.x]\nglobal_titles = ['4x']", "switches.x.global_titles[0]", "digits"),
        ('[switches."a b"]\npoint_codes = [1]', "switches.a b", "letters"),
        ("[announcements]\nno-credit = {id = -1}", "announcements.no-credit.id", "0"),
        ("[announcements]\nno-credit = {cause = 3}", "announcements.no-credit", "id"),
        ('[announcements]\n"no credit" = {id = 3}', "announcements.no credit", "letters"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(text, path, why):
    with pytest.raises(config.ConfigError) as caught:
        config.loads(BASE + text, {})
    [line] = [line for line in str(caught.value).splitlines() if path in line]
    assert why in line


def test_check_tells_whose_profiles_and_which_announcements_there_are():
    text = BASE + "[announcements]\nno-credit = { id = 5 }\n" + BY_PERIOD + SILENT
    shown = config.describe(config.loads(text, {}))
    assert "announcements that switches play: no-credit (5)" in shown
    assert (
        "switches vendor-a (point code 0-23-3, global title 467…, MSC number 49…): charged time by-period"
        in shown
    )
    assert (
        "switches vendor-b (global title 46709…, global title 49…): no charging report of abandoned calls"
        in shown
    )
    assert "switches" not in config.describe(config.loads(BASE, {}))
