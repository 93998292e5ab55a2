"""What is told of decisions, as the configuration has it: how many log lines."""

from typing import Annotated, Literal

from pydantic import Field

from authz.values import Section


class Log(Section):
    """What is logged of decisions. A credential never is."""

    decisions: Literal["all", "denied", "none"] = "denied"
    """Which of them: all, denied or none."""
    allowed_one_in: Annotated[int, Field(ge=1)] = 1
    """With `decisions: all`: of what is allowed, one in so many is logged, by chance."""
    denied_per_second: Annotated[int, Field(ge=1)] = 50
    """How many denials a worker logs in a second; the next line says how many were left out."""
