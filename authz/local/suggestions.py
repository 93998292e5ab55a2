"""A command to try for each rule, to be copied into another terminal as it stands.

They are made from the rules alone: what comes of one is for the gateway to say.
"""

import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from authz.core.path import Kind
from authz.core.path import Path as Pattern
from authz.istio import hosts
from authz.istio.schema import Rule
from authz.local import programs
from authz.local.plan import Plan
from authz.local.ports import Ports


def curls(plan: Plan, ports: Ports, authz: Sequence[str], offset: int = 0) -> Iterator[str]:
    """`authz` are the words that start this program. What takes a browser has none."""
    for _, owner in plan.loaded.rules:
        host = hosts.full(owner, plan.loaded.cluster.gateways)[0].replace("*", "any")
        for rule in owner.spec.rules:
            if _takes_browser(rule, plan):
                continue
            method = [] if rule.methods[0] == "GET" else ["-X", rule.methods[0]]
            url = f"http://{host}:{ports.gateway}{_example(rule.path)}"
            token = shlex.join([*authz, *_token(rule, plan, offset)])
            bearer = f' -H "Authorization: Bearer $({token})"' if rule.access else ""
            yield shlex.join(["curl", "-i", *method, url]) + bearer


def kubectl(plan: Plan, kubeconfig: Path) -> Iterator[str]:
    """What to do with the rules in a cluster. One that is not installed is said with its path."""
    words = shlex.quote((shutil.which("kubectl") and "kubectl") or str(programs.get("kubectl")))
    yield f"export KUBECONFIG={shlex.quote(str(kubeconfig))}"
    yield f"{words} get apirules --all-namespaces"
    yield f"{words} explain apirule.spec.rules"
    for _, rule in plan.loaded.rules[:1]:
        named = shlex.join([rule.name, "--namespace", rule.namespace])
        for verb in ("edit", "describe", "delete"):
            yield f"{words} {verb} apirule {named}"
    yield f"{words} get virtualservices,authorizationpolicies,requestauthentications --all-namespaces"


def _takes_browser(rule: Rule, plan: Plan) -> bool:
    """True where only sessions are accepted."""
    named = rule.ext_auth.authorizers if rule.ext_auth else ()
    return any(
        all(one.session for one in authorizer.accept)
        for authorizer in plan.loaded.config.authorizers
        if authorizer.name in named
    )


def _token(rule: Rule, plan: Plan, offset: int) -> list[str]:
    words = ["token", *(["--idp", "keycloak"] if plan.login else [])]
    if rule.tokens and rule.tokens.authorizations:
        asked = rule.tokens.authorizations[0]
        words += ["--scope", " ".join(asked.required_scopes)] if asked.required_scopes else []
        words += ["--audience", asked.audiences[0]] if asked.audiences else []
    return [*words, "--port-offset", str(offset)] if offset else words


def _example(path: Pattern) -> str:
    if path.kind is Kind.PREFIX:
        return path.text
    return path.text.replace("{*}", "1").replace("{**}", "1")
