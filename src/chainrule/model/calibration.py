"""Probabilities that come true: a scale, and shifts if wanted, put into a trained network's last layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff.gradient import value_and_grad
from ..checks import counted
from ..errors import DataError, NotFittedError, ParameterError, unknown_name
from ..nn.class_losses import BinaryCrossEntropy, CrossEntropy
from ..nn.dense import Dense
from ..ops import exp

if TYPE_CHECKING:
    from .deciding import DecidingNetwork

Array = np.ndarray[Any, Any]
METHODS = ("temperature", "bias_corrected")
MOST = 100.0  # that logits are scaled by, up or down: beyond, the rows do not say by how much
CERTAIN = 1e-6  # nats: with a smaller loss no row is mistaken, and any larger scale would be better still


@dataclass(frozen=True)
class Calibration:
    """What was put into a network's last layer, and what it did on the rows that it was found on.

    Attributes
    ----------
    method : str
    temperature : float
        What logits are divided by.
    shifts : list of float
        What is then added to them; empty for method "temperature".
    rows : int
    log_loss, brier : (float, float)
        scikit-learn's, before and after; the log loss in nats.
    """

    method: str
    temperature: float
    shifts: list[float]
    rows: int
    log_loss: tuple[float, float]
    brier: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "method": self.method,
            "temperature": self.temperature,
            "shifts": self.shifts,
            "rows": self.rows,
            "log_loss": list(self.log_loss),
            "brier": list(self.brier),
        }

    def __str__(self) -> str:
        shifts = ", ".join(f"{shift:+.4g}" for shift in self.shifts)
        lines = [f"temperature {self.temperature:.4g}{f', shifts {shifts}' if shifts else ''}"]
        for name, (before, after) in (("log loss", self.log_loss), ("Brier score", self.brier)):
            lines.append(f"{name:<11} {before:.4f} before, {after:.4f} after")
        return "\n".join([*lines, f"on the {counted(self.rows, 'row')} that it was found on"])


def calibrate(network: DecidingNetwork, X: Any, y: Any, method: str = "temperature") -> Calibration:
    """See `Network.calibrate`."""
    if method not in METHODS:
        raise unknown_name("calibrate: method", method, METHODS)
    name = _last_layer(network, method)
    tables = network._tables(X)
    ts, _ = network._targets(y, tables, network._codings)
    (z,) = network._outputs_of_rows(tables, "z")
    places = ts[0].reshape(len(z)).astype(np.int64)
    classes = len(network.classes)
    if method == "bias_corrected" and len(np.unique(places)) < classes:
        missing = network.classes[np.setdiff1d(np.arange(classes), places)[0]]
        raise DataError(
            f"calibrate: no row is of class {missing.item()!r}, so that its shift is not known. Pass rows of "
            "every class, or method='temperature'."
        )
    before = _errors(network, X, places)
    scale, shifts = _fitted(z.astype(np.float64), places, method)
    weights = network.parameters
    changed = {f"{name}.W": weights[f"{name}.W"] * scale}
    if f"{name}.b" in weights:
        changed[f"{name}.b"] = weights[f"{name}.b"] * scale + shifts
    from scipy.special import expit

    threshold = network.threshold
    network.set_parameters(changed)
    if threshold is not None:  # it moves along, so that all decisions stay
        shift = shifts[-1] - (shifts[0] if len(shifts) > 1 else 0.0)
        logit = scale * math.log(threshold / (1 - threshold)) + shift
        moved = np.clip(expit(logit), np.finfo(np.float64).tiny, np.nextafter(1, 0))  # not quite 0 or 1
        network._codings = [replace(network._codings[0], threshold=float(moved))]
    after = _errors(network, X, places)
    return Calibration(
        method,
        1 / scale,
        shifts.tolist() if method == "bias_corrected" else [],
        len(places),
        (before[0], after[0]),
        (before[1], after[1]),
    )


def _last_layer(network: DecidingNetwork, method: str) -> str:
    """The name of the layer that the logits come from; raises where nothing can be put into it."""
    if not network.built or not network._codings:
        raise NotFittedError("calibrate: the network was not fitted yet. Call fit first.")
    network._refuse_several("calibrate")
    loss = network._losses[0]
    if network.classes is None or not loss.probabilities:
        raise ParameterError(
            f"calibrate: is for probabilities of classes, and loss {loss.name!r} gives none here."
        )
    value = network._wiring.outputs[0]
    calls = network._wiring.calls
    place = calls[value - len(network._wiring.inputs)].layer
    layer, name = network.layers[place], network.names[place]
    alone = sum(c.layer == place for c in calls) == 1 and not any(value in c.sources for c in calls)
    if not (isinstance(layer, Dense) and layer.activation == "linear" and alone):
        raise ParameterError(
            f"calibrate: the last layer must be a linear Dense that nothing else uses, got {layer!r:.60}. "
            "End the network in one, Dense(2)."
        )
    if method == "bias_corrected" and f"{name}.b" not in network.parameters:
        raise ParameterError(
            f"calibrate: method 'bias_corrected' shifts the biases, and layer {name} has none. Pass "
            "method='temperature'."
        )
    return name


def _fitted(z: Array, places: Array, method: str) -> tuple[float, Array]:
    """The scale and the shifts of logits that make their cross-entropy least."""
    from scipy.optimize import minimize

    single = z.shape[1] == 1
    loss = BinaryCrossEntropy() if single else CrossEntropy()
    t = places[:, None].astype(np.float64) if single else places
    free = z.shape[1] if method == "bias_corrected" else 0
    slopes = value_and_grad(lambda a, c: loss(exp(a) * z + c, t), (0, 1))

    def function(vector: Array) -> tuple[float, Array]:
        shifts = vector[1:] if free else np.zeros(z.shape[1])
        value, (by_scale, by_shift) = slopes(vector[0], shifts)
        parts = [by_scale.numpy().reshape(1), by_shift.numpy() if free else np.zeros(0)]
        return float(value), np.concatenate(parts)

    bound = math.log(MOST)
    found = minimize(
        function,
        np.zeros(1 + free),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-bound, bound), *[(None, None)] * free],
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )
    if found.fun < CERTAIN or abs(found.x[0]) >= bound - 1e-6:
        better = found.fun < CERTAIN or found.x[0] > 0
        why = "are told apart without a mistake" if better else "are not told apart better than by chance"
        raise DataError(
            f"calibrate: the {counted(len(z), 'row')} {why}, so that no temperature is best. Pass more rows, "
            "none of them trained on."
        )
    return math.exp(found.x[0]), np.array(found.x[1:]) if free else np.zeros(z.shape[1])


def _errors(network: DecidingNetwork, X: Any, places: Array) -> tuple[float, float]:
    """Log loss and Brier score, by scikit-learn."""
    from sklearn.metrics import brier_score_loss, log_loss

    p = network.predict_proba(X).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    settings = {"labels": np.arange(p.shape[1])}
    return float(log_loss(places, p, **settings)), float(brier_score_loss(places, p, **settings))
