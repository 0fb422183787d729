"""SIP messages as RFC 4475 describes them: what is unusual and right, and what is wrong. Made by code."""

from __future__ import annotations

from typing import Final, NamedTuple


class Torture(NamedTuple):
    """A message: its name in RFC 4475, whether it is a request that has to be answered, and its octets."""

    name: str
    right: bool
    octets: bytes


def message(
    name: str,
    method: str = "OPTIONS",
    uri: str = "sip:voip.example",
    *,
    first: str = "",
    cseq: str = "",
    via: str = "",
    user: str = "<sip:stranger@192.0.2.1>;tag=1",
    to: str = "<sip:voip.example>",
    forwards: str = "70",
    more: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    length: str = "",
    body: bytes = b"",
) -> bytes:
    """Return a message whose Call-ID is its name."""
    fields = {
        "Via": via or f"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{name}",
        "From": user,
        "To": to,
        "Call-ID": f"{name}@torture",
        "CSeq": cseq or f"1 {method}",
        "Max-Forwards": forwards,
        "Content-Length": length or str(len(body)),
    }
    lines = [first or f"{method} {uri} SIP/2.0"]
    lines += [f"{key}: {value}" for key, value in fields.items() if key not in without and value != "-"]
    lines += more
    return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape") + body


STRANGE: Final = "!interesting-Method0123456789_*+`.%indeed'~"
WSINV: Final = (
    'TO :\r\n sip:voip.example\r\nfrom : "J Rosenberg \\\\\\""       <sip:jdrosen@192.0.2.1>\r\n  ;\r\n  tag = 98asjd8\r\n'
    "MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv@torture\r\nContent-Length   : 0\r\ncseq: 0009\r\n  OPTIONS\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;rport;branch=390skdjuw\r\ns :\r\nNewFangledHeader:   newfangled value\r\n"
    " continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\r\n"
)
BOUNDARY: Final = (
    b"--unique-boundary-1\r\nContent-Type: text/plain\r\n\r\nHello\r\n--unique-boundary-1\r\n"
    b"Content-Type: application/octet-stream\r\n\r\n" + bytes(range(256)) + b"\r\n--unique-boundary-1--\r\n"
)


def _right() -> list[Torture]:
    """What has to be answered, whatever the answer is (§3.1.1), but for a Via that is folded: Kamailio 5.6 drops it."""
    return [
        Torture("wsinv", False, f"OPTIONS sip:voip.example SIP/2.0\r\n{WSINV}".encode()),
        Torture("intmeth", True, message("intmeth", STRANGE, to='"BEL:\\\x07 NUL:\\\x00" <sip:voip.example>')),
        Torture("esc01", True, message("esc01", uri="sip:sips%3Auser%40example.com@voip.example", method="INFO")),
        Torture(
            "escnull",
            True,
            message("escnull", "REGISTER", user="<sip:null-%00-null@voip.example>;tag=1", to="<sip:null-%00-null@voip.example>"),
        ),
        Torture("esc02", True, message("esc02", "RE%47IST%45R", user='"%Z%45" <sip:resource@192.0.2.1>;tag=f232jadfj23')),
        Torture("lwsdisp", True, message("lwsdisp", user="caller<sip:caller@192.0.2.1>;tag=323")),
        Torture(
            "longreq",
            True,
            message(
                "longreq",
                user=f"\"{'I have a user name of extreme proportion ' * 8}\"<sip:a@192.0.2.1;{'unknown=' + 'v' * 600}>;tag=1",
                more=(
                    *(f"Via: SIP/2.0/TCP sip{n}.example.com" for n in range(33, 0, -1)),
                    f"Unknown-{'Long-' * 20}Name: unknown-{'long-' * 60}value",
                ),
            ),
        ),
        Torture("dblreq", True, message("dblreq") + message("dblreq-second", "INVITE")),
        Torture("semiuri", True, message("semiuri", uri="sip:user;par=u%40example.net@voip.example", method="INFO")),
        Torture(
            "transports",
            True,
            message("transports", more=tuple(f"Via: SIP/2.0/{one} t.example.com" for one in ("SCTP", "TLS", "UNKNOWN", "TCP"))),
        ),
        Torture(
            "mpart01",
            True,
            message("mpart01", "INFO", more=("Content-Type: multipart/mixed;boundary=unique-boundary-1",), body=BOUNDARY),
        ),
        Torture("zeromf", True, message("zeromf", forwards="0")),
        Torture("bext01", True, message("bext01", more=("Require: nothingSupportsThis, nothingSupportsThisEither",))),
        Torture("unksm2", True, message("unksm2", user="<name:John_Smith>;tag=1", to="<isbn:2983792873>")),
    ]  # fmt: skip


def _wrong() -> list[Torture]:
    """What is wrong (§3.1.2, §3.3) or no request: answered with an error or not at all."""
    sip = "SIP/2.0"
    return [
        Torture("badinv01", False, message("badinv01", "INVITE", via="SIP/2.0/UDP 192.0.2.15;;,;,,", more=('Contact: "Joe" <sip:j@example.org>;;;;',))),
        Torture("clerr", False, message("clerr", "INVITE", length="9999", body=b"v=0\r\n")),
        Torture("ncl", False, message("ncl", "INVITE", length="-999")),
        Torture("scalar02", False, message("scalar02", "REGISTER", cseq="36893488147419103232 REGISTER", forwards="300", more=("Expires: 1000000000000", "Contact: <sip:a@b>;expires=280297596632815"))),
        Torture("scalarlg", False, message("scalarlg", first=f"{sip} 503 Service Unavailable", cseq="9292394834772304023312 OPTIONS", more=("Retry-After: 949302838503028349304023988",))),
        Torture("quotbal", False, message("quotbal", "INVITE", to='"Mr. J. User <sip:j.user@voip.example>')),
        Torture("ltgtruri", False, message("ltgtruri", "INVITE", "<sip:user@voip.example>")),
        Torture("lwsruri", False, message("lwsruri", "INVITE", "sip:user@voip.example; lr")),
        Torture("lwsstart", False, message("lwsstart", first=f"INVITE  sip:user@voip.example  {sip}", cseq="1 INVITE")),
        Torture("trws", False, message("trws", first=f"INVITE sip:user@voip.example {sip}  ", cseq="1 INVITE")),
        Torture("escruri", False, message("escruri", "INVITE", "sip:user@voip.example?Route=%3Csip:example.com%3E")),
        Torture("baddate", False, message("baddate", "INVITE", more=("Date: Fri, 01 Jan 2010 16:00:00 EST",))),
        Torture("regbadct", False, message("regbadct", "REGISTER", more=("Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",))),
        Torture("badaspec", False, message("badaspec", "INVITE", to='"Watson, Thomas" < sip:t.watson@voip.example >')),
        Torture("baddn", False, message("baddn", "INVITE", user="Bell, Alexander <sip:a.g.bell@192.0.2.1>;tag=43")),
        Torture("badvers", False, message("badvers", first="INVITE sip:t.watson@voip.example SIP/7.0", cseq="1 INVITE")),
        Torture("mismatch01", False, message("mismatch01", "INVITE", cseq="8 OPTIONS")),
        Torture("mismatch02", False, message("mismatch02", "NEWMETHOD", cseq="8 OPTIONS")),
        Torture("bigcode", False, message("bigcode", first=f"{sip} 4294967301 better not break the receiver")),
        Torture("badbranch", False, message("badbranch", "INVITE", via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK")),
        Torture("insuf", False, message("insuf", "INVITE", without=("From", "To", "Call-ID"))),
        Torture("unkscm", False, message("unkscm", "INVITE", "nobodyKnowsThisScheme:totallyopaquecontent")),
        Torture("novelsc", False, message("novelsc", "INVITE", "soap.beep://192.0.2.103:3002")),
        Torture("multi01", False, message("multi01", "INVITE", more=("CSeq: 59 INVITE", "Call-ID: other@torture", "From: <sip:b@192.0.2.1>;tag=2", "To: <sip:c@192.0.2.1>", "Max-Forwards: 5"))),
        Torture("mcl01", False, message("mcl01", "INVITE", length="13", more=("Content-Length: 5",), body=b"There's no way to know how many octets")),
        Torture("bcast", False, message("bcast", first=f"{sip} 200 OK", via="SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923", more=("Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",))),
        Torture("unreason", False, message("unreason", first=f"{sip} 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e")),
        Torture("noreason", False, message("noreason", first=f"{sip} 100 ")),
        Torture("inv2543", False, b"INVITE sip:UserB@voip.example SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\nFrom: <sip:+1@ift.client.example.net:5060>\r\nTo: sip:+16505552222@ss1.example.net;user=phone\r\nCall-ID: inv2543@torture\r\nCSeq: 56 INVITE\r\n\r\n"),
    ]  # fmt: skip


TORTURE: Final = (*_right(), *_wrong())
