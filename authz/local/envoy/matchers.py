"""Istio's little pattern language (`x`, `x*`, `*x`, `*`, path templates) as Envoy matchers.

The forms are istiod's: what it matches in full is matched in full here, what it quotes is quoted.
"""

import re

from envoy_data_plane.envoy.config.core.v3 import TypedExtensionConfig
from envoy_data_plane.envoy.config.rbac.v3 import Permission
from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher
from envoy_data_plane.envoy.extensions.path.match.uri_template.v3 import UriTemplateMatchConfig
from envoy_data_plane.envoy.type.matcher.v3 import PathMatcher, RegexMatcher, StringMatcher
from envoy_data_plane.google.protobuf import Any

from authz.local.envoy.document import Node, Unsupported


def regex(pattern: str) -> StringMatcher:
    """A regular expression that must match in full."""
    return StringMatcher(safe_regex=RegexMatcher(regex=pattern))


def text(pattern: str, *, ignore_case: bool = False) -> StringMatcher:
    """`*` is anything but nothing; a `*` elsewhere than at an end is an ordinary character."""
    if pattern == "*":
        return regex(".+")
    if pattern.startswith("*"):
        return StringMatcher(suffix=pattern[1:], ignore_case=ignore_case)
    if pattern.endswith("*"):
        return StringMatcher(prefix=pattern[:-1], ignore_case=ignore_case)
    return StringMatcher(exact=pattern, ignore_case=ignore_case)


def spiffe(principal: str) -> StringMatcher:
    """A principal as Istio writes it, `trust-domain/ns/x/sa/y`, against a SPIFFE URI."""
    if principal.startswith("*") and principal != "*":
        return regex("spiffe://.*" + re.escape(principal[1:]))
    return text(principal if principal == "*" else "spiffe://" + principal)


def header(name: str, pattern: str, *, ignore_case: bool = False) -> HeaderMatcher:
    """A header by pattern; `*` asks only that it be there."""
    if pattern == "*":
        return HeaderMatcher(name=name, present_match=True)
    return HeaderMatcher(name=name, string_match=text(pattern, ignore_case=ignore_case))


def path(pattern: str) -> Permission:
    """The path without its query: a pattern, or a template with `{*}` and `{**}`."""
    if "{" not in pattern:
        return Permission(url_path=PathMatcher(path=text(pattern)))
    template = pattern.replace("{**}", "**").replace("{*}", "*")
    config = Any.pack(UriTemplateMatchConfig(path_template=template))
    return Permission(uri_template=TypedExtensionConfig(name="uri-template", typed_config=config))


def choice(node: Node) -> StringMatcher:
    """The `StringMatch` of a VirtualService: exactly one of `exact`, `prefix` and `regex`."""
    match node.only("exact", "prefix", "regex").value:
        case {"exact": _, **rest} if not rest:
            return StringMatcher(exact=node.text("exact"))
        case {"prefix": _, **rest} if not rest:
            return StringMatcher(prefix=node.text("prefix"))
        case {"regex": _, **rest} if not rest:
            return regex(node.text("regex"))
        case _:
            raise Unsupported(f"{node.where}: must have one of exact, prefix and regex")
