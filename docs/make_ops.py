"""Write docs/ops.md from the records: python docs/make_ops.py"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.autodiff.check import rule_cases
from chainrule.emit.formula import formula
from chainrule.emit.simplify import simplify
from chainrule.graph.op import OPS, Kind, Op
from chainrule.graph.tensor import Tensor, apply_record, tensor

PAGE = Path(__file__).with_name("ops.md")

HEAD = """\
# The ops

This page is made from the records in `src/chainrule/ops/` and `src/chainrule/control/` by
`python docs/make_ops.py`; a test checks that it is up to date. An op is one record: its shape, its NumPy
expression, its loop, its formula and its derivative stand in one place, and every engine, formula and test is
derived from them.

- **Called** is how the op is reached from Python, with `import chainrule as cr`.
- **NumPy** is the expression in printed source, without `np.`; `logistic`, `softplus`, `gelu`, `logsumexp`,
  `softmax`, `one_hot`, `scatter_add`, `place` and `uniform` are short functions that printed source brings
  along.
- **Derivative** is what the chain rule makes of the record, simplified: the gradient by each operand, where
  `g` is the gradient by the result, and `y` the result itself (`out`, where `y` is an operand). The sums over
  axes that were repeated are left out: that is done in one place for all ops.
- Where shapes appear, they are those of an example with an operand of shape (3, 4).
- **Complex step** says how the derivative is checked: by a complex step, to 1e-10, or by five-point
  differences, to 1e-7.
"""

TITLES = {
    Kind.SOURCE: "Sources: values from outside",
    Kind.MAP: "Maps: element by element, with broadcasting",
    Kind.REDUCE: "Reductions: many elements become one",
    Kind.PRODUCT: "Products",
    Kind.MOVE: "Moves: elements change their place, or are repeated",
    Kind.SCATTER: "Scatters: elements are added up at places that are computed",
    Kind.RANDOM: "Random numbers",
    Kind.CONTROL: "Control: a nested program, run a number of times",
    Kind.ITEM: "Items: one result of an op that has several",
}

CALLS = {  # ops that are no function of the package under their own name
    "constant": "a Python number beside a tensor",
    "item": "a result of `cr.scan`",
    "leaf": "`cr.tensor(...)`, `cr.placeholder(...)`",
    "place": "the gradient of a slice",
    "scatter_add": "the gradient of `take`",
    "size": "a named size, in arithmetic",
    "slice": "`x[1:, None, 2]`",
}
OPERATORS = {
    "add": "x + y", "divide": "x / y", "equal": "x == y", "greater": "x > y", "greater_equal": "x >= y",
    "less": "x < y", "less_equal": "x <= y", "matmul": "x @ y", "multiply": "x * y", "negative": "-x",
    "not_equal": "x != y", "power": "x ** y", "subtract": "x - y", "transpose": "x.T",
}  # fmt: skip
STATED = {
    "one_hot": ({"classes": 10}, [np.array([0, 1, 2])]),
    "random_uniform": ({"shape": (3, 4), "purpose": 0, "dtype": "float64"}, [np.array(0), np.array(0)]),
}


def page() -> str:
    """The whole page."""
    blocks = [HEAD]
    for kind, title in TITLES.items():
        rows = [_row(record) for record in OPS.values() if record.kind is kind]
        heads = ("op", "called", "NumPy", "formula", "derivative", "complex step", "note")
        lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        blocks.append("\n".join([f"## {title}", "", *lines, *rows, ""]))
    return "\n".join(blocks)


def _row(record: Op) -> str:
    numpy = latex = slopes = ""
    if record.kind not in (Kind.SOURCE, Kind.CONTROL, Kind.ITEM):
        y = _example(record)
        numpy, latex = f"`{formula(y)}`", f"$`{formula(y, 'latex')}`$"
        slopes = "; ".join(f"{name}: `{slope}`" for name, slope in _slopes(record, y)) or "none"
    checked = "" if slopes in ("", "none") else "yes" if record.analytic else "no"
    cells = [f"`{record.name}`", _called(record.name), numpy, latex, slopes, checked, record.note]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _called(name: str) -> str:
    if name in CALLS:
        return CALLS[name]
    operator = f"`{OPERATORS[name]}`, " if name in OPERATORS else ""
    return f"{operator}`cr.{name}`"


def _example(record: Op) -> Tensor:
    attrs, arrays = STATED.get(record.name) or rule_cases(record)[0]
    names = record.inputs if len(record.inputs) == len(arrays) else [f"x{i + 1}" for i in range(len(arrays))]
    return apply_record(record, [tensor(a, name=n) for a, n in zip(arrays, names, strict=True)], attrs)


def _slopes(record: Op, y: Tensor) -> list[tuple[str, str]]:
    """The gradient by each operand, as text."""
    if record.vjp is None or record.kind is Kind.RANDOM:
        return []
    g = cr.placeholder(y.shape, "float64", "g")
    parts = record.vjp(g, y, *y.inputs, **y.attrs)
    y.name = "out" if "y" in record.inputs else "y"
    return [
        (f"d_{x.name}", formula(simplify([part])[0]))
        for x, part in zip(y.inputs, parts, strict=True)
        if part is not None
    ]


def main() -> None:
    """Write the page, or with --check say whether it is up to date."""
    text = page()
    if "--check" in sys.argv[1:]:
        sys.exit(
            0 if PAGE.read_text(encoding="utf-8") == text else f"{PAGE} is out of date: run {sys.argv[0]}"
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
