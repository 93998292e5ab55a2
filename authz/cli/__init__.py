"""Every verb of the command line, once; a file for each family of them.

Exit codes: 0 good, 1 the input has problems, 2 wrong usage. Problems go to stderr, all at once.
"""

import errno
from typing import Any

import click

from authz import __version__
from authz.cli import config, laptop, migrate, options, rules, running


class _Verbs(click.Group):
    """What the machine refuses at a verb's end, such as a disk that is full, is told in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has had enough: click ends it without a word
                raise
            options.fail_on([str(error)])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="authz")
def main() -> None:
    """The access layer of an Istio gateway.

    Write APIRules; `render` shows what they become, `explain` why a request passes or not, `controller`
    keeps a cluster so, `serve` is the authorizer that Envoy asks, and `up` runs all of it here. `migrate`
    brings people over from ORY.
    """


for verb in (
    running.serve,
    running.controller,
    running.health,
    rules.render,
    rules.explain,
    laptop.up,
    laptop.token,
    config.config,
    migrate.migrate,
):
    main.add_command(verb)
