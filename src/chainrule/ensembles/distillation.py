"""Distillation: a small network learns what an ensemble says, which tells more than labels do.

The student is trained within a network that has its logits divided by the temperature as a further output,
on which it is to meet the ensemble's probabilities: so it is graph like any other training.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..checks import counted, real_number
from ..errors import ParameterError
from ..model.network import Network
from ..nn.losses import BinaryCrossEntropy, KLDivergence, Loss
from ..nn.scaling import Rescale
from ..nn.wiring import nodes_of
from ..training.data import Coding
from ..training.history import History
from .agreement import ANSWERS, CLASSES, VALUES
from .combining import Combined
from .training import require_table

Array = np.ndarray[Any, Any]
TEMPERATURE = 2.0
REFUSED = {
    "metrics": "the student learns probabilities, not labels",
    "class_weight": "the student learns probabilities, not labels",
    "sampling": "the student learns probabilities, not labels",
    "go_on": "a distillation is a training of its own",
    "record": "the student is trained within another network",
}


def distill(
    ensemble: Combined,
    student: Network,
    X: Any,
    y: Any,
    temperature: float | None,
    hard: float,
    settings: Mapping[str, Any],
) -> tuple[Network, History]:
    """The trained student and its history; see `Ensemble.distill`."""
    if not isinstance(student, Network):
        raise ParameterError(f"distill: student must be a Network, got {student!r:.60}.")
    teacher = Teacher(ensemble, temperature, hard)
    if (y is None) == bool(teacher.hard):
        raise ParameterError(
            f"distill: hard={teacher.hard:g} is the share that the labels have, and there are none. Pass y."
            if y is None
            else "distill: y would not be used with hard=0. Pass hard=0.1, say, or leave y out."
        )
    for name, why in REFUSED.items():
        if settings.get(name):
            raise ParameterError(f"distill: {name} cannot be passed: {why}. Leave it out.")
    given = dict(settings)
    held = given.pop("validation_data", None)
    if held is not None and (not isinstance(held, tuple | list) or len(held) != 2):
        raise ParameterError("distill: validation_data must be a pair (X, y).")
    require_table("distill", X)
    learned = copy.deepcopy(student)
    sizes = [table.shape[1] for table in learned._tables(X)]
    teacher.require_student(learned, sizes)
    trainee = teacher.around(learned, sizes)
    if held is not None:
        given["validation_data"] = (held[0], teacher.targets(*held))
    history = trainee.fit(X, teacher.targets(X, y), **given)
    learned._learn_sizes(sizes, "fit")
    learned._fill(0)
    for own, trained in zip(learned.layers, trainee.layers, strict=False):  # what is further is the teacher's
        for parameter, value in trained.values.items():
            own.set(parameter, value, learned.dtype)
    learned._codings, learned.optimizer = list(ensemble._codings), trainee.optimizer
    if teacher.kind == CLASSES and learned._codings:
        learned._codings = [replace(learned._codings[0], threshold=teacher.threshold)]
    learned._compiled = history.engine == "numba"
    return learned, history


class Teacher:
    """An ensemble as what a student learns from.

    Parameters
    ----------
    ensemble : Combined
    temperature : float or None
    hard : float
        The share of the labels.
    """

    def __init__(self, ensemble: Combined, temperature: float | None, hard: float) -> None:
        self.ensemble, self.kind, self.binary = ensemble, ensemble._kind, False
        self.hard = real_number(hard, "distill: hard", 0, 1)
        if self.kind == VALUES:
            if temperature is not None:
                raise ParameterError(
                    "distill: temperature is for probabilities, and the ensemble predicts values. "
                    "Leave it out."
                )
        else:
            ensemble._require_probabilities("distill")
        self.threshold = ensemble._threshold if self.kind == CLASSES else None
        given = TEMPERATURE if temperature is None else temperature
        self.temperature = real_number(given, "distill: temperature", 0, np.inf, low_too=False)

    def require_student(self, student: Network, inputs: list[int]) -> None:
        """Raise ParameterError for a network that cannot say what the ensemble says."""
        widths, loss = student._outputs_for(inputs), student._losses[0]
        self.binary = loss.target == "binary"
        classes, own = len(self.ensemble._labels), self.ensemble.widths
        fits = {
            VALUES: loss.target == "values" and widths == own,
            ANSWERS: loss.target == "binary" and loss.probabilities and widths == own,
            CLASSES: loss.probabilities
            and ((loss.target == "classes" and widths == [classes])
                 or (loss.target == "binary" and widths == [1] and classes == 2)),
        }  # fmt: skip
        if not fits[self.kind]:
            what = {
                VALUES: f"{counted(own[0], 'output')} and a loss for values, such as mse",
                ANSWERS: f"{counted(own[0], 'output')} and the loss binary_cross_entropy",
                CLASSES: f"{counted(classes, 'output')} and a loss that gives probabilities, such as "
                "cross_entropy",
            }[self.kind]
            has = ", ".join(map(str, widths))
            raise ParameterError(
                f"distill: the student needs {what}; it has {has} and {student.loss}. Pass such a network."
            )

    def around(self, student: Network, inputs: list[int]) -> Network:
        """The network that is trained: the student with an output that is to meet what the ensemble says."""
        if self.kind == VALUES and not self.hard:
            return copy.deepcopy(student)
        loss = student._losses[0]
        columns = student._outputs_for(inputs)[0]
        share = 1.0 if self.kind == VALUES else 1 / self.temperature
        (logits,) = nodes_of(student._wiring)
        soft = Rescale(np.zeros(columns), np.full(columns, share), name="softened")(logits)
        # the slopes of softened logits are smaller by the temperature's square (Hinton et al., section 2)
        weight = (1 - self.hard) / share**2
        if not self.hard:
            single = self._soft_loss(loss), student.dtype.name, [weight], student.penalties, student.mixup
            return Network(soft, *single)
        pair, weights = [self._soft_loss(loss), loss], [weight, self.hard]
        made = Network([soft, logits], pair, student.dtype.name, weights, student.penalties, student.mixup)
        if self.ensemble._codings:
            made._codings = [Coding(None, True), *self.ensemble._codings]
        return made

    def _soft_loss(self, loss: Loss) -> Loss:
        if self.kind == VALUES:
            return loss
        return BinaryCrossEntropy() if self.binary else KLDivergence()

    def targets(self, X: Any, y: Any) -> Any:
        """What the student is to say, and where labels count too these."""
        return [self._said(X), y] if self.hard else self._said(X)

    def _said(self, X: Any) -> Array:
        if self.kind == VALUES:
            return self.ensemble._mean(self.ensemble.predict_members(X))
        p = np.exp(self.ensemble._log_mixture(X, self.temperature))
        if self.kind == ANSWERS:
            return p[..., 1]
        return p[:, 1:] if self.binary else p
