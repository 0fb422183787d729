"""A node with a store that steers calls to one subscriber, and consoles of it in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from console_node import TOKENS, Served, provision, running_node
from console_tab import Tab, chromium

from oracles import redis_lab


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node that steers calls to 11234567 while it roams."""
    folder = tmp_path_factory.mktemp("console")
    with redis_lab.single(folder) as redis, running_node(folder, redis.url) as served:
        provision(served)
        yield served


@pytest.fixture(scope="module")
def browser(node: Served) -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture(params=[("light", 1200, 900), ("dark", 390, 844)], ids=["desktop", "phone"])
def tab(request: pytest.FixtureRequest, browser: Any, node: Served) -> Iterator[Tab]:
    """A console in light and dark, wide and narrow."""
    scheme, width, height = request.param
    size = {"width": width, "height": height}
    opened = Tab(browser, node.url, TOKENS["operator"], color_scheme=scheme, viewport=size)
    yield opened
    opened.close()


@pytest.fixture
def phone(browser: Any, node: Served) -> Iterator[Tab]:
    """A narrow console alone, for what looks the same on a wide one."""
    opened = Tab(browser, node.url, TOKENS["operator"], viewport={"width": 390, "height": 844})
    yield opened
    opened.close()
