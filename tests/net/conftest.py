"""What tests of the transports share."""

import asyncio
import sys

import pytest


def _uvloop():
    import uvloop

    return uvloop.new_event_loop()


@pytest.fixture(params=["asyncio", "uvloop"] if sys.platform == "linux" else ["asyncio"])
def run(request):
    """Run a coroutine function on the loop that is meant, and let nothing of it outlive the test."""

    def runner(function):
        factory = _uvloop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as loop_runner:
            complaints = []
            loop_runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            loop_runner.run(function())
            assert complaints == []

    return runner
