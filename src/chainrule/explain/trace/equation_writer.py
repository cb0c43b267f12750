"""How the four equations of backpropagation are written for a stack of dense layers, in LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ...emit.formula import expression
from ...emit.notation import Part
from ...emit.simplify import is_number, simplify
from ...graph.tensor import CONSTANT, SIZE, Tensor
from ...nn.network import BaseNetwork
from ...shapes import Dim
from ..numbers import shape_text
from .dense_stack import StackLayer, loss_graph
from .notation import Notation, ReaderLatex, Symbols

_TIMES = r" \cdot "


@dataclass(frozen=True)
class Equation:
    """One of the four, for one layer.

    Attributes
    ----------
    name : {"BP1", "BP2", "BP3", "BP4"}
    layer : str
    matrix, component : str
        In LaTeX: for whole arrays, and for one element.
    factors : list of str
        What the factors are in this network, in LaTeX.
    shapes : str
        Of the left side and of the factors.
    difference : float or None
        The largest difference between the right side, computed from its factors, and the gradient of the
        training step, relative to the largest element of that; None where there were no rows.
    """

    name: str
    layer: str
    matrix: str
    component: str
    factors: list[str]
    shapes: str
    difference: float | None = None


def _essence(node: Tensor) -> Tensor | None:
    """What a node repeats, or multiplies by 1."""
    if node.op.name == "expand":
        return node.inputs[0]
    if node.op.name == "multiply":
        for x, y in (node.inputs, node.inputs[::-1]):
            if is_number(x, 1):
                return y
    return None


class EquationWriter:
    """Writes the equations in a notation: i counts samples, j the layer's units, k those beside it."""

    def __init__(self, network: BaseNetwork, notation: Notation, layers: list[StackLayer]) -> None:
        self.network, self.notation, self.layers = network, notation, layers
        self.symbols = Symbols(network, notation)
        self.latex = ReaderLatex(self.symbols)
        self.input = str(network.graph.xs[0].name)

    def name(self, name: str) -> str:
        """A whole array."""
        return self.symbols.latex(name).text

    def one(self, name: str, *indices: str) -> str:
        """An element, by unit and sample, or by the units that a weight joins."""
        return self.symbols.element(name, "".join(indices)).text

    def of_sample(self, name: str, unit: str) -> str:
        order = (unit, "i") if self.notation.columns else ("i", unit)
        return self.one(name, *order)

    def shape(self, *shape: Dim | str) -> str:
        return shape_text(shape[::-1] if self.notation.columns else shape)

    def written(self, node: Tensor, leaves: Mapping[Tensor, str]) -> str:
        """A node's simplified expression in the names of these."""
        kept = [node, *leaves]
        root, *ends = simplify(kept)
        names = dict(zip(ends, leaves.values(), strict=True))

        def find(x: Tensor) -> Part | None:
            if x in names:
                return self.latex.name(names[x])
            if x.op is CONSTANT:
                return self.latex.number(x.attrs["value"])
            if x.op is SIZE:
                return self.latex.size(x.attrs["dim"])
            return None

        while root not in names and (inner := _essence(root)) is not None:
            root = inner
        direct = find(root)
        return direct.text if direct is not None else expression(root, self.latex, find).text

    def summary(self) -> str:
        sizes = " → ".join(
            [f"{self.network.inputs} inputs"]
            + [f"{layer.name} ({layer.W.shape[1]} {self.activation(layer)})" for layer in self.layers]
        )
        return f"{sizes}; loss {self.network._losses[0].name}, {self.sides()}"

    def sides(self) -> str:
        return "each sample a column" if self.notation.columns else "each sample a row"

    def activation(self, layer: StackLayer) -> str:
        found = self.network[layer.name]
        return str(getattr(found, "activation", ""))

    def loss(self) -> str:
        out, t, loss, _ = loss_graph(self.network, self.layers[-1])
        own = {out: self.layers[-1].out, t: str(t.name)}
        return f"{self.name('loss')} = {self.written(loss, own)}"

    def slope(self, layer: StackLayer) -> list[str]:
        """The activation's derivative, as a factor's formula."""
        if layer.linear:
            return []
        own = {layer.z: f"z{layer.tag}", layer.a: layer.out}
        return [f"{self.prime(layer)} = {self.written(layer.slope, own)}"]

    def prime(self, layer: StackLayer) -> str:
        """The activation's derivative."""
        return rf"\frac{{\partial {self.name(layer.out)}}}{{\partial {self.name(f'z{layer.tag}')}}}"

    def prime_of_one(self, layer: StackLayer) -> str:
        out, z = self.of_sample(layer.out, "j"), self.of_sample(f"z{layer.tag}", "j")
        return rf"\frac{{\partial {out}}}{{\partial {z}}}"

    def derivative(self, name: str) -> str:
        """The loss's, by what is written so already."""
        return rf"\frac{{\partial {self.name('loss')}}}{{\partial {name}}}"

    def all(self) -> list[Equation]:
        """All four, each from the last layer to the first."""
        last = self.layers[-1]
        found = [self.first_equation(last)]
        pairs = list(pairwise(self.layers))
        found += [self.second_equation(layer, following) for layer, following in reversed(pairs)]
        found += [self.third_equation(layer) for layer in reversed(self.layers) if layer.bias]
        before = [self.input, *(layer.out for layer in self.layers)]
        joints = list(zip(self.layers, before[:-1], strict=True))
        return found + [self.fourth_equation(layer, below) for layer, below in reversed(joints)]

    def first_equation(self, last: StackLayer) -> Equation:
        delta = f"d_z{last.tag}"
        out, t, _, slope = loss_graph(self.network, last)
        factors = self.slope(last)
        gradient_text = self.written(slope, {out: last.out, t: str(t.name)})
        factors = [f"{self.derivative(self.name(last.out))} = {gradient_text}", *factors]
        times = "" if last.linear else rf" \odot {self.prime(last)}"
        times_one = "" if last.linear else rf"\,{self.prime_of_one(last)}"
        shape = self.shape("n", last.W.shape[1])
        return Equation(
            "BP1",
            last.name,
            f"{self.name(delta)} = {self.derivative(self.name(last.out))}{times}",
            f"{self.of_sample(delta, 'j')} = {self.derivative(self.of_sample(last.out, 'j'))}{times_one}",
            factors,
            f"{shape} = {shape}" + ("" if last.linear else f" ⊙ {shape}"),
        )

    def second_equation(self, layer: StackLayer, following: StackLayer) -> Equation:
        delta, later = f"d_z{layer.tag}", f"d_z{following.tag}"
        W = self.name(f"W{following.tag}")
        pair = [self.name(later), self.turned(W)]
        sums = r"\,".join(pair[::-1] if self.notation.columns else pair)
        units, more = layer.W.shape[1], following.W.shape[1]
        own, next_one = self.shape("n", units), self.shape("n", more)
        weights = self.shape(more, units)
        product = f"{weights} {next_one}" if self.notation.columns else f"{next_one} {weights}"
        joint = ("k", "j") if self.notation.columns else ("j", "k")
        times = "" if layer.linear else rf" \odot {self.prime(layer)}"
        times_one = "" if layer.linear else rf"\,{self.prime_of_one(layer)}"
        body = f"({sums})" if times else sums
        element = rf"\sum_{{k}} {self.one(f'W{following.tag}', *joint)}\,{self.of_sample(later, 'k')}"
        return Equation(
            "BP2",
            layer.name,
            f"{self.name(delta)} = {body}{times}",
            f"{self.of_sample(delta, 'j')} = {f'({element}){times_one}' if times else element}",
            self.slope(layer),
            f"{own} = {f'({product}) ⊙ {own}' if times else product}",
        )

    def turned(self, name: str) -> str:
        return f"({name})^T" if "^" in name else f"{name}^T"

    def third_equation(self, layer: StackLayer) -> Equation:
        delta, units = f"d_z{layer.tag}", layer.W.shape[1]
        vector = shape_text((units, 1) if self.notation.columns else (units,))
        left = self.derivative(self.name(f"b{layer.tag}"))
        return Equation(
            "BP3",
            layer.name,
            rf"{left} = \sum_{{i}} {self.one(delta, 'i')}",
            rf"{self.derivative(self.one(f'b{layer.tag}', 'j'))} = \sum_{{i}} {self.of_sample(delta, 'j')}",
            [],
            f"{vector} = the sum over the n samples of {self.shape('n', units)}",
        )

    def fourth_equation(self, layer: StackLayer, before: str) -> Equation:
        W, delta = f"W{layer.tag}", f"d_z{layer.tag}"
        inputs, units = layer.W.shape
        a, d = self.name(before), self.name(delta)
        product = rf"{d}\,{self.turned(a)}" if self.notation.columns else rf"{self.turned(a)}\,{d}"
        factors = [self.shape(inputs, "n"), self.shape("n", units)]
        factors = factors[::-1] if self.notation.columns else factors
        joint = ("j", "k") if self.notation.columns else ("k", "j")
        extra, extra_one = "", ""
        if layer.penalty is not None:
            extra = f" + {self.written(layer.penalty, {layer.W: W})}"
            extra_one = f" + ({self.written(layer.penalty, {layer.W: W})})_{{{''.join(joint)}}}"
        element = rf"\sum_{{i}} {self.of_sample(before, 'k')}\,{self.of_sample(delta, 'j')}"
        return Equation(
            "BP4",
            layer.name,
            f"{self.derivative(self.name(W))} = {product}{extra}",
            f"{self.derivative(self.one(W, *joint))} = {element}{extra_one}",
            [],
            f"{self.shape(inputs, units)} = {' '.join(factors)}",
        )

    def chains(self) -> dict[str, str]:
        """For each parameter the product of derivatives from the loss to it."""
        found: dict[str, str] = {}
        for k, layer in enumerate(self.layers):
            names = ["loss"]
            for later in reversed(self.layers[k:]):
                names += [f"z{later.tag}"] if later.linear else [later.out, f"z{later.tag}"]
            for parameter in ("W", "b") if layer.bias else ("W",):
                path = [*names, f"{parameter}{layer.tag}"]
                factors = [
                    rf"\frac{{\partial {self.name(y)}}}{{\partial {self.name(x)}}}" for y, x in pairwise(path)
                ]
                left = self.derivative(self.name(path[-1]))
                found[f"{layer.name}.{parameter}"] = f"{left} = {_TIMES.join(factors)}"
        return found
