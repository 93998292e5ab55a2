"""What a person decides about a conversion: every answer that the report asks for has its place here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# Differences that a person may accept, and what each means.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "widened:paths": "take more paths where the old ones can not be said exactly",
        "widened:anonymous": "let requests with an Authorization header pass where `anonymous` refused them",
        "widened:cookies": "ask other handlers too where a `cookie_session` refused any other cookie",
        "widened:overlap": "open a path that Oathkeeper answered 500 for, as two of its rules matched",
        "widened:encoded": "compare paths as they are sent: %3A is no colon, and another rule may decide",
        "widened:prefix": "ask an issuer about tokens without the `prefix` too: it decides",
        "widened:scheme": "answer under http and https alike, as the Gateway's servers do",
        "widened:capitals": "answer to shop.example.com where a rule is for Shop.example.com",
        "narrowed:redirect": "answer 401 and 403 where browsers were redirected",
        "narrowed:scope-strategy": "compare scopes to the letter, so that the mesh can do it",
        "changed:id-token": "workloads read x-auth-identity in place of Authorization",
    }
)

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choices:
    """`accepted` are codes like `widened:paths`; `issuers` name who issues the tokens of an old URL.

    `gateway` and `namespace` are for rules that name none, `hosts` for those of which the host is a
    pattern. `session` is the address of oauth2-proxy, for rules that sign people in.
    """

    accepted: frozenset[str] = frozenset()
    issuers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    gateway: str = ""
    namespace: str = ""
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    session: str = ""
    all_methods: bool = False
