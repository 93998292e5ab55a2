"""A command to try for each rule, to be copied into another terminal as it stands.

They are made from the rules alone: what comes of one is for the gateway to say.
"""

import shlex
from collections.abc import Iterator, Sequence

from authz.core.path import Kind, Path
from authz.istio import hosts
from authz.istio.schema import Rule
from authz.local.plan import Plan
from authz.local.ports import Ports


def curls(plan: Plan, ports: Ports, authz: Sequence[str], offset: int = 0) -> Iterator[str]:
    """`authz` are the words that start this program."""
    for _, owner in plan.loaded.rules:
        host = hosts.full(owner, plan.loaded.cluster.gateways)[0].replace("*", "any")
        for rule in owner.spec.rules:
            method = [] if rule.methods[0] == "GET" else ["-X", rule.methods[0]]
            url = f"http://{host}:{ports.gateway}{_example(rule.path)}"
            token = shlex.join([*authz, *_token(rule, offset)])
            bearer = f' -H "Authorization: Bearer $({token})"' if rule.access else ""
            yield shlex.join(["curl", "-i", *method, url]) + bearer


def _token(rule: Rule, offset: int) -> list[str]:
    words = ["token"]
    if rule.tokens and rule.tokens.authorizations:
        asked = rule.tokens.authorizations[0]
        words += ["--scope", " ".join(asked.required_scopes)] if asked.required_scopes else []
        words += ["--audience", asked.audiences[0]] if asked.audiences else []
    return [*words, "--port-offset", str(offset)] if offset else words


def _example(path: Path) -> str:
    if path.kind is Kind.PREFIX:
        return path.text
    return path.text.replace("{*}", "1").replace("{**}", "1")
