"""The log goes on, and so does who writes it, whatever becomes of its reader."""

from __future__ import annotations

import fcntl
import io
import json
import logging
import os

import pytest

from scp.telemetry import logs
from scp.telemetry.nonblocking_log import NonblockingStream

LINE = json.dumps({"event": "x" * 1000}) + "\n"


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "w") as stream:
        yield source, stream


def test_a_reader_that_is_slow_costs_lines_and_no_time(pipe) -> None:
    source, stream = pipe
    steady = NonblockingStream(stream)
    while not steady.lost:
        steady.write(LINE)
    for _ in range(9):
        steady.write(LINE)
    assert steady.lost == 10
    taken = source.read()
    steady.write(LINE)
    steady.write(LINE)
    found = [json.loads(line) for line in (taken + source.read()).splitlines()]
    told = [each for each in found if "lines" in each]
    assert [(each["lines"], each["level"]) for each in told] == [(10, "warning")]
    assert found[-3:] == [told[0], json.loads(LINE), json.loads(LINE)]
    assert steady.lost == 10


def test_a_reader_that_is_gone_is_no_fault_of_the_writers(pipe) -> None:
    source, stream = pipe
    logs.configure(stream=stream)
    source.close()
    logs.get_logger().warning("somebody ought to know")
    logging.getLogger("asyncio").error("of another library")
    assert logs.lines_lost() == 2


def test_a_full_disk_is_none_either() -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        steady = NonblockingStream(stream)
        steady.write(LINE)
        steady.flush()
        assert steady.lost == 1


def test_a_line_that_was_cut_is_ended_before_the_next(pipe, monkeypatch) -> None:
    source, stream = pipe
    steady = NonblockingStream(stream)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, octets: write(fd, octets[:5]))  # the disk had no more room
    steady.write(LINE)
    monkeypatch.undo()
    steady.write(LINE)
    cut, told, line = source.read().splitlines()
    assert cut == LINE[:5].encode()
    assert json.loads(told)["lines"] == 1
    assert json.loads(line) == json.loads(LINE)


def test_what_has_no_descriptor_is_written_to_as_it_is() -> None:
    stream = io.StringIO()
    steady = NonblockingStream(stream)
    steady.write(LINE)
    steady.flush()
    assert (stream.getvalue(), steady.lost) == (LINE, 0)


def test_lines_lost_are_counted_over_reloads(monkeypatch) -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        monkeypatch.setattr("sys.stdout", stream)
        logs.configure()
        logs.get_logger().info("one")
        logs.configure("debug")
        logs.get_logger().info("two")
        assert logs.lines_lost() == 2
