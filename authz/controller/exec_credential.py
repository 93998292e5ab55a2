"""Tokens that a program makes, as a kubeconfig's `exec` asks for: the logins of EKS, GKE, AKS and of OIDC.

Kubernetes' client.authentication.k8s.io/v1 and v1beta1. Who writes a kubeconfig says what its reader runs,
as with kubectl: the file is the reader's own.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from authz import documents

RUN_S = 120.0  # some have people sign in with a browser
AGAIN_S = 5.0  # after it has run: some ask a person each time
EARLY_S = 30.0  # a token is not used to its last second

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(slots=True)
class Program:
    """`command` is what to run; `environment` comes on top of ours. A token is kept until it expires."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    hint: str = ""
    clock: Callable[[], float] = time.time
    _token: str = ""
    _expires: float = -inf
    _failure: OSError | None = None
    _retry_at: float = -inf
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __repr__(self) -> str:
        return f"Program({self.command[0]})"

    async def token(self) -> str:
        """Waits for the program where the last one has expired. Raises OSError if there is none to be had."""
        async with self._one:
            now = self.clock()
            if self._failure and now < self._retry_at:
                raise OSError(str(self._failure))
            if now >= self._expires - EARLY_S:
                await self._renew()
            return self._token

    def refused(self) -> None:
        """The API server does not take it any more: the program is asked again, but not for each refusal."""
        if self.clock() >= self._retry_at:
            self._expires = -inf

    async def _renew(self) -> None:
        """Beside everything else, which has not to wait; who fails is not asked again at once."""
        try:
            self._token, self._expires = await asyncio.to_thread(self._ask)
            self._failure = None
        except OSError as error:
            self._failure = error
            raise
        finally:
            self._retry_at = self.clock() + AGAIN_S

    def _ask(self) -> tuple[str, float]:
        name = self.command[0]
        if not shutil.which(name):
            raise OSError(
                f"{name} is not there, by which the kubeconfig has people sign in. {self.hint}".strip()
            )
        try:
            done = subprocess.run(  # noqa: S603  # the user's own kubeconfig names it
                self.command,
                stdout=subprocess.PIPE,
                env=os.environ | self.environment,
                timeout=RUN_S,
                check=True,
            )
            return _read(done.stdout)
        except subprocess.SubprocessError as error:
            raise OSError(f"{name}, which makes the token for the API server: {_failure(error)}") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise OSError(f"{name} printed no token for the API server") from error


def parse(folder: Path, settings: Mapping[str, Any]) -> Program:
    """`exec` of a user. Raises ValueError, LookupError or TypeError."""
    version, command = settings["apiVersion"], str(settings["command"])
    if version not in _VERSIONS:
        raise ValueError(f"exec: apiVersion {version} is not supported, only {' and '.join(_VERSIONS)}")
    is_relative = "/" in command and not Path(command).is_absolute()
    asked = {"interactive": sys.stdin.isatty() and settings.get("interactiveMode") != "Never"}
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": asked}
    environment = {str(one["name"]): str(one["value"]) for one in settings.get("env") or ()}
    return Program(
        (str(folder / command) if is_relative else command, *map(str, settings.get("args") or ())),
        {**environment, "KUBERNETES_EXEC_INFO": json.dumps(info)},
        str(settings.get("installHint") or ""),
    )


def _failure(error: subprocess.SubprocessError) -> str:
    """Without its arguments, among which may be a secret."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    return f"it took longer than {RUN_S:.0f} s"


def _read(printed: bytes) -> tuple[str, float]:
    (credential,) = documents.read(printed.decode())
    status = credential["status"]
    ends = status.get("expirationTimestamp")
    expires = datetime.fromisoformat(str(ends)).timestamp() if ends else inf
    token = status["token"]
    if not isinstance(token, str) or not token:
        raise ValueError("no token")
    return token, expires
