"""Imports, before the first call, what only some calls and some nodes need.

An import in the event loop holds up every call: the reference codec, which reads InitialDPs in unusual forms,
takes 0.6 s of processor time (its ASN.1 is 115,000 objects, 27 MB), the API 0.4 s.
"""

from __future__ import annotations

from codecs import lookup
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.request import Request

from ss7.cap.codec import ALONE

if TYPE_CHECKING:
    from scp.config import Config


def preload(config: Config) -> None:
    """Import what a node with this configuration may need while calls run; in a thread beside other work."""
    ALONE.reference()
    if config.api is not None:
        import_module("scp.api.server")
        if config.api.console:
            import_module("scp.console.routes")
    if config.map is not None:
        import_module("scp.app.map").prepare()
    if config.messages is not None:
        for alphabet in ("utf_16_be", "latin_1", "idna"):  # of texts, and of the SMSC's name
            lookup(alphabet)
    if any("charging" in table for table in config.services.values()):
        import_module("scp.services.charge_control").prepare()
    if any(each.srf for each in config.announcements.values()):
        import_module("scp.engine.cap.assist").prepare()
    if config.sms_control is not None:
        import_module("scp.engine.cap.sms").prepare()
    if config.charging.ro is not None:
        lookup("idna")  # of the servers' names
    if config.charging.chf is not None:
        Request("http://chf.example").get_method()  # httpx reads cookies with it, which compiles two patterns
