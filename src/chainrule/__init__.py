"""The neural-network library you can read.

One graph carries a network's forward pass, loss, backward pass and update; it can be run in NumPy,
printed as Python, compiled, checked, and written as formulas. ``import chainrule as cr``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import ops
from .autodiff.gradient import gradient, value_and_grad
from .control.scan import scan
from .errors import ChainruleError
from .graph.program import Program
from .graph.tensor import Tensor, placeholder, tensor
from .ops import *  # noqa: F403
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .autodiff.check import check_gradients
    from .emit.engine import compile_program as compile
    from .emit.formula import formula, formulas
    from .emit.loop_source import loop_source
    from .emit.numpy_source import numpy_source
    from .nn.layers import Dense
    from .nn.scaling import Rescale, Standardize
    from .optim.rules import SGD, Adam
    from .training.files import load
    from .training.history import History
    from .training.network import Network

_LATER = {  # loaded when first used, so that importing the package stays light
    "Adam": "optim.rules",
    "Dense": "nn.layers",
    "History": "training.history",
    "Network": "training.network",
    "Rescale": "nn.scaling",
    "SGD": "optim.rules",
    "Standardize": "nn.scaling",
    "check_gradients": "autodiff.check",
    "compile": "emit.engine:compile_program",
    "formula": "emit.formula",
    "formulas": "emit.formula",
    "load": "training.files",
    "loop_source": "emit.loop_source",
    "numpy_source": "emit.numpy_source",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    module, _, attribute = _LATER[name].partition(":")
    value = getattr(import_module(f".{module}", __name__), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "Adam",
    "ChainruleError",
    "Dense",
    "History",
    "Network",
    "Program",
    "Rescale",
    "SGD",
    "Standardize",
    "Tensor",
    "check_gradients",
    "compile",
    "formula",
    "formulas",
    "gradient",
    "load",
    "loop_source",
    "numpy_source",
    "placeholder",
    "scan",
    "tensor",
    "value_and_grad",
    *ops.__all__,
]
