"""Fuzzes one target with atheris, guided by coverage: ``python tests/fuzz/fuzz.py TARGET [libFuzzer options]``.

``make fuzz`` runs each target in turn. The corpus grows in build/fuzz/TARGET.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ss7", "scp"]):
    import targets

CORPUS = Path(__file__).parents[2] / "build" / "fuzz"


def main() -> None:
    name, *options = sys.argv[1:]
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(octets)
    atheris.Setup([sys.argv[0], str(corpus), *options], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
