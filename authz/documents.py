"""YAML as it may be written here: plain documents, without aliases, of bounded size and depth.

An alias lets a few hundred bytes stand for gigabytes, and nesting without end exhausts the stack.
"""

from collections.abc import Iterable
from typing import Any

import yaml

TEXT_MAX_LENGTH = 16 << 20  # 10,000 APIRules take some 8 MB
TEXT_WIDTH = 110  # characters of a line, where there is a blank to break it at
DEPTH_MAX = 50  # an APIRule has 8 levels


class Malformed(ValueError):
    """Says in one line where reading breaks off, and why."""


def read(text: str) -> list[Any]:
    """All documents of a file. Raises Malformed."""
    if len(text) > TEXT_MAX_LENGTH:
        raise Malformed(f"longer than {TEXT_MAX_LENGTH >> 20} MiB")
    try:
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise Malformed(_where(error)) from error
    except (ValueError, OverflowError) as error:  # a date or a number that there is not
        raise Malformed(f"a value can not be read: {error}") from error


def write(documents: Iterable[Any]) -> str:
    """What `read` reads: the same values in the same order."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=TEXT_WIDTH)


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _refusal(self, "aliases are not supported")
        if self._depth >= DEPTH_MAX:
            raise _refusal(self, f"nested deeper than {DEPTH_MAX} levels")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """YAML 1.2 3.2.1.1: keys are unique. Of two, one reader would take the first, another the last."""
        seen: set[Any] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name} stands here twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _refusal(loader: _Loader, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=loader.peek_event().start_mark)  # type: ignore[no-untyped-call]


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
