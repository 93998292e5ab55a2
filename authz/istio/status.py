"""What the controller says of an APIRule: Kyma's state and description, and conditions."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from authz.istio.model import SOME, Many, Model
from authz.istio.openapi import Says

State = Literal["Ready", "Warning", "Error", "Processing", "Deleting"]


class Condition(Model):
    """One aspect of the APIRule's state."""

    type: Annotated[str, Field(max_length=316)]
    """Accepted: the APIRule is valid. ResolvedRefs: the gateway, services and authorizers that it names
    are there. Programmed: what it becomes is in the cluster."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this was said of."""
    last_transition_time: datetime
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, for people."""


class Status(Model):
    """What became of the APIRule."""

    state: State
    """Ready, or what keeps it from being so."""
    description: str | None = None
    """Everything that is wrong, a line each, with the field that it is about."""
    last_processed_time: datetime | None = None
    """When the controller last looked at this APIRule and something had changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that the status is about."""
    hosts: Annotated[Many[str], SOME] | None = None
    """In full, those that were accepted: the authorizer decides about no others."""
    conditions: Annotated[
        Many[Condition],
        Says({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "maxItems": 8}),
    ] = ()
    """Accepted, ResolvedRefs and Programmed."""
