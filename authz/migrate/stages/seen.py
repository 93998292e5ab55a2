"""Whether what the shadow has seen of an APIRule's hosts is enough to switch it.

Pure: the report in, lines out. What nobody could decide, or compare, has shown nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from authz.istio import hosts
from authz.migrate.report import bound

_OF_ANOTHER = "the shadow judges another {}, or an older one: restart it with these files"
_NOT_ASKED = "the shadow has seen no request for {} yet"
_UNEXPLAINED = "the shadow has seen {} requests for {} with differences that nothing explains: see its page"
_UNDECIDED = (
    "{} requests for {} could not be decided by the new rules: see the shadow's page, mend it, restart it"
)
_NOT_COMPARED = (
    "the shadow has compared nothing for {}, of {} requests it has seen {} that the mesh decides alone"
)
_STRANGER = (
    "copies for {} come from {}, and istio.gatewayPrincipal is {}: "
    "the new guards would not know the gateway, and take it for a caller in the cluster"
)
_NOBODY = (
    "copies for {} come from nobody that the mesh knows: "
    "give the shadow a sidecar, switch off TLS for nobody, and restart the shadow"
)
_SKIPPED = "{} requests for {} were not compared: the mesh decides them alone, before and after"
_DROPPED = "the shadow has dropped {} copies unseen, of all hosts together"


def problems(report: Mapping[str, Any], names: Sequence[str], judged: Mapping[str, str]) -> list[str]:
    """Why it stays. `judged` has the digest of the APIRule, by its name.

    Raises LookupError, TypeError, AttributeError or ValueError if it is no report.
    """
    if others := bound.others(report["apirules"], judged):
        return [_OF_ANOTHER.format(others[0])]
    return [line for name in names for line in _problems(report, name)]


def strangers(report: Mapping[str, Any], names: Sequence[str], gateway: str) -> list[str]:
    """Who the gateway is to the shadow's sidecar, it is to the workloads' too. Raises as `problems`."""
    found = [(name, one) for name in names for one in _callers(report, name) if one != gateway]
    return [_STRANGER.format(name, one, gateway) if one else _NOBODY.format(name) for name, one in found]


def _callers(report: Mapping[str, Any], name: str) -> list[str]:
    callers: Mapping[str, Sequence[str]] = report["callers"]
    return sorted({str(one) for host, known in callers.items() if _is_of(host, name) for one in known})


def remarks(report: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """What was not looked at. Raises as `problems`."""
    found = {name: _count(report, name, "skipped") for name in names}
    lines = [_SKIPPED.format(count, name) for name, count in found.items() if count]
    dropped = int(report["dropped"])
    return [*lines, _DROPPED.format(dropped)] if dropped else lines


def _problems(report: Mapping[str, Any], name: str) -> Iterator[str]:
    asked, skipped = (_count(report, name, what) for what in ("asked", "skipped"))
    if not asked:
        yield _NOT_ASKED.format(name)
        return
    if unexplained := _count(report, name, "unexplained"):
        yield _UNEXPLAINED.format(unexplained, name)
    if undecided := _count(report, name, "unavailable"):
        yield _UNDECIDED.format(undecided, name)
    elif not unexplained and not _count(report, name, "same") + _differences(report, name):
        yield _NOT_COMPARED.format(name, asked, skipped)


def _count(report: Mapping[str, Any], name: str, what: str) -> int:
    return sum(int(each[what]) for each in _tallies(report, name))


def _differences(report: Mapping[str, Any], name: str) -> int:
    return sum(int(row["count"]) for each in _tallies(report, name) for row in each["differences"])


def _tallies(report: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Of a host, and of names below its wildcard."""
    return [each for host, each in report["hosts"].items() if _is_of(host, name)]


def _is_of(host: str, name: str) -> bool:
    return host == name or bool(hosts.below(name, [host]))
