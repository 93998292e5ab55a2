"""The API server that tests run on, with kubectl as its administrator."""

import os
import subprocess
from pathlib import Path

from authz.local import apiserver, programs
from authz.local.apiserver import Refused
from authz.local.definitions import Document, custom_resources, path

__all__ = ["ApiServer", "Document", "Refused", "custom_resources", "path"]


class ApiServer(apiserver.ApiServer):
    """Running between `start` and `stop`, or as a context manager."""

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """As the administrator."""
        command: list[str | Path] = [programs.get("kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        environment = os.environ | {"HOME": str(self.folder)}  # it caches there
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, env=environment
        )
