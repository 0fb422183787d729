"""A text message that nothing was heard of may be at its device or not: it is reported, or sent again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scp.voip.brain import Brain
from scp.voip.config import loads
from scp.voip.config_api import Messages
from scp.voip.directory import Device, Directory, Identity
from scp.voip.inbox import UNDER_WAY_MS, Inbox
from scp.voip.messages import Deliver, Delivered
from scp.voip.metrics import VoipMetrics
from scp.voip.store import Store

ALICE, PHONE, TABLET = "11234567", "alice-phone", "alice-tablet"
CONFIG = """\
[voip]
domain = "voip.example"
[numbering]
country_code = "46"
[api]
listen = "127.0.0.1:0"
[messages]
in_doubt = "{}"
[messages.smpp]
addresses = ["127.0.0.1:1"]
system_id = "voip"
"""


class Link:
    """A Kamailio's link (`scp.voip.evapi.Evapi`): what it was told, by device."""

    address, number, started = "127.0.0.1:1", 0, 0

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, message: object) -> bool:
        if isinstance(message, Deliver):
            self.told.append(message.device)
        return True


@pytest.mark.parametrize("in_doubt", ["report", "repeat"])
def test_a_text_that_nothing_was_heard_of(tmp_path: Path, in_doubt: str) -> None:
    async def main() -> None:
        config = loads(CONFIG.format(in_doubt), {})
        assert isinstance(config.messages, Messages)
        directory, store = Directory(), Store(f"sqlite:{tmp_path / 'voip.db'}")
        directory.put_identity(Identity(ALICE))
        for name in (PHONE, TABLET):
            directory.put_device(Device(name, "0" * 32, (ALICE,)))
        directory.bind(ALICE, 2)
        now = [10**12]
        brain = Brain(config, directory, store, VoipMetrics(directory), None)
        inbox, events = Inbox(brain, store, None, lambda: now[0]), []
        inbox.told = lambda what, _about, about: events.append((what, about.get("device")))

        async def done() -> None:
            while inbox._tasks:
                await asyncio.gather(*inbox._tasks)

        # nobody is linked: nobody can have it
        assert await inbox.deliver(ALICE, "Bank", "Your code", "m1", now[0]) == 2
        await done()
        link = Link()
        kamailio: Any = link  # stands for an `Evapi`
        brain._links.add(kamailio)
        for name in (PHONE, TABLET):
            inbox.registered(ALICE, name)
        await done()
        assert link.told == [PHONE, TABLET]
        await inbox.delivered(kamailio, Delivered(f"m1.{ALICE}", TABLET, 200, "text-1"))
        now[0] += UNDER_WAY_MS - 1
        inbox.registered(ALICE, PHONE)
        await done()
        assert link.told == [PHONE, TABLET]  # an answer may still come
        now[0] += 1
        for _ in range(2):
            inbox.registered(ALICE, PHONE)
            await done()
        if in_doubt == "repeat":
            assert link.told == [PHONE, TABLET, PHONE]
            assert ("message-unknown", PHONE) not in events
        else:
            assert link.told == [PHONE, TABLET]
            assert events.count(("message-unknown", PHONE)) == 1
            assert brain.metrics.answered["unknown"] == 1
            assert inbox.waiting == 0
            # an answer that comes after all is not waited for any more
            await inbox.delivered(kamailio, Delivered(f"m1.{ALICE}", PHONE, 200, "text-2"))

    asyncio.run(main())
