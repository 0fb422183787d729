"""How a softphone gets its account: a QR code that says where it is, and the page that has it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from secrets import token_urlsafe
from typing import Final, final

import segno

_PROVISIONING: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">
<section name="proxy_0">
<entry name="reg_identity" overwrite="true">sip:+{msisdn}@{domain}</entry>
<entry name="reg_proxy" overwrite="true">&lt;sip:{host}:{port};transport=tcp&gt;</entry>
<entry name="reg_route" overwrite="true">&lt;sip:{host}:{port};transport=tcp;lr&gt;</entry>
<entry name="reg_sendregister" overwrite="true">1</entry>
</section>
<section name="auth_info_0">
<entry name="username" overwrite="true">+{msisdn}</entry>
<entry name="userid" overwrite="true">{device}</entry>
<entry name="passwd" overwrite="true">{password}</entry>
<entry name="realm" overwrite="true">{domain}</entry>
<entry name="domain" overwrite="true">{domain}</entry>
</section>
</config>
"""


@final
class Provisioning:
    """Gives a phone its account by HTTP, at a path that its QR code says (Linphone's remote provisioning).

    Args:
        host: where phones reach this machine.
        sip: port of Kamailio.
    """

    def __init__(self, host: str, sip: int) -> None:
        self._host = host
        self._sip = sip
        self._pages: dict[str, str] = {}
        self.port = 0

    async def start(self) -> asyncio.Server:
        """Listen; the server is the caller's to close."""
        server = await asyncio.start_server(self._answer, self._host, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def url(self, domain: str, msisdn: str, device: str, password: str) -> str:
        """Return where a device's account is from now on."""
        path = f"/{token_urlsafe(9)}"
        self._pages[path] = _PROVISIONING.format(
            msisdn=msisdn,
            domain=domain,
            host=self._host,
            port=self._sip,
            device=device,
            password=password,
        )
        return f"http://{self._host}:{self.port}{path}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(10):
                words = (await reader.readuntil(b"\r\n")).split()
            page = self._pages.get(words[1].decode("latin-1") if len(words) > 1 else "")
            body = (page or "").encode()
            status = b"404 Not Found" if page is None else b"200 OK"
            head = b"HTTP/1.1 %b\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n" % (
                status,
                len(body),
            )
            writer.write(head + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()


def qr_code(text: str) -> str:
    """Return a text as a QR code of block characters, for a terminal."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True)
    return out.getvalue()
