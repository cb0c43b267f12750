"""How a fit on a stream begins: what contradicts a stream is refused, and its first part is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checks import positive_int
from ..errors import ParameterError
from ..nn.regularise import BatchNorm
from ..optim.averaging import SWA
from ..optim.rules import Optimizer
from ..optim.schedules import Constant
from .plan import Plan
from .reader import Reader
from .resume import Saved
from .streams import Stream

if TYPE_CHECKING:
    from .history import Past
    from .prediction import PredictingNetwork


def require_streamable(
    network: PredictingNetwork, stream: Stream, rule: Optimizer, given: Mapping[str, Any]
) -> None:
    """Raise ParameterError for arguments of `fit`, by their names, that a stream contradicts."""
    batch_size, epochs = given["batch_size"], given["epochs"]
    told = repr(stream)
    if rule.whole_batch:
        raise ParameterError(
            f"fit: {type(rule).__name__} works on all rows at once, and {told} has but some in memory. "
            "Take another optimizer, such as Adam."
        )
    for name, hint in (
        ("y", "A stream gives X and y together, as (X, y)."),
        ("sample_weight", "A stream gives weights with its rows, as (X, y, weights)."),
        ("sampling", "To count the classes, all rows are needed: take class_weight."),
        ("record", "A ledger needs the rows in memory."),
    ):
        if given[name] is not None:
            raise ParameterError(f"fit: {name} and {told} contradict each other. {hint} Leave {name} out.")
    if isinstance(given["class_weight"], str):
        raise ParameterError(
            f"fit: class_weight={given['class_weight']!r} has to know how often each class comes, and {told} "
            "is not read beforehand. Pass a dict of weights by label."
        )
    if rule.averaging is not None and any(isinstance(layer, BatchNorm) for layer in network.layers):
        raise ParameterError(
            f"fit: {rule.averaging} with batch normalisation needs all rows in the end, and {told} has but "
            "some in memory. Leave one of them out."
        )
    if stream.batched and batch_size is not None:
        raise ParameterError(
            f"fit: batch_size={batch_size} and {told}, whose parts are the batches, contradict each other. "
            "Leave batch_size out, or give the stream a window, Stream(source, window=65_536)."
        )
    if stream.once and given["resume"]:
        raise ParameterError(
            f"fit: {told} can be read once, so that a fit cannot resume. Pass a function that makes a "
            "new iterator."
        )
    if stream.once and given["steps_per_epoch"] is None and epochs > 1:
        raise ParameterError(
            f"fit: {told} can be read once, which is no more than one epoch; got epochs={epochs}. Pass "
            "epochs=1, steps_per_epoch, or a function that makes a new iterator for each epoch."
        )


def opened(
    network: PredictingNetwork,
    stream: Stream,
    rule: Optimizer,
    settings: tuple[int, int | None, int, bool, int, int],
    class_weight: Mapping[Any, float] | str | None,
    past: Past,
    saved: Saved | None,
) -> tuple[Reader, Plan]:
    """A reader that has looked at the stream, and the plan of the fit.

    Parameters
    ----------
    network : PredictingNetwork
    stream : Stream
    rule : Optimizer
    settings : (int, int or None, int, bool, int, int)
        Rows a step, steps in an epoch where the user wants so many, epochs, whether to shuffle, the seed, and
        of how many steps gradients are added up.
    class_weight : mapping or None
    past : Past
    saved : Saved or None
        The checkpoint from which it goes on.

    Raises
    ------
    StreamError
        If the first part cannot be trained on.
    ParameterError
        If the learning rate changes from step to step, and nobody knows how many there are.
    """
    size, steps, epochs, shuffle, seed, accumulate = settings
    reader = Reader(network, stream, seed if shuffle else None, class_weight, past.epochs)
    reader.look(0 if saved is None else min(saved.position.epoch, epochs - 1))
    if stream.batched:
        size = len(reader.first[-1])
    length = 0
    if steps is not None:
        length = positive_int(steps, "fit: steps_per_epoch", "steps_per_epoch=100")
    elif stream.rows is not None and not stream.batched:
        length = -(-stream.rows // size)
    elif saved is not None:
        length = saved.header.get("length") or 0
    if not length:
        _require_no_length(stream, rule, accumulate)
    common = size, epochs, shuffle, seed, past.epochs, past.steps
    plan = Plan(stream.rows or 0, *common, accumulate=accumulate, length=length)
    plan.averaged = past.averaged
    return reader, plan


def _require_no_length(stream: Stream, rule: Optimizer, accumulate: int) -> None:
    """Raise ParameterError for what has to know how many steps an epoch has."""
    wanted = None
    if not isinstance(rule.schedule, Constant):
        wanted = f"the learning rate {rule.schedule}"
    elif accumulate > 1:
        wanted = f"accumulate={accumulate}"
    elif isinstance(rule.averaging, SWA):
        wanted = f"the averaging {rule.averaging}"
    if wanted is not None:
        raise ParameterError(
            f"fit: {wanted} has to know how many steps an epoch has, and {stream!r} does not tell. Pass "
            "steps_per_epoch."
        )
