"""The lines of a step's printed source, and the value that each assigns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...emit.numpy_source import Assigned, SourceWriter, numpy_source, signature
from ...graph.op import Kind
from ...graph.program import Program
from ...graph.tensor import Tensor

Array = np.ndarray[Any, Any]
Key = Tensor | Assigned
"""What has a value in a step: a leaf, or a line."""


class Lines:
    """The lines of a program's printed source.

    Attributes
    ----------
    leaves : list of Tensor
        What the printed function takes, in order.
    assigned : list of Assigned
        What its lines give names to, in order. Nodes are those of the simplified graph.
    keys : list of Tensor and Assigned
        Both.
    names : dict of Tensor to str
        What leaves and assigned nodes are called: of a node with two names, the first.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        writer = SourceWriter(program)
        writer.body()
        self.leaves = signature(program)
        self.assigned: list[Assigned] = writer.assigned
        self.keys: list[Key] = [*self.leaves, *self.assigned]
        self.names = {leaf: writer.texts[leaf] for leaf in self.leaves}
        for line in self.assigned:
            self.names.setdefault(line.node, line.name)

    @staticmethod
    def value(leaf: Tensor, feed: Mapping[Tensor, Array]) -> Array:
        """A leaf's value: that given, or its own, as constants of a function of tensors have."""
        return np.asarray(feed.get(leaf, leaf.value))

    def run(self, feed: Mapping[Tensor, Array], keep: Callable[[Assigned], bool]) -> dict[Key, Array]:
        """Run the printed source, statement by statement; what the lines to keep have assigned.

        It is the text that the NumPy engine runs, so the values are that engine's to the last bit.

        Parameters
        ----------
        feed : mapping of Tensor to ndarray
            The values of the leaves.
        keep : callable
            Says of a line whether its value is wanted.
        """
        module = ast.parse(numpy_source(self.program))
        wanted = (x for x in module.body if isinstance(x, ast.FunctionDef) and x.name == self.program.name)
        function = next(wanted)
        module.body.remove(function)
        space: dict[str, Any] = {}
        _execute(module.body, space)
        for leaf, argument in zip(self.leaves, function.args.args, strict=True):
            value = np.asarray(self.value(leaf, feed), leaf.dtype)
            space[argument.arg] = value[()] if value.ndim == 0 else value
        waiting, values = list(self.assigned), dict[Key, Array]()
        with np.errstate(all="ignore"):
            for statement in function.body:
                if isinstance(statement, ast.Return):
                    break
                _execute([statement], space)
                while waiting and _gives(statement, waiting[0]):
                    line = waiting.pop(0)
                    if keep(line):
                        kept = None if line.variable is None else line.variable.dtype  # as the engine does
                        values[line] = np.array(space[line.name], kept)
        return values


def _gives(statement: ast.stmt, line: Assigned) -> bool:
    """Whether a statement is the one after which a line's value is there: a loop's result, after the loop."""
    if line.node.op.kind is Kind.ITEM:
        return isinstance(statement, ast.For)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return isinstance(target, ast.Name) and target.id == line.name


def _execute(statements: list[ast.stmt], space: dict[str, Any]) -> None:
    exec(compile(ast.Module(statements, []), "<chainrule trace>", "exec"), space)
