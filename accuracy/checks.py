"""What `make accuracy` checks: each check trains its networks and returns lines of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import intervals
import nielsen
import worked_examples
from worked_examples import published


@dataclass(frozen=True)
class Line:
    """A line of the table; met is None where nothing is asked."""

    example: str
    published: str
    ours: str
    asked: str = "-"
    met: bool | None = None


@dataclass(frozen=True)
class Check:
    """A line's work.

    Attributes
    ----------
    name : str
    seconds : float
        How long it takes on two cores of a server, for the time left.
    run : callable
        ``run(tick)`` trains and returns a Line; it calls ``tick(share)`` with the share that is done.
    """

    name: str
    seconds: float
    run: Callable[[Callable[[float], None]], Any]


def over_seeds(function, seeds, tick):
    """The function's results, seed by seed."""
    found = []
    for seed in range(seeds):
        found.append(function(seed))
        tick((seed + 1) / seeds)
    return found


# the books' small examples --------------------------------------------------------------------


def xor(tick):
    results = over_seeds(worked_examples.xor, 20, tick)
    learned = sum(worked_examples.learned_xor(predictions) for predictions, _ in results)
    return Line("XOR 2-2-1: seeds that learn it", "one training", f"{learned} of 20")


def mitchell(tick):
    numbers = published("mitchell_8_3_8")
    seeds, least = numbers["seeds"], numbers["least_seeds_with_eight_codes"]
    eight = over_seeds(worked_examples.hidden_codes, seeds, tick).count(8)
    return Line(
        "Mitchell 8-3-8: seeds with eight codes",
        "one training",
        f"{eight} of {seeds}",
        f"{least}",
        eight >= least,
    )


def digits(tick):
    numbers = published("digits_64_32_16_10")
    scores = over_seeds(worked_examples.digits, 5, tick)
    mean, least = float(np.mean(scores)), numbers["least_f1"]
    ours = f"{mean:.3f} ({min(scores):.3f} to {max(scores):.3f})"
    return Line(
        "digits 64-32-16-10: F1, mean of 5 seeds",
        f"{numbers['published_average_f1']}",
        ours,
        f"{least}",
        mean >= least,
    )


def teacher(tick):
    scores = over_seeds(worked_examples.student, 10, tick)
    return Line(
        "student of a random teacher: least R2 of 10", "-", f"{min(scores):.4f}", "0.99", min(scores) >= 0.99
    )


# prediction intervals -------------------------------------------------------------------------


def plain_intervals(tick):
    return covered("absolute residuals", None, tick)


def quantile_intervals(tick):
    return covered("quantiles", [0.05, 0.5, 0.95], tick)


def covered(how, quantiles, tick):
    """A line for one kind of intervals: the seeds' coverages, and the mean length."""
    found = over_seeds(lambda seed: intervals.intervals(seed, quantiles), intervals.SEEDS, tick)
    shares, (low, high) = [each.coverage for each in found], intervals.BETWEEN
    length = np.mean([each.length for each in found])
    return Line(
        f"California housing, 90% intervals by {how}: coverage of {len(found)} seeds",
        "-",
        f"{np.mean(shares):.3f} ({min(shares):.3f} to {max(shares):.3f}; mean length ${length:,.0f})",
        f"{low} to {high}",
        bool(low <= min(shares) and max(shares) <= high),
    )


# Nielsen's networks on MNIST ------------------------------------------------------------------


def darkness(tick):
    numbers, right = published("nielsen_mnist"), nielsen.by_average_darkness()
    tick(1)
    expected = numbers["average_darkness"]
    return Line(
        "MNIST by average darkness", f"{expected:,}", f"{right:,}", f"{expected:,}", right == expected
    )


def small_network(tick):
    numbers = published("nielsen_mnist")
    best = [max(run.test) for run in nielsen.chapter_1(30, 3.0, tick)]
    least = numbers["least_784_30_10_best_of_three_seeds"]
    return Line(
        "MNIST 784-30-10: best epoch, best of 3",
        f"{max(numbers['784_30_10']):,}",
        f"{max(best):,} ({listed(best)})",
        f"{least:,}",
        max(best) >= least,
    )


def wide_network(tick):
    best = [max(run.test) for run in nielsen.chapter_1(100, 3.0, tick)]
    expected = published("nielsen_mnist")["784_100_10"]
    return Line("MNIST 784-100-10: best epoch, best of 3", f"{expected:,}", f"{max(best):,} ({listed(best)})")


def softmax(tick):
    numbers = published("nielsen_mnist")
    runs = nielsen.chapter_6(tick)
    best, chosen = [max(run.test) for run in runs], [run.test[np.argmax(run.chosen_by)] for run in runs]
    least = numbers["least_784_100_10_softmax"]
    return Line(
        "MNIST 784-100-10, softmax: best epoch, worst of 3",
        f"{numbers['784_100_10_softmax']:,}",
        f"{min(best):,} ({listed(best)}; chosen on other images {listed(chosen)})",
        f"{least:,}",
        min(best) >= least,
    )


def too_small(tick):
    first, last = published("nielsen_mnist")["learning_rate_0.001_first_and_last"]
    return rates("784-100-10, learning rate 0.001", (first, last), nielsen.chapter_1(100, 0.001, tick), 5000)


def too_large(tick):
    numbers = published("nielsen_mnist")
    first, last = numbers["learning_rate_100_first_and_last"]
    runs = nielsen.chapter_1(30, 100.0, tick)
    return rates("784-30-10, learning rate 100", (first, last), runs, numbers["average_darkness"])


def rates(what, printed, runs, most):
    """A line for a rate that learns too little: each seed's first and last epoch, and what it stays below."""
    courses = ", ".join(f"{run.test[0]:,} to {run.test[-1]:,}" for run in runs)
    met = all(run.test[-1] < most for run in runs)
    return Line(f"MNIST {what}: first to last", "{:,} to {:,}".format(*printed), courses, f"< {most:,}", met)


def listed(numbers):
    return ", ".join(f"{number:,}" for number in numbers)


CHECKS = [
    Check("xor", 11, xor),
    Check("mitchell", 3, mitchell),
    Check("digits", 10, digits),
    Check("teacher", 1, teacher),
    Check("intervals", 30, plain_intervals),
    Check("quantile-intervals", 40, quantile_intervals),
    Check("darkness", 1, darkness),
    Check("784-30-10", 13, small_network),
    Check("784-100-10", 26, wide_network),
    Check("softmax", 52, softmax),
    Check("too-small", 35, too_small),
    Check("too-large", 16, too_large),
]
