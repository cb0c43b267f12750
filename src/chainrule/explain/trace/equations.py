"""The four equations of backpropagation for a network of dense layers, checked against its own gradients."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import numpy as np

from ...autodiff.gradient import gradient
from ...checks import counted
from ...emit.mathtree import plain_math
from ...graph.evaluate import interpret
from ...graph.tensor import topological
from ...nn.network import BaseNetwork
from ..step import Step
from .dense_stack import StackLayer, dense_stack, loss_graph
from .equation_writer import Equation, EquationWriter
from .notation import find_reader_notation

Array = np.ndarray[Any, Any]
WIDTH = 80
TITLES = {
    "BP1": "the error of the last layer",
    "BP2": "the error of a layer from that of the next",
    "BP3": "the derivative by a bias",
    "BP4": "the derivative by a weight",
}


class Equations:
    """Nielsen's BP1 to BP4 for a network.

    ``str(equations)`` is plain text.

    Attributes
    ----------
    equations : list of Equation
    chains : dict of str to str
        For each parameter, the loss's derivative by it as a product along the layers, in LaTeX.
    network : str
        The layers and the loss, in a line.
    loss : str
        The loss in LaTeX.
    rows : int or None
        On how many the equations were checked.

    References
    ----------
    Nielsen (2015), Neural Networks and Deep Learning, chapter 2.
    """

    def __init__(
        self, equations: list[Equation], chains: dict[str, str], network: str, loss: str, rows: int | None
    ) -> None:
        self.equations, self.chains, self.network, self.loss = equations, chains, network, loss
        self.rows = rows

    @property
    def difference(self) -> float | None:
        """The largest of the equations' differences; None where they were not checked."""
        found = [e.difference for e in self.equations if e.difference is not None]
        return max(found, default=None)

    @property
    def checked(self) -> str:
        """What the check found, in a sentence."""
        if self.difference is None:
            return "Not checked: pass rows and targets."
        return (
            f"Checked on {counted(self.rows or 0, 'row')}: left and right sides differ by at most "
            f"{self.difference:.2g} of the largest element."
        )

    def __str__(self) -> str:
        lines = [*_wrapped(self.network), *_wrapped(plain_math(self.loss)), *_wrapped(self.checked)]
        name = ""
        for equation in self.equations:
            if equation.name != name:
                name = equation.name
                lines += ["", f"{name}: {TITLES[name]}"]
            lines += ["", f"  {equation.layer}"]
            texts = [plain_math(equation.matrix), equation.shapes, plain_math(equation.component)]
            texts += [f"where {plain_math(factor)}" for factor in equation.factors]
            if equation.difference is not None:
                texts.append(f"largest difference {equation.difference:.2g}")
            lines += [line for text in texts for line in _wrapped(text, "    ")]
        lines += ["", "The chain of derivatives for every parameter", ""]
        for parameter, chain in self.chains.items():
            lines += _wrapped(f"{parameter}: {plain_math(chain)}", "  ")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The equations in Markdown with LaTeX."""
        blocks = [f"# The four equations of backpropagation\n\n{self.network}", f"$$ {self.loss} $$"]
        blocks.append(self.checked)
        name = ""
        for equation in self.equations:
            if equation.name != name:
                name = equation.name
                blocks.append(f"## {name}: {TITLES[name]}")
            blocks.append(f"`{equation.layer}`, shapes {equation.shapes}:")
            blocks += [f"$$ {equation.matrix} $$", f"$$ {equation.component} $$"]
            if equation.factors:
                blocks.append(f"where {', '.join(f'$ {factor} $' for factor in equation.factors)}.")
            if equation.difference is not None:
                blocks.append(f"Largest difference: {equation.difference:.2g}.")
        blocks.append("## The chain of derivatives for every parameter")
        blocks += [f"`{name}`:\n\n$$ {chain} $$" for name, chain in self.chains.items()]
        return "\n\n".join(blocks) + "\n"

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def equations(network: BaseNetwork, notation: Any = None, step: Step | None = None) -> Equations:
    """The equations of a network; see `Network.equations`.

    Parameters
    ----------
    network : BaseNetwork
        That knows its number of inputs.
    notation : Notation, str or dict, optional
    step : Step, optional
        With targets: what the equations are checked on.
    """
    layers = dense_stack(network)
    style = find_reader_notation(notation)
    style = dataclasses.replace(style, delta=style.delta or "δ", gradient="partial")
    writer = EquationWriter(network, style, layers)
    found = writer.all()
    if step is not None:
        step.need_loss()
        differences = _Check(network, layers, step).all()
        found = [dataclasses.replace(e, difference=differences[e.name, e.layer]) for e in found]
    return Equations(
        found, writer.chains(), writer.summary(), writer.loss(), None if step is None else step.rows
    )


class _Check:
    """The right sides, each from its stated factors, against the gradients of the step."""

    def __init__(self, network: BaseNetwork, layers: list[StackLayer], step: Step) -> None:
        self.network, self.layers, self.step = network, layers, step
        graph, loss = network.graph, step.need_loss()
        order = topological([loss])
        z = [next(x for x in order if x.name == f"z{layer.tag}") for layer in layers]
        W = [graph.parameters[f"{layer.name}.W"] for layer in layers]
        b = [graph.parameters[f"{layer.name}.b"] for layer in layers if layer.bias]
        slopes = gradient(loss, [*z, *W, *b])
        values = step.values([*z, *slopes])
        self.z, self.dz, self.dW, self.db = (values[at] for at in _slices(len(z), len(z), len(z), len(b)))
        self.a = [interpret([layer.a], {layer.z: v})[0] for layer, v in zip(layers, self.z, strict=True)]
        self.W = [step.feed[leaf] for leaf in W]

    def all(self) -> dict[tuple[str, str], float]:
        """The largest relative difference for each equation and layer."""
        found: dict[tuple[str, str], float] = {}
        last = self.layers[-1]
        out, t, _, slope = loss_graph(self.network, last)
        (by_out,) = interpret([slope], {out: self.a[-1], t: self.step.feed[self.network.graph.ts[0]]})
        with_bias = iter(self.db)
        for k, layer in enumerate(self.layers):
            following = k + 1 < len(self.layers)
            arriving = self.dz[k + 1] @ self.W[k + 1].T if following else by_out
            (slope_here,) = interpret([layer.slope], {layer.z: self.z[k]})
            found["BP2" if following else "BP1", layer.name] = _difference(arriving * slope_here, self.dz[k])
            if layer.bias:
                found["BP3", layer.name] = _difference(self.dz[k].sum(axis=0), next(with_bias))
            before = self.a[k - 1] if k else self.step.feed[self.network.graph.xs[0]]
            product = before.T @ self.dz[k]
            if layer.penalty is not None:
                (extra,) = interpret([layer.penalty], {layer.W: self.W[k], layer.z: self.z[k]})
                product = product + extra
            found["BP4", layer.name] = _difference(product, self.dW[k])
        return found


def _slices(*lengths: int) -> list[slice]:
    ends = np.cumsum(lengths)
    return [slice(int(end) - n, int(end)) for end, n in zip(ends, lengths, strict=True)]


def _difference(right: Array, left: Array) -> float:
    """The largest difference, relative to the largest element of the left side."""
    scale = float(np.abs(left).max())
    return float(np.abs(right - left).max()) / (scale or 1.0)
