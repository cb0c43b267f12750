"""The neural-network library you can read."""
from .autodiff.gradient import gradient, value_and_grad
from .graph.evaluate import evaluate
from .graph.program import Program
from .graph.tensor import Tensor, constant, placeholder, tensor
from .ops import *
