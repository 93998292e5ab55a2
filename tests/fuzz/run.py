"""`python -m tests.fuzz.run TARGET [libFuzzer's options] [FOLDER...]`: one run, instrumented."""

import sys
from importlib import import_module

import atheris

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["authz", "hpack"]):
        target = import_module(f"tests.fuzz.{name}")
    # libFuzzer starts itself anew to merge, by what it takes for its name, through a shell.
    atheris.Setup([f"{sys.executable} -m tests.fuzz.run {name}", *options], target.one)
    atheris.Fuzz()
