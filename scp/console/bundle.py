"""The console's modules and style as one page that needs nothing else: a file, opened without a server.

Such a page can load no module from beside it. So each module becomes a function's scope, and what it imports
and exports a constant. The modules stay as they are, and there is no other step between them and a browser.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|const|class)\b)", re.MULTILINE)
_EXPORTED: Final = re.compile(r"^export (?:async )?(?:function|const|class) (.*)$", re.MULTILINE)
_NAME: Final = re.compile(r"(\w+)(?: ?=|\(| \{)")
_CLAUSE: Final = re.compile(r"export\{([^}]*)\};?\s*$")


def static_file(name: str) -> str:
    """Return a file of the page."""
    return resources.files("scp.console").joinpath("static", name).read_text(encoding="utf-8")


def page(title: str, entry: str, element: str, data: str) -> str:
    """Return a page.

    Args:
        title: of it.
        entry: the module that draws it.
        element: id of the element that it draws in.
        data: JSON that it reads from the element ``data``.
    """
    script = _module(entry, set())
    # "<" never stands in the data, so that nothing in it can end the script that holds it
    held = data.replace("<", "\\u003c")
    name = title.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{static_file('console.css')}</style>\n</head>\n<body>\n"
        f'<div id="{element}"></div>\n<script id="data" type="application/json">{held}</script>\n'
        f'<script>\n"use strict";\nconst modules = {{}};\n{script}</script>\n</body>\n</html>\n'
    )


def _module(name: str, done: set[str]) -> str:
    """Return a module as a statement, behind those that it imports."""
    if name in done:
        return ""
    done.add(name)
    text = static_file(name)
    before = "".join(_module(found[2], done) for found in _IMPORT.finditer(text))
    names = [each for line in _EXPORTED.findall(text) for each in _names(line)]
    text = _EXPORT.sub("", _IMPORT.sub(lambda found: f'const {{{found[1]}}} = modules["{found[2]}"];', text))
    clause = _CLAUSE.search(text)
    given = ", ".join(names)
    if clause is not None:
        text = text[: clause.start()]
        pairs = [each.split(" as ") for each in clause[1].split(",")]
        given = ", ".join(f"{pair[-1]}: {pair[0]}" for pair in pairs)
    return f'{before}modules["{name}"] = (() => {{\n{text}\nreturn {{{given}}};\n}})();\n'


def _names(declared: str) -> list[str]:
    """Return what a declaration names: one function or class, or the constants of a line."""
    first = _NAME.match(declared)
    if first is None:
        return []
    if not first[0].endswith("="):
        return [first[1]]
    return re.findall(r'(?:^|, )(\w+) = (?=["\d(\[{]|new |async |\w+ =>)', declared)
