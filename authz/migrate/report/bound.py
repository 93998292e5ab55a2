"""What a report is about, by digest: one that has judged other rules says nothing about these."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from authz.istio import apirule
from authz.istio.apirule import APIRule
from authz.istio.problem import Invalid

NO_RULE = ""  # the digest of what is no APIRule


def digest(rule: APIRule) -> str:
    """Of its spec as it is read, whoever has written it in whatever order."""
    said = json.dumps(rule.spec.model_dump(mode="json"), sort_keys=True)
    return sha256(said.encode()).hexdigest()


def digest_of(document: Any) -> str:
    """The same of a document."""
    try:
        return digest(apirule.parse(document))
    except Invalid:
        return NO_RULE


def digests(rules: Iterable[APIRule]) -> dict[str, str]:
    """Of each, by `namespace/name`."""
    return {rule.key: digest(rule) for rule in rules}


def others(told: Mapping[str, Any], rules: Mapping[str, str]) -> list[str]:
    """Those of `rules`, by name, that a report with the digests `told` is not about."""
    return sorted(name for name, value in rules.items() if told.get(name) != value)
