"""The console in a headless Chromium, signed in."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-headless-shell")
NEEDS_BROWSER = pytest.mark.skipif(
    BROWSER is None, reason="neither chromium nor chromium-headless-shell is installed"
)
PATIENCE_MS = 120_000
PICTURES = os.environ.get("CAMEL_SCP_SCREENSHOTS", "")
"""The folder that pictures of the pages are wanted in; "": nobody wants any."""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        try:
            yield found
        finally:
            found.close()


class Tab:
    """A page of the console that is signed in; what it asks for and what goes wrong is kept."""

    def __init__(self, browser: Any, url: str, token: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self._url = url
        self.page.goto(url + "/console")
        self.page.wait_for_selector("input[type=password]:focus")
        self.page.keyboard.type(token)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".network")

    def picture(self, name: str, most: int = 1200) -> None:
        """Take a picture of a page where one is wanted (``make screenshots``): a wide one in light.

        It has ``most`` pixels from the top: a list goes on alike, and a repository keeps every octet.
        """
        if PICTURES:
            self.page.emulate_media(color_scheme="light")
            before = self.page.viewport_size
            self.page.set_viewport_size({"width": 1200, "height": 800})
            height = min(self.page.evaluate("document.documentElement.scrollHeight"), most)
            self.page.set_viewport_size({"width": 1200, "height": height})
            self.page.evaluate("scrollTo(0, 0)")
            self.page.screenshot(path=Path(PICTURES, f"{name}.png"))
            self.page.set_viewport_size(before)

    def close(self) -> None:
        """Close it; nothing went wrong, and no request left the node."""
        assert self.faults == []
        assert {url for url in self.asked if not url.startswith((self._url, "data:", "blob:"))} == set()
        self.context.close()


def serious(page: Any) -> list[tuple[str, str]]:
    """What axe-core finds serious or critical on a page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    found = axe.Axe().run(page).response["violations"]
    return [
        (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
    ]
