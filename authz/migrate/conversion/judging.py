"""Each old rule by itself: its path, who may use it, what is added to requests, where they go."""

from collections.abc import Iterable
from dataclasses import dataclass

from authz.migrate.conversion import fields, paths
from authz.migrate.conversion.model.access import Access, Case, Nobody, Public, Way
from authz.migrate.conversion.model.added import Added
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.model.made import Made
from authz.migrate.conversion.pipeline import errors, handlers, mutators, switched
from authz.migrate.old.defaults import KYMA, NONE
from authz.migrate.old.rule import Handler, Object, Old, Settings, World
from authz.migrate.report.rows import Contrast, Ledger


@dataclass(frozen=True, slots=True)
class Judged:
    """A document, its rows, and those of its rules that could be made."""

    object: Object
    ledger: Ledger
    made: tuple[Made, ...]


def judge(one: Object, world: World, choices: Choices) -> Judged:
    """Without a configuration, APIRules are taken to be of Kyma."""
    ledger = Ledger(one.origin, choices.accepted)
    settings = world.settings or (KYMA if one.origin.kind == "APIRule" else NONE)
    made = [_rule(old, world, settings, choices, ledger.about(old.index)) for old in one.rules]
    if not one.rules:
        ledger.ask(
            "spec.rules",
            "There is no rule, so nothing passes. Is the object still of use?",
            "delete it, or add rules",
        )
    return Judged(one, ledger, tuple(rule for rule in made if rule))


def _rule(old: Old, world: World, settings: Settings, choices: Choices, ledger: Ledger) -> Made | None:
    templates = paths.templates(old, world, ledger)
    methods = fields.methods(old, templates, choices, ledger)
    is_on = switched.are_on(old, settings, choices, ledger)
    access = _access(old, settings, choices, ledger) if is_on else ()
    cases = [Case(one, "mutators", settings, choices, ledger, access, old.by_mesh) for one in old.mutators]
    added = mutators.convert(cases)
    _check_named(added, access, ledger, old.field("mutators"))
    errors.convert([Case(one, "errors", settings, choices, ledger) for one in old.errors], access)
    namespace = old.origin.namespace or choices.namespace
    fields.scheme(old, ledger)
    fields.spelling(old, ledger)
    fields.host_header(old, ledger)
    service = fields.service(old.upstream, ledger, namespace)
    if not templates or not methods or not access or service is None:
        return None
    where = str(service.get("namespace") or namespace)
    return Made(old, templates, methods, access, added, service, f"{where}/{service['name']}")


def _access(old: Old, settings: Settings, choices: Choices, ledger: Ledger) -> tuple[Access, ...]:
    """Nothing where a person has to decide."""
    if not old.authenticators:
        at = old.field("accessStrategies" if old.origin.kind == "APIRule" else "authenticators")
        ledger.ask(at, "Who may use this rule? No handler is named.", "add one to the rule")
        return ()
    found: list[Access] = []
    if _is_mixed(old, ledger):
        return ()
    for handler in old.authenticators:
        case = Case(handler, "authenticators", settings, choices, ledger)
        made = handlers.convert(case)
        if not made:
            return ()
        found += _reached(made, found, case)
        if handler is not old.authenticators[-1]:
            _tell_cookies(case)
    if _is_denied(old.authorizer, settings, choices, ledger):
        return (Nobody(),)
    return _consistent(found, old, ledger)


def _check_named(added: Added, access: tuple[Access, ...], ledger: Ledger, at: str) -> None:
    """A signed token says who calls; `noop` leaves them without a name."""
    nameless = any(isinstance(one, Public) and not (one.subject and one.silent) for one in access)
    if added.token is not None and nameless:
        question = "What does the token say of callers without a name? None can be made for them."
        answer = "use anonymous in place of noop, or take id_token out of the rule"
        ledger.ask(at, question, answer, code="id-token")


def _is_mixed(old: Old, ledger: Ledger) -> bool:
    """Kyma refused an APIRule where one of its own words stands beside a handler of Oathkeeper's."""
    kymas = [one for one in old.authenticators if one.name in handlers.KYMAS]
    if not kymas or len(old.authenticators) == 1:
        return False
    question = f"Who may use this rule? {kymas[0].name} stands for itself: Kyma refused it beside others."
    ledger.ask(f"{kymas[0].at}.handler", question, "leave one of the two", old=", ".join(old.handlers))
    return True


def _reached(made: Iterable[Access], before: list[Access], case: Case) -> list[Access]:
    """Oathkeeper asks the first that finds a credential of its kind; those behind it never see one."""
    found: list[Access] = []
    for access in made:
        if any(_takes_all(one) or _hides(one, access) for one in before):
            message = "Never asked: another handler before it takes every token there."
            case.ledger.kept(case.at(), message, old=case.handler.name, new="left out", code="never-reached")
        else:
            found.append(access)
            _tell_elsewhere(access, before, case)
    return found


def _tell_elsewhere(access: Access, before: Iterable[Access], case: Case) -> None:
    """Behind `anonymous`, whatever did not stand in Authorization was never looked at without that."""
    if not isinstance(access, Way) or not any(isinstance(one, Public) and one.silent for one in before):
        return
    if any(kind == "session" or "tokenFrom" in said for one in access.accept for kind, said in one.items()):
        message = "Who shows it is no longer anonymous, and a bad one is refused: it is looked at first now."
        case.ledger.narrowed(case.at(), "optional", message, Contrast("after anonymous", "before it"))


def _tell_cookies(case: Case) -> None:
    """A session without `only` refuses whoever has some cookie, before others are asked."""
    if case.handler.name == "cookie_session" and not case.texts("only"):
        message = "Any cookie was taken for a session, and refused; now other cookies leave it to the others."
        case.ledger.widened(case.at("only"), "cookies", message, Contrast("any cookie", "the session's"))


def _takes_all(one: Access) -> bool:
    """After `noop` and `unauthorized` no other handler is asked."""
    return isinstance(one, Nobody) or (isinstance(one, Public) and not one.silent)


def _hides(one: Access, other: Access) -> bool:
    """An introspection takes all tokens of its place, but with a prefix; a jwt all that look like one."""
    if not isinstance(one, Way) or not isinstance(other, Way) or one.prefix:
        return False
    places = [(kind, said.get("tokenFrom")) for entry in one.accept for kind, said in entry.items()]
    wanted = [(kind, said.get("tokenFrom")) for entry in other.accept for kind, said in entry.items()]
    return any(
        where == place and ((kind == "introspection" and sought != "session") or kind == sought)
        for kind, place in places
        for sought, where in wanted
    )


def _is_denied(authorizer: Handler, settings: Settings, choices: Choices, ledger: Ledger) -> bool:
    """True for `deny`; what else decides besides Oathkeeper is a question."""
    case = Case(authorizer, "authorizers", settings, choices, ledger)
    match authorizer.name:
        case "allow":
            ledger.kept(case.at(), "Who is known may pass.", old="allow" if authorizer.at else "")
        case "deny":
            ledger.kept(case.at(), "No rule, so that nobody may pass.", old="deny")
            return True
        case "":
            question = "Who may use this rule? Its authorizer names no handler: Oathkeeper answered 500."
            ledger.ask(case.at(), question, "edit it: {handler: allow} or {handler: deny}", code="authorizer")
        case name:
            where = case.get("remote") or case.get("base_url") or ""
            question = f"Who decides in place of {name} at {where}? The authorizer asks no such service."
            answer = (
                "make it an extension provider of the mesh, name it in extAuth, set authorizer: allow here"
            )
            ledger.ask(case.at(), question, answer, old=name, code="authorizer")
    return False


def _consistent(found: list[Access], old: Old, ledger: Ledger) -> tuple[Access, ...]:
    """Credentials beside `noop`: whoever had none passed too."""
    ways = [one for one in found if isinstance(one, Way)]
    public = [one for one in found if isinstance(one, Public)]
    if not ways:  # whom `anonymous` leaves alone, `noop` takes
        public.sort(key=lambda one: one.silent)
    if ways and any(not one.silent for one in public):
        message = "Callers without a credential pass; with another kind of Authorization they no longer do."
        at = f"{old.authenticators[-1].at}.handler"
        ledger.narrowed(at, "optional", message, Contrast(", ".join(old.handlers), "anonymous"))
    if ways or public:
        return (*ways, *public[:1])
    return (Nobody(),) if found else ()
