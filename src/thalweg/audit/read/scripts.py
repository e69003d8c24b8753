"""Python in someone's files, read as a syntax tree and never run."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Script:
    """A Python file, or the code of a notebook.

    Attributes:
        name: Path in the folder.
        tree: Its syntax.
        source: Its text; lines are numbered as in the tree.
    """

    name: str
    tree: ast.Module
    source: str

    def at(self, node: ast.AST) -> str:
        """Return where a node stands: "train.py:12"."""
        return f"{self.name}:{getattr(node, 'lineno', 1)}"

    def text(self, node: ast.AST) -> str:
        """Return the first line of a node's source."""
        return (ast.get_source_segment(self.source, node) or "").partition("\n")[0]

    def scopes(self) -> Iterator[list[ast.stmt]]:
        """Yield the statements of the module and of every function."""
        yield self.tree.body
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.body


def parse_script(name: str, source: str) -> Script:
    """Parse a Python text.

    Raises:
        SyntaxError: It is none.
        ValueError: Likewise.
    """
    return Script(name, ast.parse(source), source)


def parse_notebook(name: str, text: str) -> tuple[Script, str]:
    """Return the code of a notebook, its magics and shell lines left out, and its texts.

    Raises:
        ValueError: It is no notebook.
        SyntaxError: Its code is no Python.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        raise ValueError("is no notebook: it has no cells")
    code, prose = [], []
    for cell in found["cells"]:
        lines = _text(cell.get("source", "")) if isinstance(cell, dict) else ""
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            code.append(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", lines))
        else:
            prose.append(lines)
    return parse_script(name, "\n".join(code)), "\n\n".join(prose)


def calls(nodes: list[ast.stmt] | ast.AST) -> list[ast.Call]:
    """Return all calls below some statements, in the order of the source; functions that are
    defined there are not entered.
    """
    found = [node for node in inside(nodes) if isinstance(node, ast.Call)]
    # Of nested calls the inner one is made first, so calls are ordered by where they end.
    return sorted(found, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))


def inside(nodes: list[ast.stmt] | ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below some statements, functions and classes defined there not entered."""
    waiting: list[ast.AST] = list(nodes) if isinstance(nodes, list) else [nodes]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield node
        waiting = [*ast.iter_child_nodes(node), *waiting]


def called(call: ast.Call) -> str:
    """Return the dotted name of what is called: "torch.nn.utils.clip_grad_norm_", ".step" where it
    is a method of something that has no name.
    """
    return dotted(call.func)


def dotted(node: ast.AST) -> str:
    """Return a dotted name; "" for what has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def names(node: ast.AST) -> set[str]:
    """Return all names that an expression reads, attributes with their owners."""
    return {dotted(each) for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)}


def keyword(call: ast.Call, name: str) -> Any:
    """Return the constant that a call gives a keyword; None where it gives none."""
    for each in call.keywords:
        if each.arg == name and isinstance(each.value, ast.Constant):
            return each.value.value
    return None


def _text(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
