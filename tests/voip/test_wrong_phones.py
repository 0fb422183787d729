"""What real phones do wrong, and what pretends to belong to a call: by sockets, where sipp says it right."""

from __future__ import annotations

import hashlib
import itertools
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Self

import pytest
from voip_lab import DOMAIN, GATEWAY, PASSWORD, Lab, header, unavailable

from oracles.waiting import PATIENCE, wait_until
from scp import client
from scp.client import voip
from scp.voip.messages import number_in

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

ALICE, UNA = "11234567", "46702000041"
STRANGER = "127.0.0.67"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


class Peer:
    """One socket, UDP unless another is given, that speaks SIP as badly as a test likes."""

    _counted = itertools.count(1)

    def __init__(
        self, lab: Lab, host: str = "127.0.0.1", port: int = 0, secure: ssl.SSLSocket | None = None
    ) -> None:
        self.socket = secure or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if secure is None:
            self.socket.bind((host, port))
            self.socket.connect(("127.0.0.1", lab.sip))
        transport = "UDP" if secure is None else "TLS"
        self.host, self.port = self.socket.getsockname()
        self.contact = f"<sip:x@{self.host}:{self.port};transport={transport.lower()}>"
        self.via = f"Via: SIP/2.0/{transport} {self.host}:{self.port};rport"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, first: str, *headers: str, body: str = "", branch: str = "") -> None:
        """Send a request, with a branch of its own unless one is given."""
        branch = branch or f"z9hG4bK{next(self._counted)}-{self.port}"
        lines = [first, f"{self.via};branch={branch}", "Max-Forwards: 70", *headers]
        lines += ["Content-Type: application/sdp"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self.socket.send(text.encode())

    def heard(self, pattern: str, seconds: float = PATIENCE, call: str = "") -> str:
        """The next message that begins so, of this call if one is named; others are passed over."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                said = self.socket.recv(65536).decode()
            except TimeoutError:
                break
            if re.match(pattern, said) and (not call or header(said, "Call-ID") == [call]):
                return said
        return ""

    def answer(self, request: str, status: str, *headers: str, tag: str = "", body: str = "") -> None:
        """Answer a request."""
        lines = [f"SIP/2.0 {status}"]
        for one in request.split("\r\n\r\n", maxsplit=1)[0].split("\r\n")[1:]:
            name = one.partition(":")[0].lower()
            if name in ("via", "from", "call-id", "cseq", "record-route"):
                lines.append(one)
            elif name == "to":
                lines.append(one + (f";tag={tag}" if tag and ";tag=" not in one else ""))
        lines += [*headers, *(["Content-Type: application/sdp"] if body else [])]
        self.socket.send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode())

    def register(
        self, device: str, msisdn: str, *headers: str, call: str = "", password: str = PASSWORD
    ) -> str:
        """Register with these headers; return the last answer."""
        uri = f"sip:{DOMAIN}"
        call = call or f"r{next(self._counted)}-{self.port}"
        own = f"<sip:+{msisdn}@{DOMAIN}>"
        common = (f"From: {own};tag=r", f"To: {own}", f"Call-ID: {call}", *headers)
        first = next(self._counted)
        self.say(f"REGISTER {uri} SIP/2.0", *common, f"CSeq: {first} REGISTER")
        challenge = self.heard("SIP/2.0 401")
        digest = digest_for(challenge, device, password, "REGISTER", uri)
        self.say(
            f"REGISTER {uri} SIP/2.0",
            *common,
            f"CSeq: {next(self._counted)} REGISTER",
            f"Authorization: {digest}",
        )
        return self.heard("SIP/2.0 [2-6]")


def digest_for(challenge: str, user: str, password: str, method: str, uri: str) -> str:
    """What answers a challenge (RFC 2617 §3.2.2, without qop)."""
    found = re.search(r'nonce="([^"]*)"', challenge)
    assert found, challenge
    nonce = found[1]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    response = md5(f"{md5(f'{user}:{DOMAIN}:{password}')}:{nonce}:{md5(f'{method}:{uri}')}")
    return f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{response}"'


def invite(caller: Peer, to: str, call: str, *more: str, cseq: int = 1, branch: str = "") -> None:
    """Call as the gateway does."""
    caller.say(
        f"INVITE sip:{to}@127.0.0.1 SIP/2.0",
        f"From: <sip:46700000009@{caller.host}>;tag=g",
        f"To: <sip:{to}@127.0.0.1>",
        f"Call-ID: {call}",
        f"CSeq: {cseq} INVITE",
        f"Contact: {caller.contact}",
        *more,
        body=SDP,
        branch=branch,
    )


def within(
    sender: Peer, method: str, answer: str, cseq: int, *more: str, body: str = "", branch: str = ""
) -> None:
    """Say something within the dialog that this answer has made, as its caller."""
    (to,), (own,), (call,) = (header(answer, name) for name in ("To", "From", "Call-ID"))
    routes = [f"Route: {one}" for one in reversed(header(answer, "Record-Route"))]
    (target,) = re.findall(r"<([^>]*)>", header(answer, "Contact")[0])
    own_headers = (f"From: {own}", f"To: {to}", f"Call-ID: {call}", f"CSeq: {cseq} {method}")
    sender.say(f"{method} {target} SIP/2.0", *routes, *own_headers, *more, body=body)


def dials(phone: Peer, to: str, call: str, password: str) -> None:
    """Call as Una's phone does, which is challenged."""
    uri, own = f"sip:{to}@{DOMAIN}", f"<sip:+{UNA}@{DOMAIN}>;tag={call}"
    about = (f"From: {own}", f"To: <{uri}>", f"Call-ID: {call}", f"Contact: {phone.contact}")
    phone.say(f"INVITE {uri} SIP/2.0", *about, "CSeq: 1 INVITE", body=SDP)
    challenge = phone.heard("SIP/2.0 407", call=call)
    digest = digest_for(challenge, "una-phone", password, "INVITE", uri)
    phone.say(f"INVITE {uri} SIP/2.0", *about, "CSeq: 2 INVITE", f"Proxy-Authorization: {digest}", body=SDP)


def bound(operator: client.Client, phone: Peer, password: str, *headers: str) -> str:
    """Have Una's phone registered, and the brain know it; return what the registrar said."""
    said = phone.register("una-phone", UNA, *(headers or (f"Contact: {phone.contact}",)), password=password)
    assert said.startswith("SIP/2.0 200"), said
    wait_until(lambda: operator.send(voip.reachability(UNA)).devices == 1)
    return said


@pytest.fixture
def gateway(lab: Lab) -> Iterator[Peer]:
    with Peer(lab, GATEWAY, lab.gateway_port) as made:
        yield made


@pytest.fixture
def operator(lab: Lab) -> Iterator[client.Client]:
    with client.Client(lab.url, "operator-token") as made:
        yield made


@pytest.fixture
def una(lab: Lab, operator: client.Client) -> Iterator[str]:
    """The password of her phone and of her tablet, which both stand for her number."""
    lab.api.send(client.authorize(UNA))
    operator.send(voip.put_identity(UNA))
    phone = operator.send(voip.make_device("una-phone", (UNA,)))
    yield phone.password
    operator.send(voip.delete_identity(UNA))


@pytest.fixture
def phone(lab: Lab) -> Iterator[Peer]:
    with Peer(lab) as made:
        yield made


@pytest.fixture
def stranger(lab: Lab) -> Iterator[Peer]:
    with Peer(lab, STRANGER) as made:
        yield made


@pytest.mark.parametrize(
    "method", ["INVITE", "MESSAGE", "REFER", "OPTIONS", "BYE", "SUBSCRIBE", "UPDATE", "ACK"]
)
def test_who_only_says_that_it_belongs_to_a_call_reaches_nobody(
    lab: Lab, gateway: Peer, stranger: Peer, method: str
) -> None:
    """A To tag and a Route are soon written: with these anybody called the switch's numbers in our name."""
    before = lab.rpc("stats.fetchn", "voip_no_relay")["script.voip_no_relay"]
    for k in ("", ";k=", f";k={hashlib.md5(b'forged').hexdigest()}"):
        stranger.say(
            f"{method} sip:0046900123456@{GATEWAY}:{lab.gateway_port} SIP/2.0",
            f"Route: <sip:127.0.0.1:{lab.sip};lr{k}>",
            "From: <sip:x@x>;tag=1",
            "To: <sip:0046900123456@x>;tag=2",
            f"Call-ID: forged-{method}",
            f"CSeq: 1 {method}",
            f"Contact: {stranger.contact}",
            body=SDP if method == "INVITE" else "",
        )
        if method != "ACK":
            assert stranger.heard("SIP/2.0").startswith("SIP/2.0 481")
    wait_until(lambda: lab.rpc("stats.fetchn", "voip_no_relay")["script.voip_no_relay"] == before + 3)
    assert gateway.heard(method, 0.1) == ""


@pytest.mark.parametrize(
    ("contact", "count"),
    [
        ("Contact: <sip:a@{at}>;expires=60, <sip:b@{at};transport=udp>;expires=60", 2),
        ("Contact: <sip:a@{at}>;expires=60\r\nContact: <sip:b@{at}>;expires=60", 2),
        ("Contact: sip:a@{at};expires=60", 1),
        ('m: "A, B" <sip:a@{at};x="1">;q=0.5;expires=7200', 1),
        ('Contact: <sip:%61@{at};ob>;+sip.instance="<urn:uuid:0>";reg-id=1\r\nSupported: path, outbound', 1),
    ],
)
def test_a_device_that_is_switched_off_leaves_no_binding_however_it_was_written(
    lab: Lab, operator: client.Client, una: str, phone: Peer, contact: str, count: int
) -> None:
    headers = contact.format(at=f"127.0.0.1:{phone.port}")
    assert phone.register("una-phone", UNA, headers, password=una).startswith("SIP/2.0 200")
    wait_until(lambda: operator.send(voip.reachability(UNA)).devices == count)
    operator.send(voip.change_device("una-phone", state="off"))
    wait_until(lambda: operator.send(voip.reachability(UNA)).devices == 0)


def test_of_an_exclusive_identity_the_device_that_leaves_takes_no_other_along(
    lab: Lab, operator: client.Client, una: str, phone: Peer
) -> None:
    tablet = operator.send(voip.make_device("una-tablet", (UNA,)))
    operator.send(voip.put_identity(UNA, mode="exclusive"))
    at = f"127.0.0.1:{phone.port}"
    phone.register("una-phone", UNA, f"Contact: <sip:phone@{at}>", password=una)
    phone.register("una-tablet", UNA, f"Contact: <sip:tablet@{at}>", password=tablet.password)
    wait_until(lambda: [one["count"] for one in lab.said("bindings", number=UNA)][-2:] == [2, 1])
    for leaves in (
        (f"Contact: <sip:phone@{at}>", "Expires: 0"),
        (f"Contact: <sip:phone@{at}>;expires=0",),
        (),  # it asks what is bound (RFC 3261 §10.2.3)
    ):
        said = phone.register("una-phone", UNA, *leaves, password=una)
        assert said.startswith("SIP/2.0 200")
        assert "sip:tablet@" in said
    invite_una = f"{lab.counted()}-exclusive"
    with Peer(lab, GATEWAY, lab.gateway_port) as gateway:
        invite(gateway, f"9900{UNA}", invite_una)
        ringing = phone.heard("INVITE")
        assert ringing.startswith("INVITE sip:tablet@")
        phone.answer(ringing, "603 Decline", tag="t")
        assert gateway.heard("SIP/2.0 603", call=invite_una)


def test_a_phone_that_names_its_gruu_in_a_call_is_reached_within_it(
    operator: client.Client, una: str, phone: Peer, gateway: Peer
) -> None:
    said = bound(
        operator,
        phone,
        una,
        f'Contact: {phone.contact};+sip.instance="<urn:uuid:1>";reg-id=1',
        "Supported: outbound, gruu",
    )
    (gruu,) = re.findall(r'pub-gruu="([^"]*)"', said)
    invite(gateway, f"9900{UNA}", "gruu")
    phone.answer(phone.heard("INVITE"), "200 OK", f"Contact: <{gruu}>", tag="p", body=SDP)
    answer = gateway.heard("SIP/2.0 200")
    within(gateway, "ACK", answer, 1)
    assert phone.heard("ACK").startswith(f"ACK sip:x@127.0.0.1:{phone.port}")
    within(gateway, "BYE", answer, 2)
    phone.answer(phone.heard("BYE"), "200 OK")
    assert gateway.heard("SIP/2.0 200")


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("+46701234567;npdi;rn=+46700000001", "+46701234567"),
        ("112;phone-context=+46", "112"),
        ("990011234567;user=x", "990011234567"),
        ("%2B46701234567", "+46701234567"),
        ("+46-70-123(45).67;cpc=ordinary", "+46701234567"),
        ("anna-maria", "anna-maria"),
        ("anna;x=1", "anna;x=1"),
        ("46%0d%0aTo:x", "46%0d%0aTo:x"),
        ("46%0a", "46%0a"),
        ("\u0664\u0666", "\u0664\u0666"),
        ("", ""),
    ],
)
def test_a_number_is_the_same_whatever_stands_with_it(user: str, number: str) -> None:
    assert number_in(user) == number


def test_numbers_with_parameters_of_a_telephone_uri_are_those_without(
    lab: Lab, operator: client.Client, una: str, phone: Peer, gateway: Peer
) -> None:
    """Gateways write where a number was ported to, and phones where a short one holds: 112, too."""
    bound(operator, phone, una)
    for to, caller, asserted in (
        (f"9900{UNA};npdi;rn=+46700000001", "46700000021", "<sip:+46700000021;cpc=ordinary@x;user=phone>"),
        (f"9900{UNA}", "46700000022", "<tel:+46-70-0000022;cpc=ordinary>"),
    ):
        call = f"parameters-{lab.counted()}"
        invite(gateway, to, call, f"P-Asserted-Identity: {asserted}")
        phone.answer(phone.heard("INVITE", call=call), "603 Decline", tag="p")
        assert gateway.heard("SIP/2.0 603", call=call)
        lab.wait_said("call", called=UNA, caller=caller)
    operator.send(voip.put_identity(UNA, barred=["46", "1"]))
    for brain in (True, False):
        if not brain:
            lab.stop_brain(signal.SIGKILL)
        try:
            call = f"emergency-{brain}"
            dials(phone, "112;phone-context=+46", call, una)
            asked = gateway.heard(f"INVITE sip:112@{GATEWAY}")
            gateway.answer(asked, "603 Decline", tag="q")
            assert phone.heard("SIP/2.0 603", call=call)
        finally:
            if not brain:
                lab.start_brain()


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("302 Moved Temporarily", f"Contact: <sip:0900123456@{GATEWAY}>"),
        ("380 Alternative Service", f"Contact: <sip:0900123456@{GATEWAY}>"),
        ("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="y"'),
        ("407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="x", nonce="y"'),
    ],
)
def test_no_device_tells_the_gateway_whom_to_call_or_what_to_prove(
    operator: client.Client, una: str, phone: Peer, gateway: Peer, status: str, more: str
) -> None:
    operator.send(voip.put_identity(UNA, mobile="never"))
    bound(operator, phone, una)
    call = f"redirected-{status[:3]}"
    invite(gateway, f"9900{UNA}", call)
    phone.answer(phone.heard("INVITE", call=call), status, more, tag="p")
    said = gateway.heard("SIP/2.0 [2-6]", call=call)
    assert said.startswith("SIP/2.0 480")
    assert header(said, "Contact") == header(said, more.partition(":")[0]) == []


def test_what_crosses_what_ends_in_one_call_that_both_sides_can_end(
    lab: Lab, operator: client.Client, una: str, phone: Peer, gateway: Peer
) -> None:
    """CANCEL and the 200, an INVITE that comes again, a 200 and an ACK that come late, BYE from both sides."""
    bound(operator, phone, una)
    branch = f"z9hG4bKcrossing{gateway.port}"
    invite(gateway, f"9900{UNA}", "crossing", branch=branch)
    asked = phone.heard("INVITE")
    about = (f"Contact: {phone.contact}",)
    phone.answer(asked, "200 OK", *about, tag="p", body=SDP)
    answered = gateway.heard("SIP/2.0 200")
    who = (f"From: <sip:46700000009@{gateway.host}>;tag=g", f"To: <sip:9900{UNA}@127.0.0.1>")
    gateway.say(
        f"CANCEL sip:9900{UNA}@127.0.0.1 SIP/2.0", *who, "Call-ID: crossing", "CSeq: 1 CANCEL", branch=branch
    )
    assert header(gateway.heard("SIP/2.0 200"), "CSeq") == ["1 CANCEL"]
    invite(gateway, f"9900{UNA}", "crossing", branch=branch)
    assert header(gateway.heard("SIP/2.0 200"), "CSeq") == ["1 INVITE"]
    phone.answer(asked, "200 OK", *about, tag="p", body=SDP)
    assert gateway.heard("SIP/2.0 200")
    within(gateway, "ACK", answered, 1)
    assert phone.heard("ACK|INVITE|CANCEL").startswith("ACK")
    for method, cseq in (
        ("INVITE", 7),
        ("UPDATE", 3),
        ("INFO", 3),
        ("REFER", 99),
    ):  # the numbers are their ends' affair
        body = SDP if method in ("INVITE", "UPDATE") else ""
        within(gateway, method, answered, cseq, f"Contact: {gateway.contact}", body=body)
        phone.answer(phone.heard(method), "200 OK", *about, body=body)
        assert header(gateway.heard("SIP/2.0 200"), "CSeq") == [f"{cseq} {method}"]
        if method == "INVITE":
            within(gateway, "ACK", answered, cseq)
            assert phone.heard("ACK")
    (target,) = re.findall(r"<([^>]*)>", header(asked, "Contact")[0])
    own = (f"From: {header(asked, 'To')[0]};tag=p", f"To: {header(asked, 'From')[0]}", "Call-ID: crossing")
    routes = [f"Route: {one}" for one in header(asked, "Record-Route")]
    phone.say(f"BYE {target} SIP/2.0", *routes, *own, "CSeq: 1 BYE")
    within(gateway, "BYE", answered, 100)
    phone.answer(phone.heard("BYE"), "200 OK")
    gateway.answer(gateway.heard("BYE"), "200 OK")
    assert phone.heard("SIP/2.0 200")
    assert gateway.heard("SIP/2.0 200")
    lab.wait_said("call", called=UNA, reason="rings-devices")
    wait_until(lambda: lab.metric("scp_voip_dialogs") == 0)


def test_a_device_on_another_transport_belongs_to_its_call_too(
    lab: Lab, operator: client.Client, una: str, gateway: Peer
) -> None:
    """It is told two Record-Routes, one for each side, and shows the one that faces it."""
    context = ssl.create_default_context(cafile=str(lab.folder / "c.pem"))
    context.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", lab.tls), 15)
    with plain, Peer(lab, secure=context.wrap_socket(plain)) as phone:
        bound(operator, phone, una)
        invite(gateway, f"9900{UNA}", "secure")
        asked = phone.heard("INVITE")
        phone.answer(asked, "200 OK", f"Contact: {phone.contact}", tag="p", body=SDP)
        within(gateway, "ACK", gateway.heard("SIP/2.0 200", call="secure"), 1)
        assert phone.heard("ACK")
        (target,) = re.findall(r"<([^>]*)>", header(asked, "Contact")[0])
        routes = [f"Route: {one}" for one in header(asked, "Record-Route")]
        assert len(routes) == 2
        own = (f"From: {header(asked, 'To')[0]};tag=p", f"To: {header(asked, 'From')[0]}", "Call-ID: secure")
        phone.say(f"BYE {target} SIP/2.0", *routes, *own, "CSeq: 1 BYE")
        gateway.answer(gateway.heard("BYE"), "200 OK")
        assert phone.heard("SIP/2.0 200")
