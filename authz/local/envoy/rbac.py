"""AuthorizationPolicies as Envoy's RBAC: permissions are what is asked, principals are who asks.

Source fields and conditions on headers and claims are principals, as istiod has them; the order
of matchers within a rule is istiod's too.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from envoy_data_plane.envoy.config.rbac.v3 import (
    Permission,
    PermissionSet,
    Policy,
    Principal,
    PrincipalAuthenticated,
    PrincipalSet,
    SourcedMetadata,
)
from envoy_data_plane.envoy.type.matcher.v3 import (
    ListMatcher,
    MetadataMatcher,
    MetadataMatcherPathSegment,
    OrMatcher,
    StringMatcher,
    ValueMatcher,
)

from authz.local.envoy import matchers
from authz.local.envoy.document import Document, Node

JWT_AUTHN = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"  # where jwt_authn leaves the verified claims

_CONDITION = re.compile(r"request\.(headers|auth\.claims)((?:\[[^\[\]]+\])+)")


def policies(document: Document, prefix: str = "") -> dict[str, Policy]:
    """One Envoy policy for each rule, named as istiod names them."""
    name = f"{prefix}ns[{document.namespace}]-policy[{document.name}]"
    rules = enumerate(document.spec.nodes("rules"))
    return {f"{name}-rule[{index}]": _policy(rule.only("from", "to", "when")) for index, rule in rules}


def _policy(rule: Node) -> Policy:
    when = [matcher for condition in rule.nodes("when") for matcher in _condition(condition)]
    asked = [_operation(to.only("operation")["operation"]) for to in rule.nodes("to")]
    asking = [_source(source.only("source")["source"], when) for source in rule.nodes("from")]
    return Policy(permissions=asked or [_all([])], principals=asking or [_all_ids(when)])


def _operation(operation: Node) -> Permission:
    operation.only("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
    return _all(
        [
            *_asked(operation, "hosts", _host),
            *_asked(operation, "methods", _method),
            *_asked(operation, "paths", matchers.path),
        ]
    )


def _asked(operation: Node, field: str, permission: Callable[[str], Permission]) -> Iterator[Permission]:
    if values := operation.texts(field):
        yield _any(permission(value) for value in values)
    if values := operation.texts(_negated(field)):
        yield Permission(not_rule=_any(permission(value) for value in values))


def _host(pattern: str) -> Permission:
    return Permission(header=matchers.header(":authority", pattern, ignore_case=True))


def _method(pattern: str) -> Permission:
    return Permission(header=matchers.header(":method", pattern))


def _source(source: Node, when: list[Principal]) -> Principal:
    known = ("principals", "requestPrincipals", "namespaces")
    source.only(*known, *map(_negated, known))
    return _all_ids(
        [
            *_who(source.texts("principals"), source.texts("notPrincipals"), _each(_peer)),
            *_who(source.texts("requestPrincipals"), source.texts("notRequestPrincipals"), _callers),
            *_who(source.texts("namespaces"), source.texts("notNamespaces"), _each(_namespace)),
            *when,
        ]
    )


def _condition(condition: Node) -> Iterator[Principal]:
    key = condition.only("key", "values", "notValues").text("key")
    if not (found := _CONDITION.fullmatch(key)):
        raise condition.error("key", f"{key} is not supported by the local gateway")
    names = found[2][1:-1].split("][")
    values, others = condition.texts("values"), condition.texts("notValues")
    if found[1] == "auth.claims":
        return _who(values, others, lambda patterns: _claim(names, patterns))
    if len(names) > 1:
        raise condition.error("key", f"{key} names more than one header")
    return _who(values, others, _each(lambda pattern: Principal(header=matchers.header(names[0], pattern))))


def _who(
    values: tuple[str, ...], others: tuple[str, ...], principal: Callable[[tuple[str, ...]], Principal]
) -> Iterator[Principal]:
    if values:
        yield principal(values)
    if others:
        yield Principal(not_id=principal(others))


def _each(principal: Callable[[str], Principal]) -> Callable[[tuple[str, ...]], Principal]:
    return lambda values: _any_id(principal(value) for value in values)


def _peer(pattern: str) -> Principal:
    return _authenticated(matchers.spiffe(pattern))


def _namespace(pattern: str) -> Principal:
    return _authenticated(matchers.regex(f".*/ns/{pattern.replace('*', '.*')}/.*"))


def _authenticated(name: StringMatcher) -> Principal:
    return Principal(authenticated=PrincipalAuthenticated(principal_name=name))


def _callers(patterns: tuple[str, ...]) -> Principal:
    callers = [_caller(pattern) for pattern in patterns]
    return callers[0] if len(callers) == 1 else _any_id(callers)


def _caller(pattern: str) -> Principal:
    """A request principal, `issuer/subject`: the subject is what follows the last slash."""
    issuer, slash, subject = pattern.rpartition("/")
    if not slash and pattern.endswith("*"):
        issuer, subject = pattern, "*"
    elif not slash:
        issuer, subject = ("*", pattern) if pattern.startswith("*") else (pattern, "")
    return _all_ids(
        [
            _metadata(["iss"], _string(matchers.text(issuer))),
            _metadata(["sub"], _string(matchers.text(subject))),
        ]
    )


def _claim(names: list[str], patterns: tuple[str, ...]) -> Principal:
    """A claim that is the value, or a list that holds it."""
    values = [_string(matchers.text(pattern)) for pattern in patterns]
    value = values[0] if len(values) == 1 else _either(values)
    return _metadata(names, _either([ValueMatcher(list_match=ListMatcher(one_of=value)), value]))


def _metadata(names: list[str], value: ValueMatcher) -> Principal:
    path = [MetadataMatcherPathSegment(key=name) for name in (PAYLOAD, *names)]
    matcher = MetadataMatcher(filter=JWT_AUTHN, path=path, value=value)
    # istiod says `metadata`, which Envoy deprecates in favour of this
    return Principal(sourced_metadata=SourcedMetadata(metadata_matcher=matcher))


def _string(matcher: StringMatcher) -> ValueMatcher:
    return ValueMatcher(string_match=matcher)


def _either(values: list[ValueMatcher]) -> ValueMatcher:
    return ValueMatcher(or_match=OrMatcher(value_matchers=values))


def _all(permissions: list[Permission]) -> Permission:
    return Permission(and_rules=PermissionSet(rules=permissions or [Permission(any=True)]))


def _any(permissions: Iterable[Permission]) -> Permission:
    return Permission(or_rules=PermissionSet(rules=list(permissions)))


def _all_ids(principals: list[Principal]) -> Principal:
    return Principal(and_ids=PrincipalSet(ids=principals or [Principal(any=True)]))


def _any_id(principals: Iterable[Principal]) -> Principal:
    return Principal(or_ids=PrincipalSet(ids=list(principals)))


def _negated(field: str) -> str:
    return "not" + field[0].upper() + field[1:]
