"""What is wrong with the rows that a network is to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...checks import counted
from .certainty import correlation_at_least, interval, never
from .findings import Finding

Array = np.ndarray[Any, Any]

APART = 100.0
"""Sizes of columns as unlike as this are not scaled: two orders of magnitude. Pixels (1 to 16), words as 0
and 1 beside standardised numbers (1 to 10) and the raw measures of flowers (2 to 8) stay well below."""
LARGE = 30.0
"""A largest standard deviation above this is not scaled: initial weights keep the size of what comes in, and
the flat ends of tanh and logistic begin at 3. Pixels from 0 to 16 have 6, those from 0 to 255 about 100."""
SMALL = 0.01
"""A largest standard deviation below this is not scaled: the first layer's slopes are that small."""
OFFSET = 10.0
"""Means of more than so many standard deviations, and of more than this in size, drown what varies. Flowers'
measures have 7; years (2000, give or take 20) have 100."""
SEEN = 10
"""Rows in which a column must not be 0 to be judged: how large rare words are, fewer do not tell."""
WIDE = 32
"""Inputs from which on a table is one of pixels or words, where some never vary in a sample."""
NEVER_VARY = 0.25
"""Of a wide table, this share of constant columns passes: pixels at the margin are 5 to 20 %."""
LEAK = 0.95
"""An input that surely removes this share of the errors of always naming the most frequent class, or explains
so much of the variance, gives the answer away. The best single input of the well-known small sets removes 93
% (iris), 80 % (breast-cancer), 60 % (wine), and explains a third (diabetes)."""
LEAK_ROWS = 50  # below, chance does it too
RARE = 1 / 20
"""Rows of the rarest class for each of the most frequent one, below which accuracy hides what goes wrong."""
CONFLICTS = 0.02
"""The share of rows whose label, surely, other rows with the same inputs contradict: of fewer nobody needs to
know."""
SHOWN = 3  # names in a sentence


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def scales(values: Array, names: Sequence[str]) -> list[Finding]:
    """Columns of unlike or unsuitable size, and columns far from 0; of what a first layer of weights gets."""
    often = (values != 0).sum(axis=0) >= SEEN
    varying = np.flatnonzero(often & (values.max(axis=0) > values.min(axis=0)))
    if not len(varying):
        return []
    kept = values[:, varying].astype(np.float64)
    mean, spread, size = kept.mean(axis=0), kept.std(axis=0), np.abs(kept).max(axis=0)
    sure = (
        f"these are the numbers of {counted(len(kept), 'row')} themselves; that it harms the training is a "
        "rule of thumb."
    )
    found = []
    large, small = int(spread.argmax()), int(spread.argmin())
    apart = min(spread[large] / spread[small], size[large] / size[small])
    if apart > APART or spread[large] > LARGE or spread[large] < SMALL:
        most, least = names[int(varying[large])], names[int(varying[small])]
        seen = f"{most} has a standard deviation of {spread[large]:.3g} (largest {size[large]:.3g})"
        if len(varying) > 1:
            seen += f", {least} of {spread[small]:.3g} (largest {size[small]:.3g})"
        numbers = {"largest": most, "largest_std": spread[large], "smallest": least, "ratio": apart}
        found.append(
            Finding("unscaled_inputs", most, f"{seen}.", sure, {**numbers, "smallest_std": spread[small]})
        )
    far = np.flatnonzero((np.abs(mean) > OFFSET * spread) & (np.abs(mean) > OFFSET))
    if len(far):
        far = far[np.argsort(-np.abs(mean[far]) / spread[far])]
        first = int(far[0])
        own = [names[int(varying[i])] for i in far]
        seen = (
            f"{own[0]} is {mean[first]:.4g} on average, {abs(mean[first]) / spread[first]:.3g} times its "
            f"standard deviation of {spread[first]:.3g}"
        )
        seen += f"; so are {listed(own[1:])}." if len(own) > 1 else "."
        numbers = {"columns": own[:100], "mean": mean[first], "std": spread[first]}
        found.append(Finding("offset_inputs", listed(own), seen, sure, numbers))
    return found


def constants(low: Array, high: Array, rows: int, names: Sequence[str]) -> list[Finding]:
    """Columns that are the same in every row.

    Parameters
    ----------
    low, high : ndarray, shape (inputs,)
        The least and largest of each column.
    rows : int
    names : sequence of str
    """
    same = np.flatnonzero(low == high)
    if rows < 2 or not len(same) or (len(low) >= WIDE and len(same) <= NEVER_VARY * len(low)):
        return []
    own = [names[int(i)] for i in same]
    seen = (
        f"{counted(len(same), 'column')} of {len(low):,}: {listed(own)}; the first is always "
        f"{low[same[0]]:.4g}."
    )
    sure = (
        f"in {counted(rows, 'row')} it never varies: with 95% certainty it does in fewer than "
        f"{never(rows):.2%} of such rows."
    )
    return [Finding("constant_inputs", listed(own), seen, sure, {"columns": own[:100], "rows": rows})]


def leakage(X: Array, t: Array, names: Sequence[str], classes: bool) -> list[Finding]:
    """A single input from which the target nearly follows.

    Each row's target is foretold from the rows next to it by that input alone: the nearest one's class, or
    the mean of both neighbours. Nothing is assumed of how the target depends on the input.

    Parameters
    ----------
    X : ndarray, shape (rows, inputs)
        In a random order: rows of equal inputs would else be neighbours because they were written together.
    t : ndarray, shape (rows,)
        Places of classes, or values.
    names : sequence of str
    classes : bool
    """
    if X.shape[1] < 2:
        return []
    first = np.unique(_as_whole(X), return_index=True)[1]  # a copy of a row would foretell it by any input
    X, t = X[np.sort(first)], t[np.sort(first)]
    if len(X) < LEAK_ROWS or len(np.unique(t)) < 2:
        return []
    foretold = np.stack([_foretold(X[:, i], t, classes) for i in range(X.shape[1])])
    if classes:
        usual = 1 - np.bincount(t).max() / len(t)
        wrong = (foretold != t).sum(axis=1)
        worst = [interval(int(k), len(t))[1] for k in wrong]
        strength, least = 1 - wrong / len(t) / usual, 1 - np.array(worst) / usual
    else:
        r = np.array([_correlation(own, t) for own in foretold])
        strength = np.maximum(r, 0) ** 2
        least = np.array([max(0.0, correlation_at_least(float(x), len(t))) ** 2 for x in r])
    telling = np.flatnonzero(least >= LEAK)
    if len(telling) != 1:  # where several do, the task is easy: that is no leak
        return []
    i = int(telling[0])
    others = float(np.delete(strength, i).max())
    what = "of the errors of always naming the most frequent class" if classes else "of the variance"
    verb = "removes" if classes else "explains"
    seen = (
        f"from {names[i]} alone, rows' targets follow from their neighbours': it {verb} {strength[i]:.1%} "
        f"{what}; the best other input {others:.1%}."
    )
    sure = (
        f"with 95% certainty at least {least[i]:.1%}, from {len(X):,} different rows; whether the input is "
        "known when predictions are made, no number tells."
    )
    numbers = {"input": names[i], "strength": strength[i], "at_least": least[i], "next_best": others}
    return [Finding("leakage", names[i], seen, sure, numbers)]


def _as_whole(X: Array) -> Array:
    """Each row as one thing that can be compared with others, shape (rows,)."""
    plain = np.ascontiguousarray(X + 0.0)  # -0 becomes 0
    return plain.view(np.dtype((np.void, plain.shape[1] * plain.itemsize))).ravel()


def _foretold(x: Array, t: Array, classes: bool) -> Array:
    """Each row's target as those next to it by x tell it."""
    order = np.argsort(x, kind="stable")
    sorted_x, sorted_t = x[order].astype(np.float64), t[order]
    before, after = np.roll(sorted_t, 1), np.roll(sorted_t, -1)
    gap = np.diff(sorted_x)
    down, up = np.r_[np.inf, gap], np.r_[gap, np.inf]
    found = np.empty(len(t), t.dtype if classes else np.float64)
    if classes:
        found[order] = np.where(down < up, before, after)
    else:
        middle = (before + after) / 2
        middle[0], middle[-1] = after[0], before[-1]
        found[order] = middle
    return found


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0


def imbalance(t: Array, labels: Sequence[Any], where: str) -> list[Finding]:
    """Classes that have hardly any rows beside the most frequent one."""
    counts = np.bincount(t, minlength=len(labels))
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return []
    most, least = int(counts.argmax()), int(present[counts[present].argmin()])
    if counts[least] >= RARE * counts[most]:
        return []
    low, high = interval(int(counts[least]), len(t))
    seen = (
        f"class {labels[most]} has {counts[most]:,} rows, class {labels[least]} {counts[least]:,}; naming "
        f"{labels[most]} always is right in {counts[most] / len(t):.1%} of the rows."
    )
    sure = f"in rows like these, with 95% certainty, {low:.2%} to {high:.2%} are of class {labels[least]}."
    counted_rows = {str(labels[int(i)]): int(counts[i]) for i in present}
    return [Finding("imbalance", where, seen, sure, {"rows": counted_rows})]


def conflicts(X: Array, t: Array, rows: Array, where: str) -> list[Finding]:
    """Rows with the same inputs and different classes; `rows` says where they stand in the data."""
    group = np.unique(_as_whole(X), return_inverse=True)[1]
    pairs, sizes = np.unique(np.stack([group, t.astype(group.dtype)]), axis=1, return_counts=True)
    most = np.zeros(group.max() + 1, np.int64)
    np.maximum.at(most, pairs[0], sizes)
    lost = len(t) - int(most.sum())
    if not lost or interval(lost, len(t))[0] <= CONFLICTS:
        return []
    groups = int((np.bincount(pairs[0]) > 1).sum())
    first = int(rows[np.bincount(pairs[0])[group] > 1].min())
    low, high = interval(lost, len(t))
    seen = (
        f"{counted(groups, 'set')} of equal rows with several classes, first that of row {first} (counted "
        f"from 0); whoever names the most frequent in each is wrong in {counted(lost, 'row')} of {len(t):,}."
    )
    sure = (
        f"an accuracy above {1 - lost / len(t):.1%} is out of reach on these rows; on others like them, with "
        f"95% certainty, one above {1 - low:.1%} to {1 - high:.1%}."
    )
    return [Finding("conflicting_rows", where, seen, sure, {"rows": lost, "sets": groups, "first": first})]
