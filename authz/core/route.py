"""Which rule a request falls under: the first of its host that names its method and path.

The same precedence as the virtual service and the policies; a property test holds the three equal.
"""

from dataclasses import replace

from authz.core import cors
from authz.core import path as paths
from authz.core.policy import Host, Policy, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request

HOST_MAX_LENGTH = 255 + len(":65535")  # RFC 1035 2.3.4, and a port
PATH_MAX_LENGTH = 8_192  # RFC 9110 4.1 asks for 8,000 at least; templates take time by the length


def match(policy: Policy, request: Request) -> Rule:
    """Raises Refused: REQUEST_INVALID, HOST_UNKNOWN, PATH_AMBIGUOUS or RULE_MISSING."""
    path = request.path
    if not request.method or not path.startswith("/") or len(path) > PATH_MAX_LENGTH:
        raise Refused(Reason.REQUEST_INVALID)
    found = host(policy, request.host)
    rule = _first(found, request)
    return rule if found.coming is None else _both(rule, _first(found.coming, request))


def _first(found: Host, request: Request) -> Rule:
    path = request.path
    if found.rejects_ambiguous and paths.is_ambiguous(path):
        raise Refused(Reason.PATH_AMBIGUOUS)
    if found.preflights and cors.is_preflight(request) and (preflight := _preflight(found, request)):
        return preflight
    for rule in found.rules:
        if request.method in rule.methods and rule.path.matches(path):
            return rule
    raise Refused(Reason.RULE_MISSING)


def _both(rule: Rule, coming: Rule) -> Rule:
    return replace(rule, checks=(*rule.checks, *(one for one in coming.checks if one not in rule.checks)))


def _preflight(found: Host, request: Request) -> Rule | None:
    """The rule by whose CORS policy Envoy answers it; the preflights of other origins it passes on."""
    asked = request.headers.get("origin", "")
    for rule in found.preflights:
        if rule.path.matches(request.path):
            return rule if rule.cors and rule.cors.admits(asked) else None
    return None


def bare(authority: str) -> str:
    """The name of the host that was asked for."""
    return authority.partition(":")[0].lower()


def host(policy: Policy, authority: str) -> Host:
    """An exact name beats a wildcard, a longer wildcard a shorter one (as Envoy's virtual hosts).

    Raises Refused: REQUEST_INVALID or HOST_UNKNOWN. Of `a.example:1.b.example:80` Envoy takes the last number
    for the port, and the rest for a name below `*.b.example` (measured on 1.40): that is nobody's host.
    """
    if not authority or len(authority) > HOST_MAX_LENGTH:
        raise Refused(Reason.REQUEST_INVALID)
    found = policy.hosts.get(authority)
    if found is not None:  # as most send it: lower case and no port
        return found
    name, _, port = authority.lower().partition(":")
    if port and not port.isdecimal():
        raise Refused(Reason.REQUEST_INVALID)
    found = policy.hosts.get(name)
    while found is None:
        _, dot, name = name.removeprefix("*.").partition(".")
        if not dot:
            raise Refused(Reason.HOST_UNKNOWN)
        name = "*." + name
        found = policy.hosts.get(name)
    return found
