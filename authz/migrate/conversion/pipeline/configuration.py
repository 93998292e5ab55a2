"""Rows about Oathkeeper's own configuration: each setting has a place here, or is named as having none."""

from collections.abc import Mapping
from typing import Any

from authz.migrate.conversion.pipeline.errors import ERRORS
from authz.migrate.conversion.pipeline.handlers import HANDLERS
from authz.migrate.conversion.pipeline.mutators import MUTATORS
from authz.migrate.old.rule import Origin, Settings
from authz.migrate.report import rows as report
from authz.migrate.report.rows import Contrast, Ledger

# The longest beginning that fits says what becomes of a setting.
_PLACES = {
    "serve.proxy.cors": "Written into the corsPolicy of each APIRule that comes from a rule of Oathkeeper.",
    "serve.proxy.timeout": "The gateway waits for as long as an APIRule's timeout says.",
    "serve.proxy": "Envoy listens now; the gateway has its address and certificates.",
    "serve.api": "Oathkeeper's own API, which nobody asks any more.",
    "serve.prometheus": "The authorizer has metrics at its admin port.",
    "access_rules.repositories": "These files are to be among those that are converted.",
    "access_rules.matching_strategy": "Paths are read so.",
    "errors.fallback": "The authorizer answers by what the caller can read.",
    "log": "Our own setting `log`.",
    "tracing": "Envoy traces; the authorizer does not.",
    "profiling": "There is none.",
    "version": "Of the file's format.",
    "clients": "How Oathkeeper called others; ours are under `sources`.",
}
_OF_RULES = "It holds for rules that say nothing else; their own rows say what became of it."
_AUTHORIZERS = frozenset({"allow", "deny", "keto_engine_acp_ory", "remote", "remote_json"})
_HANDLERS = {
    "authenticators": {name: row.new for name, row in HANDLERS.items()},
    "mutators": {name: row.new for name, row in MUTATORS.items()},
}


def rows(settings: Settings, accepted: frozenset[str]) -> Ledger:
    """One for each setting that is written."""
    ledger = Ledger(Origin(settings.file, "configuration", "of Oathkeeper"), accepted)
    for at, value in report.leaves(settings.written):
        if message := _place(at):
            ledger.kept(at, message, old=value)
        else:
            message = "Oathkeeper has no such setting; nothing is made of it."
            ledger.narrowed(at, report.UNKNOWN, message, Contrast(old=value))
    if "redirect" in settings.fallback and settings.errors.get("redirect", {}).get("enabled"):
        _redirect(settings, ledger)
    return ledger


def cors(settings: Settings | None) -> dict[str, Any]:
    """What Oathkeeper's proxy answered browsers, as a corsPolicy; nothing if it did not."""
    serve = settings.written.get("serve") if settings else None
    proxy = serve.get("proxy") if isinstance(serve, Mapping) else None
    said = proxy.get("cors") if isinstance(proxy, Mapping) else None
    if not isinstance(said, Mapping) or not said.get("enabled"):
        return {}
    made: dict[str, Any] = {
        "allowOrigins": list(map(_origin, said.get("allowed_origins") or ["*"])),
        "allowMethods": list(said.get("allowed_methods") or ["GET", "POST", "PUT", "PATCH", "DELETE"]),
        "allowHeaders": list(said.get("allowed_headers") or ["Authorization", "Content-Type"]),
        "exposeHeaders": list(said.get("exposed_headers") or ["Content-Type"]),
    }
    made |= {"allowCredentials": True} if said.get("allow_credentials") else {}
    return made | ({"maxAge": said["max_age"]} if said.get("max_age") else {})


def _origin(written: str) -> dict[str, str]:
    if "*" not in written:
        return {"exact": written}
    return {"regex": ".*".join(part.replace(".", r"\.") for part in written.split("*"))}


def _place(at: str) -> str:
    section, _, rest = at.partition(".")
    name, _, setting = rest.partition(".")
    if section in _HANDLERS and name in _HANDLERS[section]:
        return _HANDLERS[section][name] if setting == "enabled" else _OF_RULES
    if section == "authorizers" and name in _AUTHORIZERS:
        return _OF_RULES
    if section == "errors" and name == "handlers" and setting.partition(".")[0] in ERRORS:
        return ERRORS[setting.partition(".")[0]]
    fitting = [place for place in _PLACES if at == place or at.startswith((f"{place}.", f"{place}["))]
    return _PLACES[max(fitting, key=len)] if fitting else ""


def _redirect(settings: Settings, ledger: Ledger) -> None:
    config = settings.errors["redirect"].get("config")
    to = config.get("to", "") if isinstance(config, Mapping) else ""
    if "narrowed:redirect" in ledger.accepted:
        message = f"Who is refused gets an answer, and is sent to {to} only where a session is accepted."
        ledger.narrowed("errors.fallback", "redirect", message, Contrast("redirect", "401, 403"))
    else:
        question = f"Who was refused was sent to {to}; now only where a session is accepted. Is that enough?"
        ledger.ask("errors.fallback", question, "--accept narrowed:redirect", old="redirect", code="redirect")
