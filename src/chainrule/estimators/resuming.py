"""Estimators' fits that are kept on disk, and go on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..model.network import Network
from ..model.thresholds import name_of
from ..optim.rules import Optimizer
from ..training.fitting import Rows
from ..training.plan import Plan
from ..training.resume import Saved, identity_of, require_same, saved_fit, the_checkpoint
from ..training.supply import told_transform
from .watching import Held

Array = np.ndarray[Any, Any]


def check_resume(estimator: Any, incremental: bool) -> None:
    """Raise ParameterError where `resume` cannot be followed."""
    e, kind = estimator, type(estimator).__name__
    if not e.resume:
        return
    if incremental:
        raise ParameterError("partial_fit: goes on from the last call by itself. Set resume=False.")
    if e.warm_start:
        raise ParameterError(
            f"{kind}: warm_start and resume both say where training begins. Set one of them to False."
        )
    if not isinstance(e.random_state, Integral):
        raise ParameterError(
            f"{kind}: resume needs the same random numbers as before: random_state must be a number, got "
            f"{e.random_state!r:.60}."
        )


def resumed(
    estimator: Any,
    network: Network,
    rule: Optimizer,
    plan: Plan,
    rows: Rows,
    held: Held | None,
    callbacks: Sequence[Any],
) -> tuple[Mapping[str, Any], Saved | None]:
    """What a checkpoint is to say of this fit, and the one that it goes on from, whose weights are taken.

    Raises
    ------
    ParameterError
        If it is to resume and there is no Checkpoint among the callbacks, or the solver cannot.
    CheckpointError
        If the checkpoint is of another fit, with the differences.
    """
    checkpoint = the_checkpoint(callbacks, rule, estimator.resume, go_on=False, recorded=False)
    if checkpoint is None:
        return {}, None
    tables: dict[str, Any] = {"X": rows.tables, "y": rows.ts, "weights": [rows.weights]}
    if held is not None:
        tables |= {"validation X": [held.X], "validation y": [held.t]}
    identity = identity_of(network, rule, plan, tables, callbacks, rows.codings)
    identity["transform"] = None if estimator.augment is None else told_transform(estimator.augment)
    score = estimator.scoring
    identity["scoring"] = score if score is None or isinstance(score, str) else name_of(score)
    saved = saved_fit(checkpoint) if estimator.resume else None
    if saved is not None:
        require_same(saved, identity)
        network._take(saved.weights)
    return identity, saved
