"""What is told of decisions, as the configuration has it: how many log lines, and which traces."""

from typing import Annotated, Literal

from pydantic import Field

from authz.values import Section, Url


class Log(Section):
    """What is logged of decisions. A credential never is."""

    decisions: Literal["all", "denied", "none"] = "denied"
    """Which of them: all, denied or none."""
    allowed_one_in: Annotated[int, Field(ge=1)] = 1
    """With `decisions: all`: of what is allowed, one in so many is logged, by chance."""
    denied_per_second: Annotated[int, Field(ge=1)] = 50
    """How many denials a worker logs in a second; the next line says how many were left out."""


class Tracing(Section):
    """OpenTelemetry: a span of each Check whose trace is sampled, as its caller says. Takes `[tracing]`."""

    endpoint: Annotated[
        Url | None, Field(examples=["http://otel-collector.observability:4318/v1/traces"])
    ] = None
    """Where spans go, by OTLP over HTTP. Without it there are none, and they cost nothing."""
    per_second: Annotated[int, Field(ge=1)] = 100
    """How many Checks a worker traces in a second: who calls decides what is sampled, not what it costs."""
