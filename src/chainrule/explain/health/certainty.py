"""How sure a count makes one: intervals for shares, and what never having seen something means."""

from __future__ import annotations

import math

LEVEL = 0.95  # of all intervals
Z = 1.959963984540054  # the normal distribution's quantile for it, two-sided


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval for a share: where it lies with 95% certainty, after so many hits.

    Parameters
    ----------
    hits, count : int
        Of independent trials, of which there is at least one.

    Returns
    -------
    low, high : float
        From 0 to 1.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    >>> [round(end, 3) for end in interval(0, 30)]
    [0.0, 0.114]
    """
    share, square = hits / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = Z * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, middle - reach) if hits else 0.0, min(1.0, middle + reach) if hits < count else 1.0


def never(count: int) -> float:
    """The largest share that something can have which never came in so many trials, with 95% certainty.

    Near 3 / count, the rule of three.

    >>> round(never(300), 4)
    0.0099
    """
    return float(1 - (1 - LEVEL) ** (1 / count))


def correlation_at_least(r: float, count: int) -> float:
    """The lower end of the 95% interval of a correlation coefficient, by Fisher's transformation.

    >>> round(correlation_at_least(0.999, 100), 4)
    0.9985
    """
    if count <= 3 or not -1 < r < 1:
        return r if count > 3 else -1.0
    return math.tanh(math.atanh(r) - Z / math.sqrt(count - 3))
