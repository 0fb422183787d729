"""Reads request bodies strictly, and reports the path of each fault.

msgspec decodes them: Litestar's own reading takes ``"1"`` for a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import msgspec.inspect
from litestar.dto import AbstractDTO
from litestar.typing import FieldDefinition

from scp.api.problems import MALFORMED, UNSUPPORTED, ProblemError, invalid
from scp.services.tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.dto._backend import DTOBackend
    from litestar.dto.data_structures import DTOFieldDefinition
    from litestar.openapi.spec import Reference, Schema

Body = TypeVar("Body")

JSON: Final = "application/json"
# How msgspec says where: a path at the end, or the field's name where the field itself is the fault.
_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_FIELD: Final = re.compile(r"(?P<fault>unknown|missing required) field `(?P<name>[^`]*)`")
_UNREADABLE: Final = ("Expected `str` matching regex", "Invalid enum value")  # to people
_STEP: Final = re.compile(r"[^.\[\]]+")


def media_type(header: str | None) -> str:
    """Return the media type of a ``Content-Type`` without its parameters, in lower case."""
    return (header or "").partition(";")[0].strip().lower()


def require_media_type(headers: Mapping[str, str], *allowed: str) -> None:
    """Raise the problem 415 unless the ``Content-Type`` is one of ``allowed``, and nothing is compressed."""
    if media_type(headers.get("content-type")) not in allowed:
        raise ProblemError(
            UNSUPPORTED, f"send Content-Type: {' or '.join(allowed)}", headers={"Accept": ", ".join(allowed)}
        )
    if media_type(headers.get("content-encoding")) not in {"", "identity"}:  # RFC 9110 §15.5.16
        raise ProblemError(
            UNSUPPORTED, "send it without Content-Encoding", headers={"Accept-Encoding": "identity"}
        )


def decode(octets: bytes, kind: type[Body]) -> Body:
    """Return a JSON body as a ``kind``; ``"1"`` is no number and ``"true"`` no boolean.

    Raises:
        ProblemError: no JSON (400), or not of this kind (422, with the path).
    """
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.ValidationError as error:
        raise fault(str(error), kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(MALFORMED, str(error)) from None


def fault(text: str, kind: type[Any]) -> ProblemError:
    """Return the problem for what msgspec says is wrong with a value that should have been a ``kind``."""
    at = _AT.search(text)
    path, reason = (at["path"], text[: at.start()]) if at else ("", text)
    field = _FIELD.search(reason)
    if field:
        path = f"{path}.{field['name']}" if path else field["name"]
        reason = "required, but not given"
        if field["fault"] == "unknown":
            names = _names(msgspec.inspect.type_info(kind), at["path"] if at else "")
            reason = f"there is no such field{did_you_mean(field['name'], names) if names else ''}"
    elif reason.startswith(_UNREADABLE):
        reason = _expected(msgspec.inspect.type_info(kind), path) or in_words(reason)
    else:
        reason = in_words(reason)
    return invalid(path or "body", reason)


_NOUNS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_WRONG_KIND: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`$")
_OUT_OF_BOUNDS: Final = re.compile(
    r"Expected `(?P<kind>\w+)`(?: \| null)?(?P<length> of length)? (?P<sign>[<>]=?) (?P<bound>\S+)$"
)
_SIGNS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def in_words(text: str) -> str:
    """Return what msgspec says of a value without the names of its types."""
    if found := _WRONG_KIND.match(text):
        wanted = " or ".join(_NOUNS.get(one, one) for one in found["wanted"].split(" | "))
        return f"expected {wanted}, not {_NOUNS.get(found['got'], found['got'])}"
    if found := _OUT_OF_BOUNDS.match(text):
        counted = (
            {"str": " characters", "array": " entries"}.get(found["kind"], "") if found["length"] else ""
        )
        return f"expected {_SIGNS[found['sign']]} {found['bound']}{counted}"
    if text.startswith("Expected `str` matching regex"):
        return "not in the form that /docs has for it"
    return text


def _names(info: msgspec.inspect.Type, path: str) -> tuple[str, ...]:
    """Return the names of the fields of what is at a path of a type; none if it has no fields."""
    for step in _STEP.findall(path):
        info, _ = _inner(*_plain(info, ""), step)
    info, _ = _plain(info, "")
    return (
        tuple(one.encode_name for one in info.fields) if isinstance(info, msgspec.inspect.StructType) else ()
    )


def _expected(info: msgspec.inspect.Type, path: str) -> str:
    """Return in words what a pattern or an enumeration at a path of a type wants; "" if it does not say."""
    words = ""
    for step in _STEP.findall(path):
        info, words = _inner(*_plain(info, ""), step)
    info, words = _plain(info, words)
    if isinstance(info, msgspec.inspect.EnumType):
        words = f"one of {', '.join(str(each.value) for each in info.cls)}"
    return words and f"expected {words}"


def _inner(info: msgspec.inspect.Type, words: str, step: str) -> tuple[msgspec.inspect.Type, str]:
    """Return the type of a field, or of an item where ``step`` is an index, and its description."""
    match info:
        case msgspec.inspect.StructType(fields=fields):
            return next(((field.type, "") for field in fields if field.encode_name == step), (info, words))
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            return item, ""
    return info, words


def _plain(info: msgspec.inspect.Type, words: str) -> tuple[msgspec.inspect.Type, str]:
    """Return a type without its metadata and without null, and its description."""
    match info:
        case msgspec.inspect.Metadata(type=inner, extra_json_schema=extra):
            return _plain(inner, (extra or {}).get("description", words))
        case msgspec.inspect.UnionType(types=types):
            some = [each for each in types if not isinstance(each, msgspec.inspect.NoneType)]
            return _plain(some[0], words) if len(some) == 1 else (info, words)
    return info, words


class JsonBody(AbstractDTO[Any]):
    """Makes Litestar read ``data`` by `decode`; its own reading converts strings to what is wanted."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the body as what the handler's ``data`` is annotated as."""
        connection = self.asgi_connection
        require_media_type(connection.headers, JSON)
        field = connection.route_handler.parsed_data_field
        return decode(value, field.annotation)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: type[DTOBackend] | None = None
    ) -> None:
        """Do nothing: there is no transfer model."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003 - the base's signature
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        """Describe the body as what ``data`` is annotated as."""
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:  # noqa: ARG003
        """Yield nothing: there is no transfer model."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        """Return False: there is no transfer model."""
        return False
