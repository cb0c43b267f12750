"""What each tool for classes of unequal size does to one network, class by class, side by side."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import ParameterError, unknown_name
from ..nn.class_losses import CrossEntropy, Focal
from ..training.loop import tell
from ..training.resampling import WAYS, need_imblearn, resample
from ..training.sparse import is_sparse

if TYPE_CHECKING:
    from .network import Network

Array = np.ndarray[Any, Any]
Pair = tuple[Any, Any]
TOOLS = ("plain", "class_weight", "sampling", *WAYS, "focal", "threshold", "calibrated")
HELD = ("threshold", "calibrated")  # that are found on rows held apart
SET_BY_IT = ("class_weight", "sampling", "validation_data", "go_on", "resume", "record")
NAMES, MEASURES = 14, ("balanced_accuracy", "average_precision", "log_loss", "brier")


@dataclass(frozen=True)
class ToolResult:
    """A network that was trained with one tool, on the rows to test with.

    Attributes
    ----------
    tool : str
    recall, precision, f1 : ndarray, shape (classes,)
    balanced_accuracy, average_precision, log_loss, brier : float
        scikit-learn's; the log loss in nats. The average precision is the area under the curve of precision
        over recall, of the rarer of two classes, and of more the mean of all.
    network : Network
    """

    tool: str
    recall: Array
    precision: Array
    f1: Array
    balanced_accuracy: float
    average_precision: float
    log_loss: float
    brier: float
    network: Network


@dataclass(frozen=True)
class ImbalanceComparison:
    """Tools side by side; printed, a table for each class and one of them all.

    Attributes
    ----------
    classes : ndarray
    support : ndarray of int, shape (classes,)
        Rows to test with.
    results : list of ToolResult
    """

    classes: Array
    support: Array
    results: list[ToolResult]

    def __getitem__(self, tool: str) -> ToolResult:
        for result in self.results:
            if result.tool == tool:
                return result
        raise unknown_name("tool", tool, [result.tool for result in self.results])

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "classes": self.classes.tolist(),
            "support": self.support.tolist(),
            "tools": {
                r.tool: {
                    **{name: getattr(r, name).tolist() for name in ("recall", "precision", "f1")},
                    **{name: getattr(r, name) for name in MEASURES},
                }
                for r in self.results
            },
        }

    def __str__(self) -> str:
        lines = []
        for k, (label, rows) in enumerate(zip(self.classes.tolist(), self.support, strict=True)):
            title = f"{label!r:.20}, {counted(int(rows), 'row')}"
            lines.append(f"{title:<36}{'recall':>9}{'precision':>11}{'F1':>7}")
            for r in self.results:
                own = f"{r.recall[k]:>9.3f}{r.precision[k]:>11.3f}{r.f1[k]:>7.3f}"
                lines.append(f"  {r.tool:<34}{own}")
            lines.append("")
        head = "".join(f"{name.replace('_', ' '):>{len(name) + 2}}" for name in MEASURES)
        lines.append(f"{'all classes':<{NAMES}}{head}")
        for r in self.results:
            own = "".join(f"{getattr(r, name):>{len(name) + 2}.4f}" for name in MEASURES)
            lines.append(f"{r.tool:<{NAMES}}{own}")
        return "\n".join(lines)


def compare_imbalance(
    network: Network,
    X: Any,
    y: Any,
    *,
    test_data: Pair,
    validation_data: Pair | None = None,
    tools: Sequence[str] | None = None,
    measure: Any = "balanced_accuracy",
    verbose: bool = False,
    **settings: Any,
) -> ImbalanceComparison:
    """Train copies of a network, each with another tool for classes of unequal size, and test them.

    All copies start with the same weights and see the same rows in orders of the same seed, so that what
    differs is the tool.

    Parameters
    ----------
    network : Network
        With one output that gives probabilities of classes; it stays as it is.
    X, y : array-like
        Rows to train on.
    test_data : (X, y)
        Rows to test with: they are as they are, whatever training sees.
    validation_data : (X, y), optional
        Rows that "threshold" and "calibrated" are found on.
    tools : sequence of str, optional
        Among "plain"; "class_weight" and "sampling", both balanced; "over", "under" and "smote", rows
        resampled by imbalanced-learn; "focal", the focal loss; "threshold", the plain network with the
        threshold that is best by `measure`; "calibrated", the one of "sampling" with its bias corrected. All
        that are possible here where none are named, but those that need imbalanced-learn.
    measure : str or callable
        As for `Network.tune_threshold`.
    verbose : bool
        Tell of each training on standard error.
    **settings
        Of `Network.fit`: optimizer, batch_size, epochs, seed, ...

    Returns
    -------
    ImbalanceComparison

    Raises
    ------
    ParameterError
        If a tool is not possible here, or a setting belongs to the comparison; UnknownNameError, one of its
        kinds, for a tool that does not exist.
    MissingExtraError
        If imbalanced-learn is needed and not there.
    ShapeError, DTypeError, DataError
        If rows do not fit the network.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> draw = np.random.default_rng(0)
    >>> X = draw.normal(size=(600, 2))
    >>> y = X[:, 0] + draw.normal(size=600) > 2
    >>> net = cr.Network([cr.Dense(2)], loss="cross_entropy")
    >>> found = compare_imbalance(net, X[:300], y[:300], test_data=(X[300:], y[300:]), epochs=30,
    ...                           optimizer="sgd", tools=["plain", "sampling"])
    >>> bool(found["sampling"].recall[1] > found["plain"].recall[1])
    True
    """
    wrong = [name for name in SET_BY_IT if name in settings]
    if wrong:
        raise ParameterError(f"compare_imbalance: {wrong[0]} is set by the comparison itself. Leave it out.")
    chosen = _tools(network, y, tools, validation_data)
    made: dict[str, Network] = {}
    trainers = _trainers(network, X, y, made, validation_data, measure, settings)
    for k, tool in enumerate(chosen, 1):
        if tool not in made:
            made[tool] = trainers[tool]()
        if verbose:
            tell(f"{k} of {len(chosen)}: {tool}")
    results = [_tested(tool, made[tool], *test_data) for tool in chosen]
    labels = made[chosen[0]]._as_labels(test_data[1])
    classes = made[chosen[0]].classes
    support = np.array([(np.asarray(labels) == label).sum() for label in classes])
    return ImbalanceComparison(classes, support, results)


def _tools(network: Network, y: Any, tools: Sequence[str] | None, held: Pair | None) -> list[str]:
    """The tools to compare, each possible here."""
    network._refuse_several("compare_imbalance")
    loss = network._losses[0]
    if not loss.probabilities or loss.target == "values":
        raise ParameterError(
            f"compare_imbalance: is for probabilities of classes, and loss {loss.name!r} gives none."
        )
    given = np.asarray(y)
    two = loss.target == "binary" or (given.shape[1] if given.ndim == 2 else len(np.unique(given))) == 2
    reasons = {
        "focal": "" if type(loss) is CrossEntropy else f"needs the loss cross_entropy, not {loss.name}",
        "threshold": "" if two else "is for two classes",
    }
    if held is None:
        reasons |= dict.fromkeys(HELD, "is found on rows held apart: pass validation_data=(X, y)")
    if tools is None:
        return [tool for tool in TOOLS if tool not in WAYS and not reasons.get(tool)]
    if isinstance(tools, str) or not tools:
        raise ParameterError(f"compare_imbalance: tools must be a list of names, got {tools!r:.60}.")
    for tool in tools:
        if tool not in TOOLS:
            raise unknown_name("compare_imbalance: tool", tool, TOOLS)
        if reasons.get(tool):
            raise ParameterError(f"compare_imbalance: {tool!r} {reasons[tool]}.")
        if tool in WAYS:
            need_imblearn(f"compare_imbalance: {tool!r}")
    return list(dict.fromkeys(tools))


def _trainers(
    network: Network,
    X: Any,
    y: Any,
    made: dict[str, Network],
    held: Pair | None,
    measure: Any,
    settings: dict[str, Any],
) -> dict[str, Callable[[], Network]]:
    """For each tool what gives its network; those that begin with another's take it from `made`."""
    X_held, y_held = (None, None) if held is None else held

    def fitted(rows: Pair = (X, y), net: Network | None = None, **more: Any) -> Network:
        own = copy.deepcopy(network) if net is None else net
        own.fit(*rows, **{"verbose": False, **settings, **more})
        return own

    def once(tool: str) -> Network:
        if tool not in made:
            made[tool] = trainers[tool]()
        return copy.deepcopy(made[tool])

    def focal() -> Network:
        own = copy.deepcopy(network)
        own._losses = [Focal()]
        own._forget_graph()
        return fitted(net=own)

    def resampled(way: str) -> Network:
        table = X.toarray() if is_sparse(X) else np.asarray(X, np.float64)
        labels = np.asarray(y)
        places = labels.argmax(axis=1) if labels.ndim == 2 else labels
        return fitted(resample(table, places, way, seed=settings.get("seed", 0)))

    def threshold() -> Network:
        own = once("plain")
        own.tune_threshold(X_held, y_held, measure)
        return own

    def calibrated() -> Network:
        own = once("sampling")
        own.calibrate(X_held, y_held, "bias_corrected")
        return own

    trainers: dict[str, Callable[[], Network]] = {
        "plain": fitted,
        "class_weight": lambda: fitted(class_weight="balanced"),
        "sampling": lambda: fitted(sampling="balanced"),
        "over": lambda: resampled("over"),
        "smote": lambda: resampled("smote"),
        "under": lambda: resampled("under"),
        "focal": focal,
        "threshold": threshold,
        "calibrated": calibrated,
    }
    return trainers


def _tested(tool: str, network: Network, X: Any, y: Any) -> ToolResult:
    """A network's measures, all of them scikit-learn's."""
    from sklearn.metrics import (
        average_precision_score,
        balanced_accuracy_score,
        brier_score_loss,
        log_loss,
        precision_recall_fscore_support,
    )

    labels, classes = network._as_labels(y), network.classes
    predicted = network.predict(X)
    p = network.predict_proba(X).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    truth = np.asarray(labels)[:, None] == classes
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    rarer = int(truth[:, 1].sum() <= truth[:, 0].sum())
    yes = (truth[:, rarer], p[:, rarer]) if len(classes) == 2 else (truth, p)
    return ToolResult(
        tool,
        recall,
        precision,
        f1,
        float(balanced_accuracy_score(labels, predicted)),
        float(average_precision_score(*yes)),
        float(log_loss(labels, p, labels=classes)),
        float(brier_score_loss(labels, p, labels=classes)),
        network,
    )
