"""The neural-network library you can read.

One graph carries a network's forward pass, loss, backward pass and update; it can be run in NumPy,
printed as Python, compiled, checked, and written as formulas. ``import chainrule as cr``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import ops
from .autodiff.forward import jvp
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
    from .ensembles.bagging import Bagging
    from .ensembles.committee import Committee
    from .ensembles.deep import DeepEnsemble
    from .ensembles.ensemble import Ensemble
    from .ensembles.files import load
    from .ensembles.snapshot import SnapshotEnsemble
    from .estimators.classifier import MLPClassifier
    from .estimators.images import ImageAugmenter
    from .estimators.regressor import MLPRegressor
    from .estimators.stopping import CrossValidatedStopping
    from .explain import plots
    from .explain.conventions.comparing import ConventionComparison, compare_conventions
    from .explain.conventions.conventions import Conventions
    from .explain.drawing.graph_drawing import draw_graph
    from .explain.health.watch import Health
    from .explain.ledger.ledger import Ledger
    from .explain.plots.recording import DescentPath, HiddenViews, Histograms
    from .explain.trace.notation import Notation
    from .explain.why.perturbation import compare_perturbation
    from .images.augment import Augment
    from .images.folder import ImageFolder, images_from_folder
    from .model.imbalance import compare_imbalance
    from .model.network import Network
    from .nn import activations, losses
    from .nn import init as inits
    from .nn.dense import Dense
    from .nn.maxout import Maxout
    from .nn.merge import Add, Concatenate, Multiply
    from .nn.regularise import BatchNorm, Dropout, GaussianNoise, LayerNorm
    from .nn.scaling import Pieces, Rescale, Standardize
    from .nn.wiring import Input
    from .optim import schedules
    from .optim.averaging import EMA, SWA
    from .optim.frameworks import framework_optimizer
    from .optim.rules import (
        LBFGS,
        SAM,
        SGD,
        Adagrad,
        Adam,
        AdamW,
        ConjugateGradient,
        DeltaBarDelta,
        LevenbergMarquardt,
        Lion,
        NAdam,
        Quickprop,
        RMSProp,
        Rprop,
        SignSGD,
    )
    from .tables.file_stream import FileStream
    from .training.callbacks import Callback, EarlyStopping
    from .training.checkpoint import Checkpoint
    from .training.history import History
    from .training.modes import compare_modes
    from .training.streams import Stream
    from .training.tracking.lines import CSVLogger, JSONLinesLogger
    from .training.tracking.mlflow import MLflow
    from .training.tracking.tensorboard import TensorBoard

_LATER = {  # loaded when first used, so that importing the package stays light; room:name, or a room itself
    "Adagrad": "optim.rules:Adagrad",
    "Adam": "optim.rules:Adam",
    "AdamW": "optim.rules:AdamW",
    "Add": "nn.merge:Add",
    "Augment": "images.augment:Augment",
    "Bagging": "ensembles.bagging:Bagging",
    "BatchNorm": "nn.regularise:BatchNorm",
    "CSVLogger": "training.tracking.lines:CSVLogger",
    "Callback": "training.callbacks:Callback",
    "Checkpoint": "training.checkpoint:Checkpoint",
    "Committee": "ensembles.committee:Committee",
    "Concatenate": "nn.merge:Concatenate",
    "ConjugateGradient": "optim.rules:ConjugateGradient",
    "ConventionComparison": "explain.conventions.comparing:ConventionComparison",
    "Conventions": "explain.conventions.conventions:Conventions",
    "CrossValidatedStopping": "estimators.stopping:CrossValidatedStopping",
    "DeltaBarDelta": "optim.rules:DeltaBarDelta",
    "DeepEnsemble": "ensembles.deep:DeepEnsemble",
    "Dense": "nn.dense:Dense",
    "DescentPath": "explain.plots.recording:DescentPath",
    "Dropout": "nn.regularise:Dropout",
    "EMA": "optim.averaging:EMA",
    "EarlyStopping": "training.callbacks:EarlyStopping",
    "Ensemble": "ensembles.ensemble:Ensemble",
    "FileStream": "tables.file_stream:FileStream",
    "GaussianNoise": "nn.regularise:GaussianNoise",
    "HiddenViews": "explain.plots.recording:HiddenViews",
    "Histograms": "explain.plots.recording:Histograms",
    "Health": "explain.health.watch:Health",
    "History": "training.history:History",
    "ImageAugmenter": "estimators.images:ImageAugmenter",
    "ImageFolder": "images.folder:ImageFolder",
    "Input": "nn.wiring:Input",
    "JSONLinesLogger": "training.tracking.lines:JSONLinesLogger",
    "LBFGS": "optim.rules:LBFGS",
    "LayerNorm": "nn.regularise:LayerNorm",
    "Ledger": "explain.ledger.ledger:Ledger",
    "LevenbergMarquardt": "optim.rules:LevenbergMarquardt",
    "Lion": "optim.rules:Lion",
    "Maxout": "nn.maxout:Maxout",
    "Multiply": "nn.merge:Multiply",
    "MLflow": "training.tracking.mlflow:MLflow",
    "MLPClassifier": "estimators.classifier:MLPClassifier",
    "MLPRegressor": "estimators.regressor:MLPRegressor",
    "NAdam": "optim.rules:NAdam",
    "Network": "model.network:Network",
    "Notation": "explain.trace.notation:Notation",
    "Pieces": "nn.scaling:Pieces",
    "Quickprop": "optim.rules:Quickprop",
    "RMSProp": "optim.rules:RMSProp",
    "Rescale": "nn.scaling:Rescale",
    "Rprop": "optim.rules:Rprop",
    "SAM": "optim.rules:SAM",
    "SGD": "optim.rules:SGD",
    "SignSGD": "optim.rules:SignSGD",
    "SnapshotEnsemble": "ensembles.snapshot:SnapshotEnsemble",
    "SWA": "optim.averaging:SWA",
    "Standardize": "nn.scaling:Standardize",
    "Stream": "training.streams:Stream",
    "TensorBoard": "training.tracking.tensorboard:TensorBoard",
    "activations": "nn.activations",
    "check_gradients": "autodiff.check:check_gradients",
    "compare_conventions": "explain.conventions.comparing:compare_conventions",
    "compare_imbalance": "model.imbalance:compare_imbalance",
    "compare_modes": "training.modes:compare_modes",
    "compare_perturbation": "explain.why.perturbation:compare_perturbation",
    "compile": "emit.engine:compile_program",
    "draw_graph": "explain.drawing.graph_drawing:draw_graph",
    "formula": "emit.formula:formula",
    "formulas": "emit.formula:formulas",
    "framework_optimizer": "optim.frameworks:framework_optimizer",
    "images_from_folder": "images.folder:images_from_folder",
    "inits": "nn.init",
    "load": "ensembles.files:load",
    "loop_source": "emit.loop_source:loop_source",
    "losses": "nn.losses",
    "numpy_source": "emit.numpy_source:numpy_source",
    "plots": "explain.plots",
    "schedules": "optim.schedules",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    room, _, own = _LATER[name].partition(":")
    module = import_module(f".{room}", __name__)
    value = getattr(module, own) if own else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "Adagrad",
    "Adam",
    "AdamW",
    "Add",
    "Augment",
    "Bagging",
    "BatchNorm",
    "CSVLogger",
    "Callback",
    "ChainruleError",
    "Checkpoint",
    "Committee",
    "Concatenate",
    "ConjugateGradient",
    "ConventionComparison",
    "Conventions",
    "CrossValidatedStopping",
    "DeltaBarDelta",
    "DeepEnsemble",
    "Dense",
    "DescentPath",
    "Dropout",
    "EMA",
    "EarlyStopping",
    "Ensemble",
    "FileStream",
    "GaussianNoise",
    "HiddenViews",
    "Histograms",
    "Health",
    "History",
    "ImageAugmenter",
    "ImageFolder",
    "Input",
    "JSONLinesLogger",
    "LBFGS",
    "LayerNorm",
    "Ledger",
    "LevenbergMarquardt",
    "Lion",
    "Maxout",
    "Multiply",
    "MLflow",
    "MLPClassifier",
    "MLPRegressor",
    "NAdam",
    "Network",
    "Notation",
    "Pieces",
    "Program",
    "Quickprop",
    "RMSProp",
    "Rescale",
    "Rprop",
    "SAM",
    "SGD",
    "SignSGD",
    "SnapshotEnsemble",
    "SWA",
    "Standardize",
    "Stream",
    "Tensor",
    "TensorBoard",
    "activations",
    "check_gradients",
    "compare_conventions",
    "compare_imbalance",
    "compare_modes",
    "compare_perturbation",
    "compile",
    "draw_graph",
    "formula",
    "formulas",
    "framework_optimizer",
    "gradient",
    "images_from_folder",
    "inits",
    "jvp",
    "load",
    "loop_source",
    "losses",
    "numpy_source",
    "placeholder",
    "plots",
    "scan",
    "schedules",
    "tensor",
    "value_and_grad",
    *ops.__all__,
]
