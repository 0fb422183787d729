"""Compiles the hot packages with mypyc where there is a C compiler; else they are plain Python.

Everything else about the distribution stands in ``pyproject.toml``. ``CAMEL_SCP_PURE=1`` asks for plain
Python, ``CAMEL_SCP_PURE=0`` for a compiled build or an error; unset, a failing compilation is a warning and
the result is plain. An editable install is always plain: the source tree never holds compiled modules.
"""

from __future__ import annotations

import ast
import functools
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent
PURE = os.environ.get("CAMEL_SCP_PURE", "")
COMPILING_COMMANDS = {"bdist_wheel", "build", "build_ext", "install"}
GROUP = "camel_scp"  # one group: its modules call each other as C functions and share one library
HOT = (
    "codecs/ss7/**/*.py",
    "scp/stack/**/*.py",
    "scp/domain/**/*.py",
    "scp/replay/dialogues.py",
    "scp/replay/offline.py",
    "scp/capture/wire/*.py",
    "scp/common/token_buckets.py",
    "scp/console/recent_calls.py",
    "scp/engine/**/*.py",
    "scp/charging/quota_desk.py",
    "scp/charging/quotas.py",
    "scp/services/call.py",
    "scp/services/call_charge.py",
    "scp/services/call_control.py",
    "scp/services/charge_control.py",
    "scp/services/controlled.py",
    "scp/services/held_call.py",
    "scp/services/idp.py",
    "scp/services/instructions.py",
    "scp/services/cdr_row.py",
    "scp/store/held_redis.py",
    "scp/store/ledger_redis.py",
    "scp/store/redis_hot.py",
    "scp/store/redis_requests.py",
    "scp/telemetry/metrics.py",
    "scp/telemetry/null.py",
)

# What stays plain though it stands in a hot package, by file name. Modules that define a msgspec.Struct stay
# plain as well (`defines_struct` finds them): mypyc has no native subclass of it.
PLAIN = {
    "__init__.py": "holds no code",
    "reference.py": "walks pycrate's objects, whose types are unknown",
    "render.py": "text for people, off the call path",
    "asp_table.py": "a table made once; as C it is the largest file of all",
    "sgp_table.py": "a table made once",
    "table.py": "what the two tables are made of",
}


def defines_struct(source: str) -> bool:
    """Whether a module imports msgspec's Struct, which it does to derive from it."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "msgspec"
        and any(alias.name == "Struct" for alias in node.names)
        for node in ast.walk(ast.parse(source))
    )


def hot_modules() -> Iterator[str]:
    """Yield the modules to compile, as paths relative to this folder."""
    for pattern in HOT:
        for path in sorted(ROOT.glob(pattern)):
            if path.name not in PLAIN and not defines_struct(path.read_text(encoding="utf-8")):
                yield str(path.relative_to(ROOT))


def compiler_works() -> bool:
    """Whether the C compiler makes an object of a source that includes Python.h."""
    command = shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or ""))
    if not command:
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\n", encoding="utf-8")
        include = sysconfig.get_path("include")
        command += ["-I", include, "-c", str(source), "-o", str(source.with_suffix(".o"))]
        try:
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the build's compiler
        except OSError:
            return False
        return done.returncode == 0


def extensions() -> list[Extension]:
    """Return what mypyc makes of the hot modules; nothing where plain Python is asked for or all there is."""
    if PURE == "1" or COMPILING_COMMANDS.isdisjoint(sys.argv):
        return []
    if PURE != "0" and not compiler_works():
        warn("no C compiler with Python's headers")
        return []
    # The project's strict settings are for `make lint`; a newer mypy's opinion must not fail an install.
    os.environ["MYPYPATH"] = "codecs"
    options = ["--config-file=", "--explicit-package-bases", "--ignore-missing-imports"]
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 - not there where plain Python is asked for

        return mypycify([*options, *hot_modules()], opt_level="3", group_name=GROUP, multi_file=True)
    except (ImportError, SystemExit) as error:  # mypycify leaves by sys.exit when mypy finds an error
        if PURE == "0":
            raise
        warn(f"mypyc: {error}")
        return []


def compile_at_once(
    compiler: Any,
    sources: list[str],
    output_dir: str | None = None,
    macros: list[Any] | None = None,
    include_dirs: list[str] | None = None,
    debug: bool = False,
    extra_preargs: list[str] | None = None,
    extra_postargs: list[str] | None = None,
    depends: list[str] | None = None,
) -> list[str]:
    """Compile one extension's sources on all cores; distutils' own takes one after the other."""
    largest_first = sorted(sources, key=lambda source: -Path(source).stat().st_size)
    _, objects, postargs, defines, build = compiler._setup_compile(  # noqa: SLF001 - what `compile` itself calls
        output_dir, macros, include_dirs, largest_first, depends, extra_postargs
    )
    options = compiler._get_cc_args(defines, debug, extra_preargs)  # noqa: SLF001
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(compiler._compile, made, *build[made], options, postargs, defines)  # noqa: SLF001
            for made in objects
        ]
    for job in jobs:
        job.result()
    return list(objects)


class AllOrNothing(build_ext):
    """Builds every compiled module or none: a part of the group could not be imported."""

    def build_extensions(self) -> None:
        """Build with as many compilers at once as there are cores."""
        self.parallel = True
        self.compiler.compile = functools.partial(compile_at_once, self.compiler)
        super().build_extensions()

    def run(self) -> None:
        """Build; where that fails and plain Python will do, take away what was built and go on without."""
        if PURE == "0":
            super().run()
            return
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 - distutils raises unrelated types for a compiler that fails
            for output in self.get_outputs():
                Path(output).unlink(missing_ok=True)
            self.extensions = []
            warn(str(error))


def warn(reason: str) -> None:
    """Say why the result is plain."""
    print(f"camel-scp: not compiled, installing plain Python ({reason})", file=sys.stderr)  # noqa: T201 - a build's log


setup(ext_modules=extensions(), cmdclass={"build_ext": AllOrNothing})
