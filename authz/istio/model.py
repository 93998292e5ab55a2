"""What all parts of an APIRule are made of: their common shape, and the values that they hold.

Each kind of value knows its check, and what the API server is told of it.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints
from pydantic.alias_generators import to_camel

from authz.istio import cel, headers, syntax
from authz.istio.openapi import AtMost, Says

T = TypeVar("T")

Many = Annotated[tuple[T, ...], Strict(False)]  # a YAML list is read into a tuple
Text = Annotated[str, StringConstraints(min_length=1, max_length=syntax.TEXT_MAX_LENGTH)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=63), AfterValidator(syntax.name), Says(cel.NAME)
]
Seconds = Annotated[int, Field(ge=1, le=3900)]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
Value = Annotated[str, StringConstraints(max_length=syntax.TEXT_MAX_LENGTH)]
Uri = Annotated[str, StringConstraints(max_length=syntax.URI_MAX_LENGTH)]
Word = Annotated[str, StringConstraints(max_length=syntax.WORD_MAX_LENGTH)]
Header = Annotated[Word, AfterValidator(headers.name), Says({"minLength": 1})]
Token = Annotated[Word, AfterValidator(headers.token), Says({"minLength": 1})]
Scope = Annotated[Value, Says(cel.claim("scope"))]
Audience = Annotated[Value, Says(cel.claim("audience"))]

# How many of a kind: every number multiplies the work of translating and the size of the policies.
FEW = AtMost(10)  # ways to be authorized, and what each asks for
SOME = AtMost(50)  # issuers, hosts, headers
ONE_OR_MORE = Says({"minItems": 1})


class Model(BaseModel):
    """A part of the document: immutable, in the document's camelCase, nothing unknown in it.

    The text below a field is what `kubectl explain` and the reference say of it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, use_attribute_docstrings=True
    )
