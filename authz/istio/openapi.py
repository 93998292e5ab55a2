"""What the API server is told of a value beside its type, so that it refuses mistakes at `kubectl apply`.

A rule of its own is an expression in CEL, with the message that the author reads. Whoever reads the
document checks all of it again, and more: there are other ways to a document than an API server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from authz.istio import syntax

Schema = dict[str, Any]

RULES = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True, eq=False)
class Says:
    """Keywords of OpenAPI that the value's schema has as well."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Called by pydantic."""
        return merged(handler(schema), self.keywords)


@dataclass(frozen=True, slots=True)
class AtMost:
    """So many entries: counted before they are looked at, for there may be a million."""

    count: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Called by pydantic."""
        counted = syntax.at_most(self.count)
        return core_schema.no_info_before_validator_function(counted, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Called by pydantic."""
        inner = handler(schema)
        return inner | {"maxItems" if inner["type"] == "array" else "maxProperties": self.count}


def must(*rules: tuple[str, str]) -> Schema:
    """The keyword for rules in CEL: each an expression, and what is said where it does not hold."""
    return {RULES: [{"rule": expression, "message": message} for expression, message in rules]}


def merged(schema: Mapping[str, Any], keywords: Mapping[str, Any]) -> Schema:
    """The latter win, but rules add up."""
    rules = [*schema.get(RULES, ()), *keywords.get(RULES, ())]
    return {**schema, **keywords} | ({RULES: rules} if rules else {})
