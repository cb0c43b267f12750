"""How hidden layers see the data: their activations in two dimensions, by class, over a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted
from ...errors import ParameterError, unknown_name
from .plotting import QUIET, colour_of, marker_of, new_figure, plain
from .recording import HiddenViews

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
METHODS = ("pca", "tsne")
LEAST_ROWS, PERPLEXITY = 10, 30.0  # for t-SNE
COLUMNS, MOST_CLASSES = 5, 20  # moments beside each other; classes that have colours


def hidden_layers(
    source: HiddenViews | MeasuredNetwork,
    X: Any = None,
    y: Any = None,
    *,
    method: str = "pca",
    layer: str | None = None,
    seed: int = 0,
) -> Figure:
    """What the hidden layers make of the data, each row a point in two dimensions, coloured by class.

    Parameters
    ----------
    source : HiddenViews or Network
        The callback that kept the views of a training, which are shown from left to right; or a network,
        whose present view of X is shown.
    X, y : array-like, optional
        With a network: rows, and their classes or values.
    method : {"pca", "tsne"}
        Principal components, those of the last moment for all moments; or t-SNE, anew for each.
    layer : str, optional
        One hidden layer by name; all where it is left out.
    seed : int
        Of t-SNE.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        If there is no such method or hidden layer.
    ParameterError
        If the record is empty, X is missing, or there are fewer than 2 rows, for t-SNE 10.
    MissingExtraError
        If matplotlib is not installed.

    References
    ----------
    Van der Maaten and Hinton (2008), Visualizing data using t-SNE.
    """
    if method not in METHODS:
        raise unknown_name("plots.hidden_layers: method", method, METHODS)
    if isinstance(source, HiddenViews):
        if X is not None or y is not None:
            raise ParameterError("plots.hidden_layers: the record has its own rows. Leave X and y out.")
        record = source
        record.need(1, "plots.hidden_layers")
    else:
        if X is None:
            raise ParameterError("plots.hidden_layers: a network needs rows to look at. Pass X.")
        record = HiddenViews(X, y)
        record.epochs, record.kept = [0], [record.take(source)]
    names = list(record.kept[-1])
    if layer is not None:
        if layer not in names:
            raise unknown_name("plots.hidden_layers: hidden layer", layer, names)
        names = [layer]
    rows = len(record.kept[-1][names[0]])
    if rows < 2:
        raise ParameterError("plots.hidden_layers: one row is no picture. Pass at least 2 rows.")
    if method == "tsne" and rows < LEAST_ROWS:
        raise ParameterError(
            f"plots.hidden_layers: t-SNE needs at least {LEAST_ROWS} rows, got {rows}. Pass more, or take "
            "method='pca'."
        )
    shown = np.unique(
        np.linspace(0, len(record.kept) - 1, min(COLUMNS, len(record.kept))).round().astype(int)
    )
    side = 2.7 if len(shown) > 1 else 4.5
    figure, parts = new_figure(side * len(shown) + 1.5, side * len(names) + 0.4, len(names), len(shown))
    for i, name in enumerate(names):
        views = [np.asarray(record.kept[k][name], dtype=np.float64) for k in shown]
        flat, axes_names = _flattened(views, method, seed)
        for j, (k, points) in enumerate(zip(shown, flat, strict=True)):
            axes = parts[i * len(shown) + j]
            _points(axes, points, record.labels)
            units = counted(views[j].shape[1], "neuron")
            moment = f"epoch {record.epochs[k]}" if isinstance(source, HiddenViews) else units
            axes.set_title(f"{plain(name)}, {moment}", fontsize=9, loc="left")
            axes.set_xlabel(axes_names[0], fontsize=8)
            axes.set_ylabel(axes_names[1], fontsize=8)
        if method == "pca":
            _same_limits(parts[i * len(shown) : (i + 1) * len(shown)], flat)
    _legend(figure, parts[len(shown) - 1], record.labels)
    return figure


def _flattened(views: list[Array], method: str, seed: int) -> tuple[list[Array], tuple[str, str]]:
    """Each view in two dimensions, and what the axes are called."""
    if method == "tsne":
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        perplexity = min(PERPLEXITY, (len(views[0]) - 1) / 3)
        found = []
        for view in views:
            start = view[:, :2] if view.shape[1] >= 2 else np.repeat(view, 2, axis=1)
            spread = start.std() or 1.0
            model = TSNE(perplexity=perplexity, init=1e-4 * start / spread, random_state=seed)
            with threadpool_limits(1):  # so few rows leave threads nothing but waiting for each other
                found.append(np.asarray(model.fit_transform(view)))
        return found, ("t-SNE 1", "t-SNE 2")
    if views[-1].shape[1] == 1:
        return [np.hstack([view, np.zeros_like(view)]) for view in views], ("activation", "")
    from sklearn.decomposition import PCA

    with np.errstate(invalid="ignore"):  # the shares of a variance of 0, where all rows are seen alike
        model = PCA(2, svd_solver="full").fit(views[-1])
    share = np.nan_to_num(model.explained_variance_ratio_)
    names = (f"component 1 ({share[0]:.0%})", f"component 2 ({share[1]:.0%})")
    return [model.transform(view) for view in views], names


def _points(axes: Axes, points: Array, labels: Array | None) -> None:
    size = 16 if len(points) <= 200 else 9
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=size, color=QUIET, linewidths=0)
    elif _is_few(labels):
        for k, label in enumerate(np.unique(labels)):
            own = points[labels == label]
            axes.scatter(
                own[:, 0],
                own[:, 1],
                s=size,
                color=colour_of(k),
                marker=marker_of(k),
                linewidths=0,
                label=plain(str(label), 24),
            )
    else:
        axes.scatter(points[:, 0], points[:, 1], s=size, c=labels, cmap="cividis", linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])


def _is_few(labels: Array) -> bool:
    return labels.dtype.kind not in "f" or len(np.unique(labels)) <= MOST_CLASSES


def _same_limits(parts: list[Axes], flat: list[Array]) -> None:
    every = np.concatenate(flat)
    low, high = every.min(axis=0), every.max(axis=0)
    margin = np.where(high > low, 0.06 * (high - low), 1.0)
    for axes in parts:
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])


def _legend(figure: Figure, axes: Axes, labels: Array | None) -> None:
    if labels is None:
        return
    if _is_few(labels):
        if len(np.unique(labels)) <= MOST_CLASSES:
            axes.legend(
                loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8, handletextpad=0.2
            )
    else:
        figure.colorbar(axes.collections[0], ax=axes, label="target")
