"""``camel-scp hlr``: what its options say; that it serves and tells is in test_map_page.py and test_map_node.py."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from scp.cli import app
from scp.cli.hlr import subscriber_of
from scp.simulator.hlr_script import Subscriber


def test_a_subscriber_in_words() -> None:
    text = (
        "46701234567,vlr=31651000000,cell=204-04-100-200,age=3,delay=0.5,error=34,silent,busy=no,imsi=240019"
    )
    assert subscriber_of(text)[0] == Subscriber(
        msisdn="46701234567",
        vlr="31651000000",
        cell="204-04-100-200",
        age=3,
        delay=0.5,
        error=34,
        silent=True,
        imsi="240019",
    )
    assert subscriber_of("46701234567,event=detach,sender=31651000001")[1] == {
        "event": "detach",
        "sender": "31651000001",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--subscriber", "bob,vlr=1"], "'bob' is no MSISDN"),
        (["--subscriber", "46701234567,place=1"], "'place' is none of age, busy"),
        (["--subscriber", "46701234567,age=old"], "age is a number, not 'old'"),
        (["--note", "46701234567,event=moved"], "event is one of update, attach, detach"),
        (["--versions", "2,x"], "'2,x' is no list of MAP versions"),
        (["--versions", "4"], "'4' is no list of MAP versions"),
        (["--subscriber", "46701234567,vlr=abc"], "vlr is up to 15 digits (E.164), not 'abc'"),
        (["--note", "46701234567,sender=+46"], "sender is up to 15 digits (E.164), not '+46'"),
        (["--subscriber", "46701234567,cell=1-2"], "cell is MCC-MNC-LAC-CI, as 240-01-4660-22136, not '1-2'"),
        (["--subscriber", "46701234567,cell=240-01-99999-1"], "area code or cell identity 99999"),
        (["--subscriber", "46701234567,imsi=bob"], "IMSI of other than 5 to 16 decimal digits"),
        (["--subscriber", "46701234567,error=999"], "MAP has no error 999"),
        (["--subscriber", "1234567890123456"], "an MSISDN has 5 to 15 digits"),
    ],
)
def test_a_wrong_option_is_said_in_words(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["hlr", *options])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
