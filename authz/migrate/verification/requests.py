"""Requests that could be answered in two ways: made from the old rules and the new, the same for each seed.

For each rule first each path, method, credential and place by itself, then any of them together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random
from typing import Any

from authz.core.request import Request
from authz.migrate.old.rule import Old
from authz.migrate.verification import wallet
from authz.migrate.verification.wallet import NOTHING, Credential

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
ORIGIN = "https://elsewhere.example.org"
INSIDE_OFTEN = 0.7  # of the paths: one that the old rule is for
LISTED_OFTEN = 0.8  # of the methods: one that it lists
SHARES = (2, 6, 2, 1)  # no credential; one of the rule's own issuers, such a one forged, one of others
TWICE = 0.03

_PREFLIGHT = (("origin", ORIGIN), ("access-control-request-method", "POST"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token is put. `prefix` stands before it, with its space."""

    kind: str  # header, query or cookie
    name: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


BEARER = Place("header", "authorization", "Bearer ")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request. `lines` are its headers in their order, of which one may stand twice.

    `credential` and `place` name what it shows, `about` the rule that it was made for.
    """

    method: str
    host: str
    path: str
    query: str = field(default="", repr=False)
    lines: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    credential: Credential = NOTHING
    place: str = ""
    twice: bool = False
    about: Old | None = field(default=None, repr=False)

    @property
    def request(self) -> Request:
        """As the authorizer would get it from Envoy: of one name, joined by commas (cookies by `; `)."""
        headers: dict[str, str] = {}
        for name, value in self.lines:
            between = "; " if name == "cookie" else ","
            headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
        return Request(self.method, self.host, self.path, self.query, headers)

    @property
    def without_secrets(self) -> "Sent":
        """All that is told of it: an example may be kept for days, and a live one has a live token."""
        lines = tuple(line for line in self.lines if line in _PREFLIGHT)
        return replace(self, query="", lines=lines, credential=replace(self.credential, text=""))

    def __str__(self) -> str:
        """For a person; without what is secret."""
        shown = f"{self.credential.name} in {self.place}" if self.place else self.credential.name
        again = ", twice" if self.twice else ""
        preflight = ", as a preflight" if _PREFLIGHT[0] in self.lines else ""
        return f"{self.method} {self.host}{self.path} ({shown}{again}{preflight})"


@dataclass(frozen=True, slots=True)
class Subject:
    """A rule to make requests for: its hosts, paths in and near its pattern, where it looks for tokens."""

    rule: Old
    hosts: tuple[str, ...]
    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()
    places: tuple[Place, ...] = (BEARER,)
    issuers: frozenset[str] = frozenset()


def generate(
    subjects: Sequence[Subject], given: Sequence[Credential], count: int, seed: int
) -> Iterator[Sent]:
    """`count` requests, or a few more that all rules have as many; the same for each seed."""
    forged = list(wallet.forged(given))
    share = -(-count // max(len(subjects), 1))
    for subject in subjects:
        random = Random(f"{seed} {subject.rule.origin} {subject.rule.at}")  # noqa: S311  # no secret is made
        yield from islice(_Choices(subject, given, forged, random).requests(), share)


class _Choices:
    """What there is to choose from for one rule."""

    def __init__(
        self, subject: Subject, given: Sequence[Credential], forged: Sequence[Credential], random: Random
    ) -> None:
        self._subject = subject
        self._random = random
        self._own = [one for one in given if self._is_own(one)]
        self._forged = [one for one in forged if self._is_own(one)]
        self._foreign = [one for one in given if not self._is_own(one)]
        self._listed = [method.upper() for method in subject.rule.methods] or ["GET"]

    def requests(self) -> Iterator[Sent]:
        """Without end. A small share has all that is plain, and as many of the others as fit."""
        yield from self._plain()
        rare = [*self._edges(), *self._forgeries(), *self._hosts()]
        self._random.shuffle(rare)
        for one in rare:
            yield one
            yield self._any()
        while True:
            yield self._any()

    def _is_own(self, one: Credential) -> bool:
        """An issuer of the rule could have made it."""
        return not one.issuer or not self._subject.issuers or one.issuer in self._subject.issuers

    def _sent(self, method: str = "", path: str = "", host: str = "", **more: Any) -> Sent:
        subject = self._subject
        plain = method or self._listed[0], host or subject.hosts[0], path or subject.inside[0]
        return Sent(*plain, about=subject.rule, **more)

    def _plain(self) -> Iterator[Sent]:
        """One thing at a time."""
        yield from (self._sent(path=path) for path in self._subject.inside)
        yield from (self._sent(method) for method in dict.fromkeys((*self._listed, *METHODS)))
        yield self._sent("OPTIONS", lines=_PREFLIGHT)
        for one in self._own:
            for place in self._subject.places if one.kind == "token" else (BEARER,):
                yield shown(self._sent(), one, place)

    def _edges(self) -> Iterator[Sent]:
        yield from (self._sent(path=path) for path in self._subject.outside)

    def _forgeries(self) -> Iterator[Sent]:
        yield from (shown(self._sent(), one, place) for one in self._forged for place in self._subject.places)

    def _hosts(self) -> Iterator[Sent]:
        for host in self._subject.hosts:
            yield from (self._sent(host=one) for one in (host, f"{host}:443", host.upper(), f"x{host}"))

    def _any(self) -> Sent:
        subject, random = self._subject, self._random
        methods = self._listed if random.random() < LISTED_OFTEN else METHODS
        paths = subject.inside if random.random() < INSIDE_OFTEN or not subject.outside else subject.outside
        sent = self._sent(random.choice(methods), random.choice(paths), random.choice(subject.hosts))
        kinds = ([NOTHING], self._own, self._forged, self._foreign)
        [kind] = random.choices(kinds, weights=SHARES)
        place = random.choice(subject.places)
        return shown(sent, random.choice(kind or [NOTHING]), place, twice=random.random() < TWICE)


def shown(sent: Sent, one: Credential, place: Place, *, twice: bool = False) -> Sent:
    """The request with a credential at that place."""
    if one is NOTHING:
        return sent
    lines, query, where = sent.lines, sent.query, str(place)
    match one.kind:
        case "basic":
            lines, where = (*lines, ("authorization", wallet.basic(one))), "header authorization"
        case "cookie":
            lines, where = (*lines, ("cookie", one.text)), "cookie"
        case "token":
            texts = [one.text] * (2 if twice else 1)
            if place.kind == "query":
                query = "&".join([*([query] if query else []), *(f"{place.name}={text}" for text in texts)])
            elif place.kind == "cookie":
                lines = (*lines, ("cookie", "; ".join(f"{place.name}={text}" for text in texts)))
            else:
                lines = (*lines, *((place.name, place.prefix + text) for text in texts))
    again = twice and one.kind == "token"
    return Sent(sent.method, sent.host, sent.path, query, lines, one, where, again, sent.about)


def replayed(
    logged: Iterable[Sent], subjects: Sequence[Subject], given: Sequence[Credential]
) -> Iterator[Sent]:
    """What an access log has seen: without a credential, and with each that its host could be shown."""
    by_host: dict[str, list[Subject]] = {}
    for subject in subjects:
        for host in subject.hosts:
            by_host.setdefault(host, []).append(subject)
    for sent in logged:
        there = by_host.get(sent.host.partition(":")[0].lower(), [])
        yield sent
        places = dict.fromkeys(place for subject in there for place in subject.places)
        issuers = frozenset().union(*(subject.issuers for subject in there))
        for one in given:
            if not one.issuer or not issuers or one.issuer in issuers:
                yield from (shown(sent, one, place) for place in places or (BEARER,))
