"""Messages that ask to be told of their delivery: CPIM (RFC 3862) with IMDN's headers (RFC 5438). Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

PLAIN: Final = "text/plain"
CPIM: Final = "message/cpim"
_URN: Final = "urn:ietf:params:imdn"
_NAMESPACE: Final = re.compile(
    r"^NS: *(?P<prefix>[A-Za-z][A-Za-z0-9._-]*) *<urn:ietf:params:imdn>", re.IGNORECASE
)
_BLANK: Final = re.compile(r"\r?\n\r?\n")


class Unreadable(ValueError):  # noqa: N818 - what it says of the message
    """The body is not what its type says, or holds what is no text."""


class Text(NamedTuple):
    """What a message says; ``imdn``: its id there if its delivery is to be reported, else ""."""

    text: str
    imdn: str = ""


def text_of(content_type: str, body: bytes) -> Text:
    """Return the text of a message's body.

    Raises:
        Unreadable: it is of another type, or not UTF-8.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"octet {error.start} is no UTF-8") from None
    if kind == PLAIN:
        return Text(text)
    if kind != CPIM:
        raise Unreadable(f"{kind or 'nothing'} is neither {PLAIN} nor {CPIM}")
    parts = _BLANK.split(text, maxsplit=2)
    if len(parts) < 3:
        raise Unreadable("CPIM without its headers, or its content's (RFC 3862 §2)")
    inner = re.search(r"^Content-type: *([^;\s]+)", parts[1], re.MULTILINE | re.IGNORECASE)
    if inner is not None and inner[1].lower() != PLAIN:
        raise Unreadable(f"{inner[1]} in CPIM is not {PLAIN}")
    return Text(parts[2], _imdn(parts[0].splitlines()))


def _imdn(headers: list[str]) -> str:
    """Return the id of a message whose positive or negative delivery is to be reported (RFC 5438 §6.3)."""
    prefix = next((found["prefix"] for line in headers if (found := _NAMESPACE.match(line))), "")
    if not prefix:
        return ""
    values = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)
    }
    wanted = values.get(f"{prefix}.disposition-notification".lower(), "")
    if "positive-delivery" not in wanted and "negative-delivery" not in wanted:
        return ""
    return values.get(f"{prefix}.message-id".lower(), "")


def delivery_report(imdn: str, sender: str, recipient: str, at: str, *, delivered: bool) -> str:
    """Return the body of the report on a message, for `CPIM` (RFC 5438 §7.2.1, §11.1).

    Args:
        imdn: the id that the message had.
        sender: URI of who reports: the message's recipient.
        recipient: URI of who sent the message.
        at: time of the message, RFC 3339.
        delivered: whether it arrived.
    """
    status = "delivered" if delivered else "failed"
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n'
        f'<imdn xmlns="{_URN}"><message-id>{escape(imdn)}</message-id><datetime>{at}</datetime>'
        f"<delivery-notification><status><{status}/></status></delivery-notification></imdn>\r\n"
    )
    return (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nNS: imdn <{_URN}>\r\nimdn.Message-ID: {imdn}-report\r\n"
        f"\r\nContent-type: message/imdn+xml\r\nContent-Disposition: notification\r\n"
        f"Content-length: {len(document.encode())}\r\n\r\n{document}"
    )
