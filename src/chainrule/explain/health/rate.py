"""Whether the learning rate suits: what steps do to the loss, beside what its slope foretells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...checks import counted
from ...graph.evaluate import interpret
from ...graph.tensor import Tensor
from ...nn.init import Purpose
from ...training.metrics import MeasuredNetwork
from .certainty import interval
from .findings import Finding
from .probe import Probe

Array = np.ndarray[Any, Any]

LEARNED = 0.5
"""A network whose loss is below this share of that of the best constant answer was trained with a rate that
served. Where what the rule remembered is not known any more, steps from there are no evidence: with little
gradient left, rules that scale each weight's step make it far too long without their memory."""
STEPS = 16
"""Steps that are tried, each from the weights of now: if all of 16 overshoot, with 95 % certainty at least 81
% do."""
WARM = 32
"""Steps that a rule without memory sees before, its weights standing still: means over 10 gradients (Adam's
m) and the bias-corrected mean of squares have then settled."""
OVERSHOT = 0.5
"""The share of steps that must surely raise the loss of their own rows."""
RISE = 0.02
"""And by how much on average, as a share of the loss of the best constant answer: 50 such steps undo all that
there is to be learned. Good trainings that swing around a minimum stay below 0.2 %."""
PACE = 3e-5
"""A step that lowers the loss by less than this share of it needs 300 steps for a hundredth. With what a
longer one must gain, below, that one is about a thousand times as long or more."""
WORTH = 0.05
"""What one longer step must gain, as a share of that loss: where the network has learned what it can, none
does."""
LONGER = tuple(10.0**k for k in range(1, 7))
STRAIGHT = (0.5, 2.0)
"""How much of what its slope foretells a longer step must gain, to lie on a straight line: less is beyond the
bottom, more is down from a plateau, where a training waits with a rate that suits it."""
SWINGS = 0.1
"""The mean change of the loss from epoch to epoch, as a share of that of a constant answer, that is no noise
any more."""
SERVED = 0.1
"""A training that ends below this share of the loss of a constant answer was served by its rate in the
end."""
PEAK = 3.0
"""How far an epoch's mean loss may lie above both what it was before the first step and that of a constant
answer: warming up, good trainings stay below both."""
EPOCHS = 6  # of which the course of a loss can be told


@dataclass(frozen=True)
class Trial:
    """What steps with the present learning rate do, from the weights of now.

    Attributes
    ----------
    rate : float
    scale : float
        The loss of the best constant answer.
    predicted, actual : ndarray, shape (steps,)
        The change of each step's own loss: by its slope, and as it is.
    pace : float
        The mean step's predicted change of the loss of all rows, as a share of `scale`; negative is down.
    longest : float
        The longest multiple of that step that gains at least half of what the slope foretells.
    gain : float
        What it gains, as a share of `scale`.
    known : bool
        Whether the steps are those that the training would take.
    """

    rate: float
    scale: float
    predicted: Array
    actual: Array
    pace: float
    longest: float
    gain: float
    known: bool

    @property
    def overshot(self) -> int:
        """Steps that go down by their slope and up in fact."""
        return int(((self.predicted < 0) & ~(self.actual <= 0)).sum())


def try_steps(network: MeasuredNetwork, probe: Probe, batch_size: int, warm: bool, seed: int) -> Trial:
    """Try steps on drawn batches; the network stays as it is.

    Parameters
    ----------
    network : MeasuredNetwork
    probe : Probe
        Of a step on the rows that batches are drawn from.
    batch_size : int
    warm : bool
        Whether the rule first sees some batches, to remember what it would after a training.
    seed : int
        Of the batches.
    """
    g = network.graph
    tables = [*g.xs, *g.ts]
    rows = len(probe.feed[tables[0]])
    draw = np.random.Generator(np.random.Philox(key=np.array([seed, int(Purpose.SHUFFLE)], np.uint64)))
    memory: dict[Tensor, Array] = {}

    def batch() -> dict[Tensor, Array]:
        chosen = draw.permutation(rows)[:batch_size]
        return {**{x: probe.feed[x][chosen] for x in tables}, **memory}

    for _ in range(WARM if warm and probe.memory else 0):
        memory = probe.remembered(probe(batch()))
    predicted, actual = np.empty(STEPS), np.empty(STEPS)
    mean = [np.zeros(probe.feed[leaf].shape) for leaf in probe.leaves]
    for i in range(STEPS):
        own = batch()
        found = probe(own)
        moves = probe.moves(found)
        predicted[i] = probe.foretold(found, moves)
        actual[i] = probe.loss_at(own | probe.moved(found, moves)) - float(found[probe.loss])
        mean = [total + move / STEPS for total, move in zip(mean, moves, strict=True)]
        memory = probe.remembered(found) if warm else memory
    found = probe(memory)
    start, slope = float(found[probe.loss]), probe.foretold(found, mean)
    longest, gain = 1.0, -slope
    for times in LONGER:
        change = probe.loss_at(memory | probe.moved(found, mean, times)) - start
        if not STRAIGHT[1] * times * slope <= change <= STRAIGHT[0] * times * slope:
            break
        longest, gain = times, -change
    scale = constant_loss(network, probe.feed)
    known = not (warm and probe.memory) or start > LEARNED * scale
    own_scale = scale * _share(network, batch_size, rows)
    shares = predicted / own_scale, actual / own_scale
    return Trial(float(probe.feed[g.lr]), scale, *shares, slope / scale, longest, gain / scale, known)


def _share(network: MeasuredNetwork, batch_size: int, rows: int) -> float:
    """What part of the whole loss a batch's is: of a sum over rows, that of its rows."""
    return min(1.0, batch_size / rows) if all(loss.over == "sum" for loss in network._losses) else 1.0


def constant_loss(network: MeasuredNetwork, feed: Mapping[Tensor, Array]) -> float:
    """The loss of answering each row alike: with the classes' shares, the targets' means, or zeros; above
    0."""
    g = network.graph
    ts = {t: feed[t] for t in g.ts}
    outputs = [
        _constant(loss.target, z, ts[t]) for loss, z, t in zip(network._losses, g.outputs, g.ts, strict=True)
    ]
    answers = [outputs, [np.zeros_like(z) for z in outputs]]
    losses = [
        float(interpret([g.loss], {**dict(zip(g.outputs, own, strict=True)), **ts})[0]) for own in answers
    ]
    return max(1e-300, min(x for x in [*losses, math.inf] if x == x))


def _constant(target: str, z: Tensor, t: Array) -> Array:
    columns = z.shape[1]
    assert isinstance(columns, int)  # only rows are counted by a name
    if target == "classes":
        row = np.log(np.maximum(np.bincount(t, minlength=columns)[:columns], 0.5) / len(t))
    elif target == "binary":
        share = np.clip(t.mean(axis=0), 0.5 / len(t), 1 - 0.5 / len(t))
        row = np.log(share / (1 - share))
    else:
        row = t.mean(axis=0)
    return np.tile(row.astype(z.dtype), (len(t), 1))


def rate_findings(trial: Trial, losses: Sequence[float]) -> list[Finding]:
    """What is wrong with the learning rate, from trial steps and, where there is one, the course of the
    loss."""
    rise, hits, count = float(trial.actual.mean()), trial.overshot, len(trial.actual)
    low, high = interval(hits, count)
    if trial.known and low > OVERSHOT and not rise < RISE:
        seen = (
            f"of {counted(count, 'step')} of rate {trial.rate:g} tried from here, {hits} raise the loss of "
            f"their own rows: by the slope they would change it by {trial.predicted.mean():+.2%} of the loss "
            f"of a constant answer, in fact they do by {rise:+.2%}."
        )
        sure = f"with 95% certainty {low:.0%} to {high:.0%} of such steps go too far."
        numbers = {"rate": trial.rate, "overshot": hits, "steps": count, "actual": rise}
        return [Finding("rate_too_large", "", seen, sure, {**numbers, "predicted": trial.predicted.mean()})]
    if 0 > trial.pace > -PACE and trial.gain > WORTH:
        seen = (
            f"a step of rate {trial.rate:g} lowers the loss by {-trial.pace:.1e} of that of a constant "
            f"answer; one {trial.longest:,.0f} times as long lowers it by {trial.gain:.1%} at once."
        )
        sure = (
            "that longer step was tried, on all rows looked at: it gains "
            f"{trial.gain / -trial.pace / trial.longest:.0%} of what the slope foretells for it"
        )
        straight = straightness(losses)
        sure += (
            "." if straight is None else f"; a straight line explains {straight:.1%} of the loss's course."
        )
        numbers = {"rate": trial.rate, "pace": -trial.pace, "longest": trial.longest, "gain": trial.gain}
        return [Finding("rate_too_small", "", seen, sure, numbers)]
    return []


def straightness(losses: Sequence[float]) -> float | None:
    """The share of a loss's variance that a straight line over the epochs explains; None for too few."""
    if len(losses) < EPOCHS or np.ptp(losses) == 0:
        return None
    return float(np.corrcoef(np.arange(len(losses)), losses)[0, 1] ** 2)


def course_findings(
    losses: Sequence[float], rates: Sequence[float], scale: float, start: float | None = None
) -> list[Finding]:
    """What the course of the loss tells of the learning rate: that it swings, or rises.

    Parameters
    ----------
    losses : sequence of float
        Of each epoch.
    rates : sequence of float
        Of each epoch; empty for an optimiser without.
    scale : float
        The loss of the best constant answer.
    start : float, optional
        The loss before the first step.
    """
    if len(losses) < EPOCHS or not np.isfinite(losses).all() or not rates:
        return []
    course = np.array(losses)
    change = np.diff(course)
    half = change[len(change) // 2 :]
    rises, swing = int((half > 0).sum()), float(np.abs(half).mean())
    low, high = interval(rises, len(half))
    sure = (
        f"of such epochs, with 95% certainty, {low:.0%} to {high:.0%} raise the loss; the rate was "
        f"{max(rates):g} at most."
    )
    numbers = {"swing": swing, "rises": rises, "epochs": len(course), "last": course[-1], "constant": scale}
    before = -math.inf if start is None else start
    if swing > SWINGS * scale and low < 0.5 < high and abs(half.sum()) < np.abs(half).sum() / 2:
        seen = (
            f"in the last {counted(len(half), 'epoch')} the loss rises {rises} times and changes by "
            f"{swing:.3g} an epoch, {swing / scale:.0%} of the loss of a constant answer: it swings."
        )
    elif course[-1] > scale and rises and change.max() > max(scale, course.min()):
        seen = (
            f"the loss ends at {course[-1]:.4g}, where a constant answer has {scale:.4g}, after it rose by "
            f"{change.max():.3g} in one epoch."
        )
    elif start is not None and course[-1] > SERVED * scale and course.max() > PEAK * max(scale, before):
        seen = (
            f"the loss rose from {start:.4g} before the first step to {course.max():.4g}, the mean of epoch "
            f"{int(course.argmax()) + 1}; a constant answer has {scale:.4g}."
        )
    else:
        return []
    return [Finding("rate_too_large", "", seen, sure, numbers)]
