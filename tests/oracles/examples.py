"""How many examples hypothesis makes of a property, and which: the profiles ``ci`` and ``thorough``.

``ci`` makes the same examples in every run of one tree. ``thorough``, which ``CAMEL_SCP_THOROUGH=N`` chooses, makes N
times as many, from the seed that ``--hypothesis-seed`` gives. A test with a number of its own takes it by `examples`.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

FACTOR = int(os.environ.get("CAMEL_SCP_THOROUGH", "0"))
PROFILE = "thorough" if FACTOR else "ci"
USUAL = 100


def choose_profile() -> None:
    """Load the profile; called before any test module is imported, since properties take the settings of that moment."""
    # A shared or slow machine is no fault of the code: no deadline for an example, no complaint about slow generation.
    settings.register_profile(
        "ci",
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
        max_examples=USUAL,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile(
        "thorough", settings.get_profile("ci"), derandomize=False, max_examples=USUAL * (FACTOR or 1)
    )
    settings.load_profile(PROFILE)
    if PROFILE == "ci":
        _take_no_constants_from_modules()


def examples(number: int = USUAL, **others: Any) -> settings:
    """Settings of a property that makes another number of examples than others: ``number`` in ``ci``."""
    return settings(max_examples=number * (FACTOR or 1), **others)


def described(seed: str | None) -> str:
    """Describe the profile and the seed, for the report."""
    if PROFILE == "ci":
        return f"hypothesis: profile ci, {USUAL} examples, the same in every run"
    return f"hypothesis: profile thorough, {USUAL * FACTOR} examples, --hypothesis-seed={seed or 'random'}"


def _take_no_constants_from_modules() -> None:
    """Keep hypothesis from drawing constants of the modules that a process has imported.

    Which these are depends on the tests that it ran before, and on the folder of the checkout.
    """
    none = providers._local_constants
    providers._get_local_constants = lambda: none
