"""The parts of a report on a model, each as HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..explain.health.findings import Diagnosis
from ..explain.pages.charts import lines, points
from ..explain.pages.code import highlighted
from ..explain.pages.page import figure, folded, lowered, paragraph, scroll, table
from ..optim.whole_batch import WholeBatch
from ..tables.sources import sources
from ..tables.wording import printable, shown
from .baseline import r2
from .report import predictions
from .report_origin import origin
from .report_wrong import cell
from .use import Labelled, Model

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
R2 = "R²"
NOTE = "lines and maps are blue for weights above 0 and orange for those below."
MANY = 15  # columns, above which their table is folded
LISTED = 100  # classes whose rows are counted
MOST_CLASSES = 30  # in a matrix that can still be read


def data(model: Model, rows: Labelled) -> str:
    """Rows, columns, missing cells and classes."""
    frame = rows.frame
    inputs = [name for name in frame.columns if name != rows.target]
    missing = sum(frame[name].null_count() for name in inputs)
    lead = (
        f"{printable(rows.data)} has {counted(frame.height, 'row')} and {counted(len(inputs), 'column')} "
        f"beside the target, {printable(rows.target)}. {_missing(missing, frame.height * len(inputs))}"
    )
    parts = [paragraph(lead)]
    if model.network.classes is not None:
        parts.append(_classes(rows))
    else:
        y = rows.y.astype(np.float64)
        facts = [
            ("rows", f"{len(y):,}"),
            ("mean", f"{y.mean():.6g}"),
            ("standard deviation", f"{y.std():.6g}"),
        ]
        facts += [("least", f"{y.min():.6g}"), ("largest", f"{y.max():.6g}")]
        parts.append(table(("", printable(rows.target)), facts, "The target's values", [1]))
    left_out = model.network.metadata.get("left_out") or {}
    taken = [] if model.encoding is None else model.encoding.columns
    kinds = {column.name: column.kind for column in taken}
    cells = sources(rows.data, frame, taken) if taken else frame  # of text files, numbers instead of words
    listed = [
        _column(
            cells[name] if name in cells.columns else frame[name], kinds.get(name, ""), left_out.get(name)
        )
        for name in inputs
    ]
    head = ("column", "kind", "missing", "different", "range or most frequent")
    columns = table(head, listed, f"The {counted(len(inputs), 'column')}", [2, 3])
    parts.append(folded(f"all {len(inputs):,} columns", columns) if len(inputs) > MANY else columns)
    return "".join(parts)


def _missing(cells: int, whole: int) -> str:
    return f"{counted(cells, 'cell')} of {whole:,} are missing." if cells else "No cell is missing."


def _classes(rows: Labelled) -> str:
    labels, counts = np.unique(rows.y, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:LISTED]
    listed = [(printable(str(labels[i])), f"{counts[i]:,}", f"{counts[i] / len(rows.y):.1%}") for i in order]
    text = table(
        (printable(rows.target), "rows", "share"),
        listed,
        "Rows of each class",
        [1, 2],
    )
    some = f"the {LISTED} most frequent of {len(labels):,}" if len(labels) > LISTED else f"all {len(labels)}"
    return folded(f"{some} classes", text) if len(labels) > MANY else text


def _column(values: polars.Series, kind: str, left_out: str | None) -> tuple[str, ...]:
    kind = kind or ("number" if values.dtype.is_numeric() else "words")
    if left_out is not None:
        kind = f"left out: {left_out}"
    kept, told = values.drop_nulls(), ""
    if len(kept) and values.dtype.is_numeric():
        told = f"{cell(kept.min())} to {cell(kept.max())}, mean {float(kept.mean()):.4g}"  # type: ignore[arg-type]
    elif len(kept):
        told = shown(str(kept.mode().sort()[0]), 40)
    return printable(values.name), kind, f"{values.null_count():,}", f"{kept.n_unique():,}", told


def network(model: Model) -> str:
    """The diagram, and the layers as a table of text."""
    drawn = model.network.draw()
    parts = [figure(scroll(drawn.svg, "diagram of the network"), f"{drawn.title}: {NOTE}", "diagram")]
    text = escape(model.network.summary())
    parts.append(f'<pre tabindex="0" role="region" aria-label="layers">{text}</pre>')
    return "".join(parts)


def training(model: Model, learned: Mapping[str, Any]) -> str:
    """How it was trained: settings, and learning curves where the file holds them."""
    network = model.network
    facts = [("loss", network.loss), ("optimizer", _optimizer(network.optimizer))]
    counts = learned.get("rows")
    if isinstance(counts, dict):
        facts.append(("rows", ", ".join(f"{name} {number:,}" for name, number in counts.items())))
    told = [key for key in ("epochs", "batch_size", "seed", "engine", "seconds") if key in learned]
    facts += [(key.replace("_", " "), str(learned[key])) for key in told]
    text = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{text}</dl>{curves(learned.get("history"))}'


def _optimizer(rule: Any) -> str:
    """An optimizer with the settings that it was given; those that are not used are left out."""
    return "none" if rule is None else re.sub(r", \w+=(None|False)", "", repr(rule))


def curves(history: Any) -> str:
    """The loss and accuracy over epochs, and their numbers."""
    if not isinstance(history, dict) or not history.get("loss") or not history.get("epoch"):
        return paragraph("The model file holds no course of the training: learning curves cannot be drawn.")
    epochs = history["epoch"]
    drawn = [("training", epochs, history["loss"])]
    if history.get("val_loss"):
        drawn.append(("validation", epochs, history["val_loss"]))
    parts = [figure(lines("loss", "Loss over epochs", "loss", drawn, 0.0), "The loss over epochs.")]
    if history.get("val_accuracy"):
        own = [("validation", epochs, history["val_accuracy"])]
        chart = lines("accuracy", "Accuracy over epochs", "accuracy", own)
        parts.append(figure(chart, "The share of validation rows that are right."))
    if len(set(history.get("learning_rate") or ())) > 1:
        chart = lines(
            "rate",
            "Learning rate over epochs",
            "learning rate",
            [("", epochs, history["learning_rate"])],
            0.0,
        )
        parts.append(figure(chart, "The learning rate."))
    names = [name for name in history if name != "epoch" and history[name]]
    rows = [
        (f"{epoch:.0f}", *("" if history[name][k] is None else f"{history[name][k]:.6g}" for name in names))
        for k, epoch in enumerate(epochs)
    ]
    head = ("epoch", *(name.replace("_", " ") for name in names))
    numbers = table(head, rows, "The course of the training", range(1, len(head)))
    return f'<div class="charts">{"".join(parts)}</div>{folded("the numbers of each epoch", numbers)}'


def results(model: Model, rows: Labelled, result: Mapping[str, Any]) -> str:
    """Scores beside the baselines', and what was taken for what."""
    score = next(iter(result["test"]))
    name = R2 if score == "r2" else "accuracy"
    always = "always the mean" if score == "r2" else "always the most frequent class"
    scored = [("the network", result["test"][score]), (always, result["baseline"][score])]
    if f"linear_{score}" in result["baseline"]:
        scored.append(("a linear model", result["baseline"][f"linear_{score}"]))
    listed = [(own, score_text(value)) for own, value in scored]
    known = origin(model, rows)
    parts = [
        paragraph(known.sentence(name, score_text(known.score))),
        table(("", name), listed, f"On the {counted(len(rows.y), 'row')} of this report", [1]),
    ]
    if model.network.classes is not None:
        return "".join([*parts, _per_class(model, rows), _confusion(model, rows)])
    return "".join([*parts, _errors(model, rows)])


def score_text(value: float | None, digits: str = ".4f") -> str:
    """A score; without the sign that rounding leaves of a small negative one."""
    if value is None:
        return "undefined"
    text = f"{value:{digits}}"
    return text.lstrip("-") if float(text.rstrip("%")) == 0 else text


def _per_class(model: Model, rows: Labelled) -> str:
    from sklearn.metrics import precision_recall_fscore_support

    labels = model.network.classes
    found = precision_recall_fscore_support(
        rows.y, model.network.predict(rows.X), labels=labels, zero_division=0
    )
    listed = [
        (printable(str(label)), *(f"{values[k]:.3f}" for values in found[:3]), f"{found[3][k]:,}")
        for k, label in enumerate(labels.tolist())
    ]
    head = (printable(rows.target), "precision", "recall", "F1", "rows")
    text = table(
        head,
        listed,
        "Each class: the share of right ones among those named so, and among those that are",
        range(1, 5),
    )
    return folded(f"all {len(labels):,} classes", text) if len(labels) > MOST_CLASSES else text


def _confusion(model: Model, rows: Labelled) -> str:
    labels = [printable(str(label)) for label in model.network.classes.tolist()]
    if len(labels) > MOST_CLASSES:
        return paragraph(
            f"With {len(labels):,} classes, a table of which was taken for which could not be read."
        )
    matrix = model.network.confusion_matrix(rows.X, rows.y)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(_shaded(int(n), float(s)) for n, s in zip(matrix[k], share[k], strict=True))
        + "</tr>"
        for k, label in enumerate(labels)
    )
    caption = (
        "Confusion matrix: a row for each true class, a column for each predicted one; shaded by the share "
        "of the row"
    )
    return scroll(
        f'<table class="matrix"><caption>{caption}</caption>'
        f'<thead><tr><th scope="col">true</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>",
        "confusion matrix",
    )


def _shaded(rows: int, share: float) -> str:
    if rows == 0:
        return '<td class="none">0</td>'
    return f'<td style="background:rgba(var(--shade),{0.08 + 0.42 * share:.2f})">{rows:,}</td>'


def _errors(model: Model, rows: Labelled) -> str:
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    predicted = predictions(model.network, rows.X, rows.data)
    value = r2(rows.y, predicted)
    listed = [
        (R2, score_text(value)),
        ("root mean squared error", f"{root_mean_squared_error(rows.y, predicted):.6g}"),
        ("mean absolute error", f"{mean_absolute_error(rows.y, predicted):.6g}"),
    ]
    name = printable(rows.target)
    chart = points("points", "Predicted and true values", (f"true {name}", "predicted"), rows.y, predicted)
    note = "Predicted beside true values; on the line both are the same."
    return table(("measure", "value"), listed, f"Errors, in the unit of {name}", [1]) + figure(chart, note)


def health(found: Diagnosis) -> str:
    """What is wrong with the training."""
    note = paragraph(
        "Gradients, units, learning rate, inputs and targets, looked at in the step that would come next. "
        "Signal is the norm of the loss's gradient by a layer's results, gradient that by its weights, "
        "update the step's change of them as a share of them; flat counts saturated units."
    )
    return note + scroll(lowered(found._repr_html_(), -1), "training health")


def trace(model: Model, rows: Labelled, row: int) -> str:
    """Every number of a training step on one row."""
    made = model.network.trace(rows.X[row : row + 1], rows.y[row : row + 1])
    note = paragraph(
        f"The training step on row {row + 1} alone, the one that the network is most wrong about."
    )
    return note + lowered(made._repr_html_(), 2)


def code(model: Model) -> str:
    """The training step as Python."""
    rule = model.network.optimizer
    stepless = rule if isinstance(rule, WholeBatch) else None
    text = highlighted(model.network.source("sgd" if stepless else None).rstrip("\n"))
    note = "Python that runs with NumPy alone, and gives the weights that training gives."
    if stepless:
        note = (
            "Python that runs with NumPy alone; with plain gradient descent, as "
            f"{stepless.title} has no steps to print."
        )
    return f'{paragraph(note)}<pre tabindex="0" role="region" aria-label="source"><code>{text}</code></pre>'


def running(model: Model, now: Mapping[str, str]) -> str:
    """The versions that the model was made with, and those that wrote the report."""
    made = model.network.metadata.get("versions") or {}
    rows = [(name, str(made.get(name, "not known")), number) for name, number in now.items()]
    return table(("", "model made with", "report written with"), rows, "Versions")
