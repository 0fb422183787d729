"""Redis servers that this folder's tests share; those that break servers start their own."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator

import pytest

from oracles import redis_lab

_number = itertools.count()


def _lab(name: str) -> Callable[..., Iterator[redis_lab.Lab]]:
    @pytest.fixture(scope="session", name=name)
    def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_lab.Lab]:
        if not shutil.which("redis-server"):
            pytest.skip("redis-server is not installed")
        with getattr(redis_lab, name)(tmp_path_factory.mktemp(name)) as running:
            yield running

    return lab


single = _lab("single")
sentinel = _lab("sentinel")
cluster = _lab("cluster")


@pytest.fixture
def fresh() -> str:
    """URL options for a store of the test's own, small enough to be walked through quickly."""
    return f"prefix=t{next(_number)}&buckets=256"
