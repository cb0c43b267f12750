"""Program: a piece of graph with named inputs, outputs, and updates of variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import DTypeError, ParameterError, ShapeError
from ..shapes import identifier
from .tensor import LEAF, Tensor, topological


class Program:
    """What a step computes: outputs from inputs, and new values for variables.

    Parameters
    ----------
    inputs : sequence of Tensor
        Leaves whose values come with each call.
    outputs : mapping of str to Tensor
    updates : mapping of Tensor to Tensor, optional
        A leaf with a value (a variable) and its new value, of the same shape and type. All new
        values are computed from the old ones.
    name : str
        The function's name in printed source.

    Attributes
    ----------
    variables : list of Tensor
        Leaves that are not inputs: those that are updated, then those that are only read.

    Raises
    ------
    ParameterError
        If an input or variable is not a leaf, or two have the same name.
    ShapeError, DTypeError
        If a new value differs from its variable in shape or type.

    Examples
    --------
    >>> import chainrule as cr
    >>> w = cr.tensor(1.0, name="w")
    >>> step = cr.Program([], {"loss": w * w}, {w: w - 0.1 * (2 * w)})
    """

    __slots__ = ("inputs", "name", "outputs", "updates", "variables")

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Mapping[str, Tensor],
        updates: Mapping[Tensor, Tensor] | None = None,
        name: str = "step",
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = dict(outputs)
        self.updates = dict(updates or {})
        self.name = identifier(name, "program name", "step")
        for part in (*self.inputs, *self.outputs.values(), *self.updates, *self.updates.values()):
            if not isinstance(part, Tensor):
                raise DTypeError(f"Program: inputs, outputs and updates are tensors, got {part!r:.60}")
        for key in self.outputs:
            if not isinstance(key, str):
                raise DTypeError(f"Program: outputs have names, got {key!r:.60}. Write {{'loss': loss}}.")
        for leaf in (*self.inputs, *self.updates):
            if leaf.op is not LEAF:
                raise ParameterError(f"Program: inputs and variables are leaves, got {leaf!r}")
        for variable, new in self.updates.items():
            if new.shape != variable.shape:
                raise ShapeError(
                    f"Program: variable {variable.name} has shape {variable.shape}, its new value {new.shape}"
                )
            if new.dtype != variable.dtype:
                raise DTypeError(
                    f"Program: variable {variable.name} is {variable.dtype}, its new value {new.dtype}. "
                    "Convert it with .astype."
                )
        given_inputs = set(self.inputs)
        both = [v for v in self.updates if v in given_inputs]
        if both:
            raise ParameterError(
                f"Program: {both[0].name or 'a leaf'} is an input and a variable. Make it one."
            )
        leaves = [x for x in topological(self.roots) if x.op is LEAF and x not in given_inputs]
        self.variables = list(dict.fromkeys([*self.updates, *leaves]))
        given = [leaf.name for leaf in (*self.inputs, *self.variables) if leaf.name]
        twice = {name for name in given if given.count(name) > 1}
        if twice:
            raise ParameterError(f"Program: two leaves are called {sorted(twice)[0]!r}. Names must differ.")

    @property
    def roots(self) -> list[Tensor]:
        """All that has to be computed."""
        return [*self.outputs.values(), *self.updates.values()]

    def __repr__(self) -> str:
        names = [leaf.name or "_" for leaf in self.inputs]
        return f"<Program {self.name}({', '.join(names)}) -> {', '.join(self.outputs)}>"
