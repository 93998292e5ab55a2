"""`authz migrate`: from ORY to here."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authz.cli import old, options, shadow, stages, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authz.migrate.conversion.convert import Conversion
    from authz.migrate.conversion.model.choices import Choices
    from authz.migrate.old.rule import World

_PROGRESS_EVERY = 500  # objects
_PATH = click.Path(path_type=Path)


@click.group()
def migrate() -> None:
    """Bring rules of ORY Oathkeeper and of Kyma's old APIRules here.

    \b
    convert   what they become, and a report of every difference
    verify    ask Oathkeeper and the new rules the same, and explain each difference
    plan      where each APIRule is, what comes next, what stands in the way
    apply     to the next stage: prepare, shadow, switch, finish
    undo      back to the stage before
    shadow    judge copies of live requests by the old rules and the new
    """


migrate.add_command(stages.plan)
migrate.add_command(stages.apply)
migrate.add_command(stages.undo)
migrate.add_command(shadow.shadow)


def _accepted(context: click.Context, option: click.Parameter, codes: tuple[str, ...]) -> frozenset[str]:
    from authz.migrate.conversion.model.choices import CODES

    if unknown := sorted(set(codes) - set(CODES)):
        raise click.BadParameter(f"{unknown[0]} is none of: {', '.join(CODES)}", context, option)
    return frozenset(codes)


def _gateway(context: click.Context, option: click.Parameter, name: str) -> str:
    from authz.istio import syntax

    try:
        return syntax.gateway(name) if name else ""
    except ValueError as error:
        raise click.BadParameter(f"{error}: {name}", context, option) from error


def _pairs(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Of `a=b=c`, the last part is the value: URLs may have the sign in them."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.rpartition("=")
        if not sign or not name or not value:
            raise click.BadParameter(f"{text!r} is no NAME=VALUE", context, option)
        found[name] = value
    return found


@migrate.command()
@click.argument("files", nargs=-1)
@click.option("--cluster", is_flag=True, help="Read kubectl's cluster too; nothing is written there.")
@click.option("--out", type=_PATH, help="A folder for APIRules, configuration, report; else standard output.")
@click.option("--report", type=_PATH, help="Write the report, Markdown, here.")
@click.option("--json", "json_file", type=_PATH, help="Write the report, for tools, here.")
@click.option(
    "--oathkeeper-config", type=options.FILE, help="Oathkeeper's config.yaml: what rules leave out."
)
@click.option(
    "--issuer",
    "issuers",
    multiple=True,
    callback=_pairs,
    metavar="URL=ISSUER",
    help="Who issues the tokens of an address.",
)
@click.option("--token", "tokens", multiple=True, type=options.FILE, help="A token that shows its issuer.")
@click.option("--offline", is_flag=True, help="Ask nobody: no discovery of issuers.")
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    callback=_accepted,
    metavar="CODE",
    help="A difference that you accept.",
)
@click.option(
    "--gateway",
    default="",
    callback=_gateway,
    metavar="NAMESPACE/NAME",
    help="For rules that name no gateway.",
)
@click.option("--namespace", default="", help="For access rules, which have none.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    callback=_pairs,
    metavar="PATTERN=HOST,…",
    help="The hosts of a pattern.",
)
@click.option("--session", default="", metavar="URL", help="oauth2-proxy, for rules that sign people in.")
@click.option("--all-methods", is_flag=True, help="`allow` goes on to let every method pass.")
def convert(files: tuple[str, ...], cluster: bool, **said: Any) -> None:
    """Make APIRules and authorizers of old rules, and report every field of them.

    FILES are files, folders with all that is in them, or - for standard input: APIRules v1alpha1 and
    v1beta1 (also where Kyma keeps them in an annotation), Oathkeeper's Rules, access-rule files and
    config.yaml, Hydra's OAuth2Clients.

    What waits for a decision is not written, and the report asks one question about it, with the flag
    or the edit that answers it. Ends with 1 while anything waits. Nothing is widened unless accepted.

    \b
    authz migrate convert old/ --out new
    kubectl get apirules.v1beta1.gateway.kyma-project.io -A -o yaml | authz migrate convert - --out new
    authz migrate convert --cluster --out new --issuer https://idp/keys=https://idp
    authz migrate convert rules.json --oathkeeper-config config.yaml --gateway istio-system/gateway
    authz migrate convert old/ | authz render /dev/stdin cluster.yaml
    """
    from authz.migrate.conversion import convert as converter

    if not files and not cluster:
        raise click.UsageError("FILES or --cluster is needed")
    world, problems = old.world(files, cluster=cluster, settings=old.settings(said["oathkeeper_config"]))
    choices = _learnt(world, _choices(said), said["tokens"], said["offline"])
    made = converter.convert(world, choices, _progress(len(world.objects)))
    problems = [*problems, *world.problems]
    where = (said["out"], said["report"], said["json_file"])
    _write(made, problems, *where)
    _conclude(made, problems, said_where=any(where[:2]))


def _choices(said: Mapping[str, Any]) -> Choices:
    from authz.migrate.conversion.model.choices import Choices

    return Choices(
        accepted=said["accepted"],
        issuers=said["issuers"],
        gateway=said["gateway"],
        namespace=said["namespace"],
        hosts={name: tuple(value.split(",")) for name, value in said["hosts"].items()},
        session=said["session"].rstrip("/"),
        all_methods=said["all_methods"],
    )


def _write(
    made: Conversion, problems: list[str], out: Path | None, report: Path | None, json_file: Path | None
) -> None:
    from authz.migrate.conversion import output, rendering

    if out:
        output.write(out, made, problems)
    else:
        sys.stdout.write(output.stream(made))
    if report:
        report.write_text(rendering.markdown(made, problems), encoding="utf-8")
    if json_file:
        json_file.write_text(rendering.as_json(made, problems), encoding="utf-8")


def _learnt(world: World, choices: Choices, tokens: tuple[Path, ...], offline: bool) -> Choices:
    """Issuers that can be found out; what a person has said stands."""
    from dataclasses import replace

    from authz.migrate.conversion.pipeline import learning
    from authz.migrate.report import masking

    unknown = learning.unknown(world, choices)
    if offline or not unknown:
        return choices

    click.echo(f"asking who issues the tokens of {len(unknown)} addresses", err=True)
    held = [options.text(file).strip() for file in tokens]
    found = asyncio.run(learning.ask(unknown, held))
    for url, issuer in found.items():
        click.echo(f"{masking.shown(url)}: {issuer}", err=True)
    return replace(choices, issuers=learning.merged(choices.issuers, found))


def _progress(total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if total > _PROGRESS_EVERY and (done % _PROGRESS_EVERY == 0 or done == total):
            click.echo(f"{done:,} of {total:,} objects", err=True)

    return tell


def _conclude(made: Conversion, problems: list[str], *, said_where: bool) -> None:
    from authz.migrate.conversion import rendering

    for problem in problems:
        click.echo(problem, err=True)
    click.echo(rendering.line(made), err=True)
    if made.open and not said_where:
        for finding in made.findings:
            if finding.answer:
                click.echo(f"{finding.object}: {finding.field}: {finding.message} {finding.answer}", err=True)
    sys.exit(1 if made.open or problems else 0)


migrate.add_command(verify.verify)
