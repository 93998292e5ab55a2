"""Files made from the code are what the code makes."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.generate import generated

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("path", "text"), generated().items(), ids=[path.name for path in generated()])
def test_a_generated_file_is_up_to_date(path, text):
    assert path.read_text(encoding="utf-8") == text, "run `make fix`"


def test_the_compiled_messages_are_up_to_date(tmp_path):
    options = ["-I", str(ROOT / "protos"), f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, "ext_authz.proto"], check=True)
    for name in ("ext_authz_pb2.py", "ext_authz_pb2.pyi"):
        assert (ROOT / "authz" / "server" / name).read_text() == (tmp_path / name).read_text(), (
            "run `make protos`"
        )
