"""The API's pages: ``/docs``, made of the OpenAPI document, and one page for each problem ``type``.

The pages are plain HTML without scripts, made once, by the node itself. The usual viewers (Swagger UI, Redoc,
Scalar) are loaded from the internet by the browser, which a network of signalling nodes has none of; the one
that is packaged for Python does not know OpenAPI 3.1.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath

from scp.api.openapi import problems
from scp.api.problems import INTERNAL, KINDS, NO_SUCH_PATH, TYPE_PATH, ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HTML: Final = "text/html"  # the framework says the charset
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f4f4}
pre{padding:.5rem;overflow:auto}
code{padding:0 .2rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd}
details{margin:.3rem 0;border:1px solid #ddd;border-radius:.3rem;padding:.3rem .6rem}
summary{cursor:pointer}
.method{display:inline-block;width:4.5rem;font-weight:600}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}code,pre{background:#282828}a{color:#8bf}}
"""
_METHODS: Final = ("get", "put", "post", "delete")

Json = dict[str, Any]


@get("/docs", include_in_schema=False)
async def docs(request: Request[Any, Any, Any]) -> Response[str]:
    """Every call, its parameters, bodies and answers."""
    state = request.app.state
    if "docs" not in state:
        state["docs"] = page(request.app.openapi_schema.to_schema())
    return Response(state["docs"], media_type=HTML, headers=_HEADERS)


@get(
    TYPE_PATH + "{name:str}",
    operation_id="explainProblem",
    media_type="text/plain",
    tags=["node"],
    responses=problems(NO_SUCH_PATH, INTERNAL),
)
async def problem(name: FromPath[str]) -> Response[str]:
    """What a problem's `type` means, and what to do. Needs no token."""
    kind = KINDS.get(name)
    if kind is None:
        raise ProblemError(NO_SUCH_PATH, f"there is no problem of this name; there are: {', '.join(KINDS)}")
    return Response(f"{kind.title} ({kind.status})\n\n{kind.advice}\n", media_type="text/plain")


def page(document: Json) -> str:
    """Return the page of an OpenAPI document."""
    info = document["info"]
    schemas = document["components"]["schemas"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        _paragraphs(info["description"]),
        "<p>For programs: <a href=/schema/openapi.json>the OpenAPI document</a>.",
    ]
    for name, description in _tags(document).items():
        parts.append(f"<h2>{escape(name)}</h2><p>{escape(description)}")
        parts += _calls(document["paths"], name)
    parts.append("<h2>Values</h2>")
    parts += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    parts.append("<h2>Problems</h2><table><tr><th>type<th>status<th>meaning<th>what to do")
    parts += [
        f"<tr><td><code>{kind.type}</code><td>{kind.status}<td>{escape(kind.title)}<td>{escape(kind.advice)}"
        for kind in KINDS.values()
    ]
    return "\n".join([*parts, "</table>"])


def _tags(document: Json) -> dict[str, str]:
    """Return every tag with its description: those that are described, then what else calls carry."""
    tags = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    for item in document["paths"].values():
        for operation in item.values():
            tags |= {name: tags.get(name, "") for name in operation.get("tags", [])}
    return tags


def _calls(paths: Mapping[str, Json], tag: str) -> Iterator[str]:
    for path, item in paths.items():
        for method in _METHODS:
            if method in item and tag in item[method].get("tags", []):
                yield _call(method, path, item[method])


def _call(method: str, path: str, operation: Json) -> str:
    scopes = ", ".join(
        scope for need in operation.get("security", []) for each in need.values() for scope in each
    )
    rows = [
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}"
        f"<td>{escape(parameter.get('description', ''))}"
        for parameter in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        rows.append(f"<tr><td>body<td><td>{_content(operation['requestBody'].get('content', {}))}")
    answers = [
        f"<tr><td>{status}<td>{escape(answer['description'])}<td>{_content(answer.get('content') or {})}"
        for status, answer in sorted(operation["responses"].items())
    ]
    return (
        f"<details><summary><span class=method>{method.upper()}</span> <code>{escape(path)}</code> "
        f"{'· scope ' + escape(scopes) if scopes else ''}</summary>"
        f"<p>{escape(operation.get('description', ''))}"
        f"<table>{''.join(rows)}</table><table><tr><th>answer<th><th>{''.join(answers)}</table></details>"
    )


def _content(content: Mapping[str, Json]) -> str:
    return "; ".join(
        f"<code>{escape(kind)}</code> {_type(media.get('schema', {}))}" for kind, media in content.items()
    )


def _schema(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else ' (optional)'}<td>{_type(kind)}"
        f"<td>{escape(kind.get('description', ''))}"
        for field, kind in schema.get("properties", {}).items()
    ]
    if "enum" in schema:
        rows.append(f"<tr><td>one of<td>{_type(schema)}<td>")
    example = next(iter(schema.get("examples", [])), None)
    shown = "" if example is None else f"<pre>{escape(json.dumps(example, indent=2))}</pre>"
    return (
        f"<details id='{escape(name)}'><summary>{escape(name)}</summary>"
        f"<p>{escape(schema.get('description', ''))}<table>{''.join(rows)}</table>{shown}</details>"
    )


def _type(schema: Json) -> str:
    """Return a schema in a few words, with a link to what it refers to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#{escape(name)}'>{escape(name)}</a>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    for union in ("oneOf", "anyOf"):
        if union in schema:
            return " | ".join(_type(part) for part in schema[union])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = kind if isinstance(kind, str) else " | ".join(kind)
    pattern = f" <code>{escape(schema['pattern'])}</code>" if "pattern" in schema else ""
    return escape(words) + pattern


def _paragraphs(text: str) -> str:
    """Return the little Markdown of descriptions as HTML: paragraphs, lists, code and strong words."""
    html = []
    for block in escape(text, quote=False).split("\n\n"):
        if block.startswith("- "):
            items = block.removeprefix("- ").split("\n- ")
            html.append("<ul>" + "".join(f"<li>{_inline(item)}" for item in items) + "</ul>")
        else:
            html.append(f"<p>{_inline(block)}")
    return "\n".join(html)


def _inline(text: str) -> str:
    for mark, tag in (("**", "strong"), ("`", "code")):
        parts = text.split(mark)
        text = parts[0] + "".join(
            f"<{'/' if index % 2 else ''}{tag}>{part}" for index, part in enumerate(parts[1:])
        )
    return text


HANDLERS: Final[tuple[Any, ...]] = (docs, problem)
