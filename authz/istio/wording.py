"""What is wrong with a document that does not fit its model, in words for the person who wrote it.

The library's own texts speak of inputs and patterns; ours name what is expected.
"""

from collections.abc import Collection, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from authz.istio.problem import PROBLEMS_MAX, Problem, did_you_mean

_EXPECTED = {
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "invalid_key": "must be text",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have {max_length} characters at most",
    "too_long": "must have {max_length} entries at most",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}


def problems(error: ValidationError, fields: Collection[str] = (), prefix: str = "") -> Iterator[Problem]:
    """In the document's order. A suggestion for an unknown field is one of `fields`."""
    details = error.errors(include_url=False)
    for detail in details[:PROBLEMS_MAX]:
        yield Problem(prefix + _path(detail["loc"]), _message(detail, fields))
    if more := details[PROBLEMS_MAX:]:
        yield Problem(prefix + _path(more[0]["loc"]), f"and {len(more) - 1} more are wrong as well")


def _path(location: tuple[int | str, ...]) -> str:
    parts = [part for part in location if part != "[key]"]  # what is wrong with a key, its name says
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".")


def _message(detail: ErrorDetails, fields: Collection[str]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "unknown field" + did_you_mean(str(detail["loc"][-1]), fields)
        case "value_error":
            return str(detail["ctx"]["error"])
        case kind:
            return _EXPECTED.get(kind, "is not what is expected").format(**detail.get("ctx", {}))
