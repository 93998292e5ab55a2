"""What an APIRule's author is told: Kyma's `state` and `description`, and conditions as Kubernetes has them.

Pure. A status that says the same as before is not written again, whatever the time is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from authz.controller.decoding import decoded
from authz.istio.problem import Problem

Status = dict[str, Any]

DESCRIBED_MAX = 3  # problems in the description, as Kyma has it; the condition has all of them
MESSAGE_MAX_LENGTH = 32_768  # of a condition (metav1.Condition)

ACCEPTED, RESOLVED, PROGRAMMED = "Accepted", "ResolvedRefs", "Programmed"

_REFERENCE = re.compile(r"(spec\.gateway|\.?service|\.authorizers)$").search


@dataclass(frozen=True, slots=True)
class Done:
    """All of its objects are as they shall be."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """It can not be understood, whatever the cluster is."""

    problems: tuple[Problem, ...]
    serves: bool = False


@dataclass(frozen=True, slots=True)
class Obstructed:
    """It is right by itself, but can not be in this cluster as it is. `unseen`: nobody tells if that ends."""

    problems: tuple[Problem, ...]
    serves: bool = False
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The API server did not take an object."""

    message: str


@dataclass(frozen=True, slots=True)
class Disputed:
    """Somebody else goes on changing an object back."""

    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something else has to happen first."""

    message: str


Verdict = Done | Unreadable | Obstructed | Failed | Disputed | Waiting


def render(
    verdict: Verdict, generation: int, before: bytes, now: str, hosts: Sequence[str] = ()
) -> Status | None:
    """What to write; None if it is there already. `now` is as Kubernetes writes it."""
    old: Status = decoded(before or b"{}")
    since = {one.get("type"): one for one in old.get("conditions") or ()}
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message[:MESSAGE_MAX_LENGTH],
            "observedGeneration": generation,
            "lastTransitionTime": _since(since.get(kind, {}), status, now),
        }
        for kind, status, reason, message in _conditions(verdict)
    ]
    new = {
        "state": state(verdict),
        "description": describe(verdict),
        "observedGeneration": generation,
        "hosts": [] if isinstance(verdict, Unreadable | Obstructed) else list(hosts),
        "conditions": conditions,
        "lastProcessedTime": old.get("lastProcessedTime"),
    }
    return None if new == old else new | {"lastProcessedTime": now}


def state(verdict: Verdict) -> str:
    """Kyma's word for it."""
    match verdict:
        case Done():
            return "Ready"
        case Waiting():
            return "Processing"
        case _:
            return "Error"


def describe(verdict: Verdict) -> str:
    """In one text, as Kyma words it."""
    match verdict:
        case Done():
            return "Reconciled successfully"
        case Failed(message=message) | Disputed(message=message) | Waiting(message=message):
            return message
        case Unreadable(problems=problems) | Obstructed(problems=problems):
            return _listed(problems)


def accepted_hosts(status: Status) -> frozenset[str] | None:
    """In full; None where nobody has said."""
    told = status.get("hosts")
    return None if told is None else frozenset(told)


def is_accepted(status: Status, generation: int) -> bool:
    """True if the controller took this very version of an APIRule for good."""
    if status.get("observedGeneration") != generation:
        return False
    held = {one.get("type"): one.get("status") for one in status.get("conditions") or ()}
    return held.get(ACCEPTED) == "True" and held.get(RESOLVED) == "True"


def _conditions(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    accepted = (ACCEPTED, "True", "Accepted", "The APIRule is valid")
    resolved = (RESOLVED, "True", "ResolvedRefs", "Everything that it names is there")
    match verdict:
        case Done():
            programmed = (PROGRAMMED, "True", "Programmed", "All objects are in the cluster")
        case Waiting(message=message):
            programmed = (PROGRAMMED, "False", "Pending", message)
        case Failed(message=message):
            programmed = (PROGRAMMED, "False", "ApiServerRefused", message)
        case Disputed(message=message):
            programmed = (PROGRAMMED, "False", "Disputed", message)
        case Unreadable(problems=problems, serves=serves):
            accepted = (ACCEPTED, "False", "Invalid", _joined(problems))
            resolved = (RESOLVED, "Unknown", "Invalid", "The APIRule is not valid")
            programmed = (PROGRAMMED, "False", "Invalid", _kept(serves))
        case Obstructed(problems=problems, serves=serves):
            missing = [problem for problem in problems if _REFERENCE(problem.path)]
            others = [problem for problem in problems if problem not in missing]
            if others:
                accepted = (ACCEPTED, "False", "Conflicted", _joined(others))
            if missing:
                resolved = (RESOLVED, "False", "RefNotFound", _joined(missing))
            programmed = (PROGRAMMED, "False", "Obstructed", _kept(serves))
    return [accepted, resolved, programmed]


def _since(before: Status, status: str, now: str) -> str:
    return str(before["lastTransitionTime"]) if before.get("status") == status else now


def _kept(serves: bool) -> str:
    return "The objects of an earlier version stay as they are" if serves else "No object is emitted"


def _listed(problems: Sequence[Problem]) -> str:
    lines = [f"Attribute '.{one.path}': {one.message}" for one in problems[:DESCRIBED_MAX]]
    more = len(problems) - DESCRIBED_MAX
    return "Validation errors: " + "\n".join([*lines, *([f"{more} more error(s)..."] if more > 0 else [])])


def _joined(problems: Sequence[Problem]) -> str:
    return "\n".join(map(str, problems))
