"""What a conversion is written to: a folder of files, or one stream that `authz render` reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from authz import writing
from authz.migrate.conversion import rendering
from authz.migrate.conversion.convert import Conversion

_CONFIG_MAP = {"name": "authz", "namespace": "authz-system"}

_HEAD = "# Made by `authz migrate convert`; report.md says from what, and what each difference means.\n"


def stream(conversion: Conversion) -> str:
    """The APIRules, and our configuration in a ConfigMap, as the authorizer's chart mounts it."""
    documents: list[dict[str, Any]] = list(conversion.apirules)
    if "authorizers" in conversion.config:
        text = writing.write([conversion.config])
        documents.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _CONFIG_MAP, "data": {"authz.yaml": text}}
        )
    return writing.write(documents)


def write(folder: Path, conversion: Conversion, problems: Iterable[str]) -> list[Path]:
    """All files, new or anew. Raises OSError."""
    held = list(problems)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "apirules.yaml": _HEAD + writing.write(conversion.apirules),
        "authz.yaml": _HEAD + writing.write([conversion.config]),
        "report.md": rendering.markdown(conversion, held),
        "report.json": rendering.as_json(conversion, held),
    }
    if conversion.clients:
        texts["clients.json"] = json.dumps(conversion.clients, indent=1) + "\n"
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
