"""`authz migrate verify`: the same requests to Oathkeeper and to the new rules."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authz.cli import old, options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz.migrate.report.rows import Finding
    from authz.migrate.verification.proof import Matter
    from authz.migrate.verification.requests import Sent
    from authz.migrate.verification.verify import Tally
    from authz.migrate.verification.wallet import Credential
    from authz.server.ruleset import Loaded

CONFIG, REPORT = "authz.yaml", "report.json"  # as `authz migrate convert --out` names them
PROGRESS_EVERY_S = 5.0


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="OLD…")
@click.option("--new", type=options.PATH, required=True, help="What `convert --out` has written: a folder.")
@click.option("--config", "config_file", type=options.FILE, help=f"Our configuration; else NEW/{CONFIG}.")
@click.option("--report", type=options.FILE, help=f"The report, JSON; else NEW/{REPORT}.")
@click.option("--oathkeeper", metavar="URL", required=True, help="Oathkeeper's API, for example port 4456.")
@click.option("--oathkeeper-config", type=options.FILE, help="Its config.yaml, if it is not among OLD.")
@click.option("--tokens", type=options.FILE, help="Credentials to show, by name; see below.")
@click.option("--access-log", "logs", multiple=True, type=options.FILE, help="Requests that were made.")
@click.option("--log-host", default="", metavar="HOST", help="For logs that name no host, as nginx's.")
@click.option("--requests", "count", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another one makes other requests.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the table here, for tools.")
def verify(files: tuple[str, ...], new: Path, **said: Any) -> None:
    """Ask Oathkeeper and the new rules the same, and tell each difference with its reason.

    OLD are the old rules, as for `convert`. Requests are made of old and new rules: paths in, at the edge
    of and outside each pattern, methods, hosts, and the credentials of TOKENS, whole, forged, twice and
    where they do not belong; then those of access logs (nginx, Envoy, Istio, JSON lines). The new rules are
    decided here, by the same code as in service; nothing is changed anywhere, and no credential is shown.

    TOKENS is YAML: a token for each name, or a list with `basic: id:secret` and `cookie: name=value` too.

    \b
    - {name: a good one, token: eyJ…}
    - {name: a program, basic: "id:secret"}

    Ends with 1 if a difference has no reason in the report or among what changes for callers.

    \b
    kubectl -n kyma-system port-forward deploy/ory-oathkeeper 4456 &
    authz migrate verify old/ --new new --oathkeeper http://127.0.0.1:4456 --tokens tokens.yaml
    """
    from authz.migrate.verification import proof

    tally = _tally(_matter(files, new, said), said)
    for line in proof.table(tally):
        click.echo(line)
    if said["json_file"]:
        said["json_file"].write_text(proof.document(tally), encoding="utf-8")
    sys.exit(0 if tally.is_good else 1)


def _matter(files: tuple[str, ...], new: Path, said: Mapping[str, Any]) -> Matter:
    from authz.migrate.verification.proof import Matter

    world, problems = old.world(files, settings=old.settings(said["oathkeeper_config"]))
    loaded = new_rules(new, said["config_file"])
    options.fail_on((*problems, *world.problems, *loaded.problems))
    findings = findings_of(said["report"] or new / REPORT, loaded)
    return Matter(
        world, loaded, findings, _credentials(said["tokens"]), _logged(said["logs"], said["log_host"])
    )


def _tally(matter: Matter, said: Mapping[str, Any]) -> Tally:
    from authz.migrate.verification import oathkeeper as asked
    from authz.migrate.verification import proof
    from authz.migrate.verification.proof import Wanted

    try:
        wanted = Wanted(said["oathkeeper"], said["count"], said["seed"])
        return asyncio.run(proof.prove(matter, wanted, _progress()))
    except asked.Unreachable as unreachable:
        options.fail_on([f"Oathkeeper does not answer: {unreachable}"])
        raise


def new_rules(folder: Path, config_file: Path | None) -> Loaded:
    """What `convert` has written, with our configuration."""
    from authz import config as settings
    from authz.server import files as yamls
    from authz.server import ruleset

    chosen = config_file or (folder / CONFIG if (folder / CONFIG).is_file() else None)
    try:
        given = settings.read(chosen) if chosen else None
    except settings.Invalid as invalid:
        options.fail_on(f"{chosen}: {problem}" for problem in invalid.problems)
    rules = [folder] if folder.is_file() else sorted(folder.glob("*.y*ml"))
    return ruleset.load(yamls.read(path for path in rules if path.name != CONFIG), given)


def findings_of(file: Path, loaded: Loaded) -> list[Finding]:
    """Of the report about these rules, if it is there."""
    from authz.migrate.report import reported

    if not file.is_file():
        click.echo(f"{file} is not there: only what changes for callers anyway is explained", err=True)
        return []
    try:
        return reported.read(options.text(file), [rule for _, rule in loaded.rules])
    except ValueError as error:
        options.fail_on([f"{file}: {error}"])
        raise


def _credentials(file: Path | None) -> list[Credential]:
    from authz.migrate.verification import wallet

    if file is None:
        return []
    try:
        return wallet.read(options.text(file))
    except wallet.Invalid as error:
        options.fail_on([f"{file}: {error}"])
        raise


def _logged(files: tuple[Path, ...], host: str) -> list[Sent]:
    from authz.migrate.verification import accesslog

    found: dict[Sent, None] = {}
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as lines:
            log = accesslog.read(lines, host)
        click.echo(f"{file}: {log.lines:,} lines, {len(log.requests):,} different requests", err=True)
        if log.unread:
            click.echo(f"{file}: {log.unread:,} lines are of no format that is known", err=True)
        found |= log.requests
    return [*found]


def _progress() -> Callable[[int], None]:
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_EVERY_S:
            told = time.monotonic()
            click.echo(f"{done:,} requests", err=True)

    return tell
