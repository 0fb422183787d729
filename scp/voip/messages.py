"""What Kamailio (deploy/kamailio/kamailio.cfg) and the brain say to each other: JSON, told apart by ``m``.

A plan is no JSON: Kamailio would read all of it for each member that it looks at. Nor is `Kept`.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from scp.voip.decision import Step

NULL: Final = "<null>"
"""What Kamailio writes for a value that is not there."""
_SEPARATORS: Final = str.maketrans("", "", "-.()")
_NUMBER: Final = re.compile(r"[+]?[0-9*#]+\Z")
_APART: Final = 60.0
"""Seconds that two times of the same moment may differ by, at most."""


# --- from Kamailio; texts of SIP are percent-encoded ---


class Welcome(Struct, frozen=True, tag_field="m", tag="welcome"):
    """Kamailio takes us for a brain, the one with the number ``you``.

    ``started`` is its own start, in seconds since 1970 with six decimals: two may fall into one second.
    """

    started: str
    you: int = -1


class DeviceAsked(Struct, frozen=True, tag_field="m", tag="device"):
    """May this device act for this number? Answered by `Ha1Answer`."""

    ti: int
    tl: int
    method: str
    user: str
    number: str
    domain: str
    src: str


def wants_privacy(privacy: str, sender: str) -> bool:
    """Return whether a caller is not to be shown: by Privacy (RFC 3323 §4.2, RFC 3325 §9.3) or From."""
    wanted = {one.strip().lower() for one in privacy.replace(",", ";").split(";")}
    return not wanted.isdisjoint(("id", "user", "header", "session")) or sender.lower() == "anonymous"


class InviteAsked(Struct, frozen=True, tag_field="m", tag="invite"):
    """What is to happen to this call? Answered by `PlanAnswer`."""

    ti: int
    tl: int
    call_id: str
    to: str
    host: str
    src: str
    from_: str = msgspec.field(name="from", default="")
    from_host: str = ""
    pai: str = ""
    privacy: str = ""
    device: str = ""
    diversion: str = ""
    history: str = ""
    reference: str = ""


class Bindings(Struct, frozen=True, tag_field="m", tag="bindings"):
    """An address of record has so many bindings; ``device`` has registered, "": something else happened."""

    aor: str
    count: int
    device: str = ""


class MessageAsked(Struct, frozen=True, tag_field="m", tag="message"):
    """A device sends a text message; its body in base64. Answered by `Taken`."""

    ti: int
    tl: int
    call_id: str
    cseq: str
    device: str
    to: str
    host: str
    from_: str = msgspec.field(name="from", default="")
    type: str = ""
    body: str = ""


class Delivered(Struct, frozen=True, tag_field="m", tag="delivered"):
    """What a device has answered to a text message: a SIP status, 408 for nothing.

    Said again until ``call`` is `Kept`; ``by``: see `Ended`. Without ``call`` it is said once: the device is
    not registered at this Kamailio.
    """

    id: str
    device: str
    code: int
    call: str = ""
    by: int = -1


class Answered(Struct, frozen=True, tag_field="m", tag="answered"):
    """A call was answered at this time, in seconds since 1970; ``entry`` and ``id`` are the dialog's.

    ``ends`` is what a request within the dialog needs, percent-encoded, with commas between: see `Ends`.
    """

    call: str
    note: str
    at: int
    entry: int
    id: int
    free: str = "0"
    ends: str = ""


class Left(Struct, frozen=True, tag_field="m", tag="left"):
    """A BYE came for a call that this Kamailio does not know: it was another one's, or it was started since.

    ``id`` is the Call-ID, ``over`` the time in seconds since 1970 with a fraction, ``at`` without.
    """

    id: str
    at: int
    over: str = ""


class PassAsked(Struct, frozen=True, tag_field="m", tag="pass"):
    """A call is about to go to the mobile: let it pass at the node. Answered by `Passed`."""

    ti: int
    tl: int
    call: str
    note: str


class Freed(Struct, frozen=True, tag_field="m", tag="freed"):
    """A call goes on where it takes no minutes; ``by``: see `Ended`."""

    call: str
    note: str
    by: int = -1


class Ended(Struct, frozen=True, tag_field="m", tag="ended"):
    """A call that was answered at ``start`` has ended. Said again until it is `Kept`.

    All brains hear it, the one with the number ``by`` does what there is to do; -1: whoever hears it.
    ``begun`` and ``over`` are answer and end to the microsecond, as seconds with a fraction, "" if not known.
    ``cut``: "1" if Kamailio has ended it, since the granted time was used up.
    """

    call: str
    note: str
    a: str
    b: str
    start: int
    at: int
    free: str = "0"
    by: int = -1
    begun: str = ""
    over: str = ""
    cut: str = "0"

    @property
    def seconds(self) -> int:
        """How long it was talked: a begun second is a whole one.

        Where the granted time was used up it is the nearest one: Kamailio's timer has ticks of its own.
        """
        begun, over = precise(self.begun, self.start), precise(self.over, self.at)
        millionths = (self.at - self.start) * 1_000_000
        if begun is not None and over is not None:
            millionths = round((over - begun) * 1e6)
        return max(0, (millionths + (500_000 if self.cut == "1" else 999_999)) // 1_000_000)


class Failed(Struct, frozen=True, tag_field="m", tag="failed"):
    """A call has ended without an answer. Said again until it is `Kept`; ``by``: see `Ended`."""

    call: str
    note: str
    a: str
    b: str
    at: int
    by: int = -1
    over: str = ""


class Several(Struct, frozen=True, tag_field="m", tag="several"):
    """What has to be kept, as it was said within 50 ms; ``by``: of all of it, see `Ended`."""

    all: tuple[Ended | Failed | Delivered, ...]
    by: int = -1


class Counted(Struct, frozen=True, tag_field="m", tag="counted"):
    """What a Kamailio has counted since its start; ``dialogs`` are there now."""

    scanner: int
    malformed: int
    flood: int
    wrong_digest: int
    late: int
    away: int
    no_relay: int
    unreadable: int
    dialogs: int


class Traced(Struct, frozen=True, tag_field="m", tag="sip"):
    """A message of a call that is traced, as it came ("in") or went ("out"), in base64.

    ``id`` is its Call-ID, ``at`` seconds since 1970 with a fraction, ``peer`` the address at the other end.
    """

    id: str
    at: str
    way: str
    peer: str
    port: int
    sip: str


Heard: TypeAlias = (
    Welcome
    | Traced
    | Counted
    | DeviceAsked
    | InviteAsked
    | Bindings
    | MessageAsked
    | Delivered
    | Answered
    | PassAsked
    | Freed
    | Ended
    | Failed
    | Left
    | Several
)

_decode: Final = msgspec.json.Decoder(Heard).decode


def heard(octets: bytes) -> Heard:
    """Return a message of Kamailio; raises `msgspec.DecodeError` with what is wrong with it."""
    message: Heard = _decode(octets)
    return message


def precise(text: str, whole: int) -> float | None:
    """Return a time with its fraction, in seconds; None: there is none, or none near its whole seconds."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if abs(seconds - whole) < _APART else None  # neither NaN nor infinity


def plain(text: str) -> str:
    """Return a text of SIP as it was: decoded, "" where there was none."""
    decoded = unquote(text, errors="replace")
    return "" if decoded == NULL else decoded


def number_in(user: str) -> str:
    """Return the number that a user part is, bare; any other one as it came.

    Telephone parameters (RFC 3966 §3: ``;phone-context=``, ``;npdi``) and visual separators (§5.1.1) are left
    out, what is escaped (RFC 3261 §19.1.2: ``%2B``) is decoded.
    """
    bare = unquote(user).partition(";")[0].translate(_SEPARATORS)
    return bare if _NUMBER.match(bare) else user


# --- to Kamailio ---


class Hello(Struct, frozen=True, tag_field="m", tag="hello"):
    """We are a brain; calls may be asked from now on, and what is kept for one is told."""

    name: str


class Ha1Answer(Struct, frozen=True, tag_field="m", tag="ha1"):
    """The device's HA1, "" if it may not."""

    ti: int
    tl: int
    ha1: str


class Tells(IntEnum):
    """What Kamailio tells of a call; each has what is before it as well."""

    END = 0
    ANSWER = 1
    MESSAGES = 2


class PlanAnswer(Struct, frozen=True):
    """What is to happen to a call; ``timeout`` seconds after the answer it is ended, 0: not by us.

    ``sender`` is the URI for From, "" for the one that came. ``tells``: what Kamailio says of the call.
    """

    ti: int
    tl: int
    call: str
    note: str = ""
    steps: tuple[Step, ...] = ()
    headers: str = ""
    sender: str = ""
    timeout: int = 0
    reply: int = 0
    text: str = ""
    tells: int = Tells.ANSWER


class Kept(Struct, frozen=True):
    """The ends of these calls are in our records."""

    calls: tuple[str, ...]


class Counters(Struct, frozen=True, tag_field="m", tag="counters"):
    """Say what was counted."""


class Retell(Struct, frozen=True, tag_field="m", tag="retell"):
    """Tell again what no brain has kept, and which calls go on."""


class Count(Struct, frozen=True, tag_field="m", tag="count"):
    """Say how many bindings this address of record has."""

    aor: str


class Extend(Struct, frozen=True, tag_field="m", tag="extend"):
    """End this dialog so many seconds from now, not before."""

    entry: int
    id: int
    seconds: int


class Send(Struct, frozen=True, tag_field="m", tag="send"):
    """Send a SIP message as it stands to a URI."""

    at: str
    text: str


class Forget(Struct, frozen=True, tag_field="m", tag="forget"):
    """A device's credentials are not valid any more."""

    user: str


class Unbind(Struct, frozen=True, omit_defaults=True, tag_field="m", tag="unbind"):
    """End the bindings of an address of record: those of a device, or all."""

    aor: str
    device: str = ""


class Taken(Struct, frozen=True, tag_field="m", tag="taken"):
    """What a device's text message is answered with."""

    ti: int
    tl: int
    reply: int
    text: str


class Passed(Struct, frozen=True, tag_field="m", tag="passed"):
    """The node lets the call pass, or can't be asked: it goes on."""

    ti: int
    tl: int


class Deliver(Struct, frozen=True, tag_field="m", tag="deliver"):
    """Send a text message to the bindings that a device has of an address of record; ``sender`` is a URI."""

    id: str
    aor: str
    device: str
    sender: str
    type: str
    body: str


Said: TypeAlias = (
    Hello
    | Ha1Answer
    | PlanAnswer
    | Kept
    | Counters
    | Retell
    | Count
    | Extend
    | Send
    | Forget
    | Unbind
    | Taken
    | Passed
    | Deliver
)

_encode: Final = msgspec.json.Encoder().encode


def said(message: Said) -> bytes:
    """Return a message as Kamailio reads it."""
    if isinstance(message, PlanAnswer):
        return _fields(message)
    if isinstance(message, Kept):
        return "\t".join(("kept", *message.calls, "")).encode()
    return _encode(message)


def _fields(plan: PlanAnswer) -> bytes:
    """Return a plan as fields with a tab behind each; their order is said in kamailio.cfg at route[PLAN].

    A tab within a header means what a space does (RFC 3261 section 7.3.1), and in a URI there is none.
    """
    texts = [
        "plan",
        str(_signed(plan.ti)),
        str(_signed(plan.tl)),
        str(int(plan.tells)),
        str(plan.reply),
        plan.text,
        str(plan.timeout),
        plan.call,
        plan.note,
        plan.sender,
        plan.headers,
    ]
    for step in plan.steps:
        more = ",".join(step.more)
        texts += (str(step.seconds), str(step.free), str(step.passing), step.aor, step.uri, step.branch, more)
        texts.append(step.headers)
    whole = "\t".join(texts)
    if whole.count("\t") >= len(texts):
        whole = "\t".join(text.replace("\t", " ") for text in texts)
    return f"{whole}\t".encode()


def _signed(number: int) -> int:
    """Return 32 bits as Kamailio reads a number: signed."""
    return number - (1 << 32) if number >> 31 else number
