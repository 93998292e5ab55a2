"""What is configured, here and in the mesh: `authz config check`, `example` and `mesh`."""

from pathlib import Path

import click

from authz.cli import mesh, options


@click.group()
def config() -> None:
    """Look at configuration files."""


@config.command()
@click.argument("file", type=options.FILE)
def check(file: Path) -> None:
    """Report every mistake in FILE and in the rules it names.

    \b
    authz config check authz.yaml
    """
    from authz import config as settings
    from authz.server import files as yamls
    from authz.server import ruleset, signing, tls

    parsed, problems = settings.Config(), []
    try:
        parsed = settings.read(file)
    except settings.Invalid as invalid:
        problems += [f"{file}: {problem}" for problem in invalid.problems]
    problems += [f"{file}: {problem}" for problem in tls.problems(parsed.listen.tls)]
    problems += [f"{file}: {problem}" for problem in signing.problems(parsed.identity_tokens)]
    paths = [file.parent / name for name in parsed.policy.files]
    problems += [f"{file}: policy.files: {path} does not exist" for path in paths if not path.exists()]
    loaded = ruleset.load(yamls.read(path for path in paths if path.exists()), parsed)
    options.fail_on((*problems, *loaded.problems))
    click.echo(f"{file}: APIRules: {len(loaded.rules)}, authorizers: {len(parsed.authorizers)}, no mistakes")


@config.command()
def example() -> None:
    """Print a configuration with every setting, its default and its meaning.

    \b
    authz config example > authz.yaml
    """
    from authz import example as examples

    click.echo(examples.render(), nl=False)


config.add_command(mesh.mesh)
