"""Text messages both ways: SMPP on one side, SIP MESSAGE to and from real devices on the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_lab import SmscThread
from voip_lab import DEVICE, DOMAIN, PASSWORD, Lab, Sipp, free_tcp_port, header, unavailable

from oracles.waiting import wait_until
from scp.voip.cpim import CPIM, PLAIN, Unreadable, delivery_report, text_of

ALICE, BOB, CAROL, OUTSIDE = "11234567", "46701234567", "46701234568", "4915700000001"
with_devices = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def sends(lab: Lab, text: str, to: str, *, scenario: str = "sends_message", own: str = BOB) -> Sipp:
    device = {BOB: "bob-phone", ALICE: "alice-phone"}[own]
    return Sipp(
        lab,
        scenario,
        DEVICE,
        free_tcp_port(),
        service=to,
        caller=f"+{own}",
        domain=DOMAIN,
        text=text,
        au=device,
        ap=PASSWORD,
    )


def body(message: str) -> str:
    return message.replace("\r", "").partition("\n\n")[2].strip()


@with_devices
def test_a_message_by_smpp_reaches_all_devices_now_and_when_they_register(lab: Lab, smsc: SmscThread) -> None:
    phone = lab.bound("alice-phone", ALICE)
    lab.wait_said("bindings", number=ALICE)
    takes = lab.device("takes_message", phone)
    smsc.send("46700000009", ALICE, 'Grüße [€] "a\\b"')
    takes.ended()
    (message,) = takes.received("MESSAGE")
    assert header(message, "From")[0].startswith("<sip:+46700000009@voip.example>")
    assert header(message, "To") == [f"<sip:+{ALICE}@voip.example>"]
    assert header(message, "Content-Type") == ["text/plain"]
    assert body(message) == 'Grüße [€] "a\\b"'
    # the tablet was away: it gets the message with its next REGISTER, the phone does not get it again
    tablet = free_tcp_port()
    later, phone_again = lab.device("takes_message", tablet), lab.device("takes_message", phone)
    lab.register("alice-tablet", ALICE, tablet).ended()
    later.ended()
    assert body(later.received("MESSAGE")[0]) == 'Grüße [€] "a\\b"'
    lab.register("alice-phone", ALICE, phone).ended()
    lab.wait_said("message answered", 2, code=200)
    assert phone_again.received("MESSAGE") == []
    phone_again.stop()
    lab.unbind("alice-phone", ALICE, phone)
    lab.unbind("alice-tablet", ALICE, tablet)


@with_devices
def test_what_no_device_took_outlives_a_kill(lab: Lab, smsc: SmscThread) -> None:
    smsc.send("Bank", CAROL, "Your code")
    lab.wait_said("message", number=CAROL)
    assert lab.brain is not None
    lab.brain.kill()
    lab.brain.wait(120)
    lab.start_brain()
    port = free_tcp_port()
    busy = lab.device("takes_it_later", port)
    lab.register("carol-phone", CAROL, port).ended()
    busy.ended()
    lab.wait_said("message answered", device="carol-phone", code=480)
    lab.unbind("carol-phone", CAROL, port)
    # the device can tell that it is the same message, whatever binding it has by then
    takes = lab.device("takes_message", port)
    lab.register("carol-phone", CAROL, port).ended()
    takes.ended()
    (message,) = takes.received("MESSAGE")
    assert header(message, "Call-ID") == header(busy.received("MESSAGE")[0], "Call-ID")
    assert header(message, "From")[0].startswith("<sip:Bank@voip.example>")
    lab.unbind("carol-phone", CAROL, port)


@with_devices
def test_a_device_that_takes_no_text_is_not_asked_again(lab: Lab, smsc: SmscThread) -> None:
    port = lab.bound("carol-phone", CAROL)
    lab.wait_said("bindings", number=CAROL)
    refuses = lab.device("takes_no_text", port)
    smsc.send("46700000009", CAROL, "Hello")
    refuses.ended()
    lab.wait_said("message answered", device="carol-phone", code=415)
    again = lab.device("takes_message", port)
    lab.register("carol-phone", CAROL, port).ended()
    takes = len(lab.said("message answered"))
    smsc.send("46700000009", CAROL, "Hello again")
    again.ended()
    assert [body(one) for one in again.received("MESSAGE")] == ["Hello again"]
    lab.wait_said("message answered", takes + 1)
    assert len(lab.said("message answered")) == takes + 1
    lab.unbind("carol-phone", CAROL, port)


@with_devices
def test_a_devices_message_goes_out_by_smpp_and_its_delivery_is_reported(lab: Lab, smsc: SmscThread) -> None:
    sends(lab, "Hej då", f"+{OUTSIDE}").ended()
    wait_until(lambda: len(smsc.taken(OUTSIDE)) == 1)
    (taken,) = smsc.taken(OUTSIDE)
    assert (taken.source, taken.text) == (BOB, "Hej då")
    port = lab.bound("bob-phone", BOB)
    reported = lab.device("takes_message", port)
    sends(lab, "Tell me", f"00{OUTSIDE}", scenario="sends_cpim").ended()
    reported.ended()
    (report,) = reported.received("MESSAGE")
    assert header(report, "Content-Type")[0] == "message/cpim"
    assert "<status><delivered/></status>" in report
    assert "<message-id>m-" in report
    assert smsc.taken(OUTSIDE)[1].text == "Tell me"
    lab.unbind("bob-phone", BOB, port)


@with_devices
def test_devices_reach_each_other_without_the_smsc(lab: Lab, smsc: SmscThread) -> None:
    port = lab.bound("alice-phone", ALICE)
    takes = lab.device("takes_message", port)
    sends(lab, "Lunch?", "0011234567").ended()
    takes.ended()
    (message,) = takes.received("MESSAGE")
    assert (header(message, "From")[0].partition(";")[0], body(message)) == (
        f"<sip:+{BOB}@voip.example>",
        "Lunch?",
    )
    assert smsc.taken(ALICE) == []
    lab.unbind("alice-phone", ALICE, port)
    tablet = lab.device("takes_message", free_tcp_port())
    lab.register("alice-tablet", ALICE, tablet.port).ended()
    tablet.ended()
    lab.unbind("alice-tablet", ALICE, tablet.port)


def test_cpim_is_read_and_reports_say_what_they_are_about() -> None:
    given_ = (
        "From: <im:a@b>\r\nNS: i <urn:ietf:params:imdn>\r\ni.Message-ID: 34jk324j\r\n"
        "i.Disposition-Notification: positive-delivery, display\r\n\r\nContent-type: text/plain\r\n\r\nHello\r\n\r\nyou"
    )
    assert text_of("Message/CPIM;charset=utf-8", given_.encode()) == ("Hello\r\n\r\nyou", "34jk324j")
    assert text_of(CPIM, given_.replace("positive-delivery, ", "").encode()).imdn == ""
    assert text_of(PLAIN, b"Hello") == ("Hello", "")
    for kind, octets in ((CPIM, b"a"), (PLAIN, b"\xff"), ("text/html", b"a"), ("", b"")):
        with pytest.raises(Unreadable):
            text_of(kind, octets)
    report = delivery_report("34<", "sip:b@x", "sip:a@x", "2026-01-01T00:00:00Z", delivered=False)
    assert "<message-id>34&lt;</message-id>" in report
    assert "<failed/>" in report


@given(st.text(), st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(kind: str, octets: bytes) -> None:
    for each in (kind, PLAIN, CPIM):
        try:
            text_of(each, octets)
        except Unreadable as error:
            assert str(error)  # noqa: PT017 - what it says
