"""What a checkpoint holds of a fit beside the network, and whether another fit can go on from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError, ParameterError
from ..optim.rules import Optimizer
from .checkpoint import Checkpoint, Content, Position
from .data import Coding
from .describe import coding_to_json, network_to_json
from .history import History, Past
from .plan import Plan
from .sparse import Mapped, is_sparse
from .stored import StoredNetwork

Array = np.ndarray[Any, Any]
FIT = "fit"  # of the header; with a colon, what the names of a fit's own tensors begin with
SHOWN = 8  # differences listed in an error
FREE = ("epochs", "length")  # of a plan, what may differ


@dataclass(frozen=True)
class Saved:
    """A fit from a checkpoint.

    Attributes
    ----------
    path : Path
    header : dict
        What was written of the fit as JSON.
    weights : dict of str to ndarray
        The network's parameters.
    tensors : dict of str to ndarray
        The fit's own, by kind and name: "state:v_W1", "history:loss", "callback0:best", ...
    """

    path: Path
    header: dict[str, Any]
    weights: dict[str, Array]
    tensors: dict[str, Array]

    @property
    def position(self) -> Position:
        return Position(self.header["epoch"], self.header["step"], self.tensors["losses"])

    @property
    def past(self) -> Past:
        """Where the fit began, and what its rule remembers."""
        plan = self.header["plan"]
        live = self.part("live")
        given = self.weights if live else {}
        begun = plan["first_epoch"], plan["first_step"]
        return Past(*begun, self.part("state"), live, given, plan["averaged"])

    def part(self, kind: str) -> dict[str, Array]:
        """The tensors of a kind, by the rest of their names."""
        start = f"{kind}:"
        return {name.removeprefix(start): x for name, x in self.tensors.items() if name.startswith(start)}


def saved_fit(checkpoint: Checkpoint) -> Saved | None:
    """The fit of a folder's last checkpoint; None if there is none.

    Raises
    ------
    CheckpointError
        If it is a model file without a fit.
    """
    found = checkpoint.newest()
    if found is None:
        return None
    path, (header, tensors) = found
    if FIT not in header:
        raise CheckpointError(f"{path}: is a model, and holds nothing of a fit. Pass another folder.")
    own = {name: x for name, x in tensors.items() if name.startswith(f"{FIT}:")}
    weights = {name: x for name, x in tensors.items() if name not in own and ":" not in name}
    return Saved(path, header[FIT], weights, {name.partition(":")[2]: x for name, x in own.items()})


def the_checkpoint(
    callbacks: Sequence[Any], rule: Optimizer, resume: bool, go_on: bool, recorded: bool
) -> Checkpoint | None:
    """The checkpoint among the callbacks.

    Raises
    ------
    ParameterError
        If there are two, or a fit is to resume that cannot.
    """
    found = [c for c in callbacks if isinstance(c, Checkpoint)]
    if len(found) > 1:
        raise ParameterError("fit: there are two Checkpoints among the callbacks. Pass one.")
    if resume and not found:
        raise ParameterError(
            "fit: resume=True needs to know the folder. Pass callbacks=[Checkpoint('runs')] as well."
        )
    if resume and go_on:
        raise ParameterError("fit: go_on and resume contradict each other: pass one of them.")
    if resume and recorded:
        raise ParameterError(
            "fit: record and resume contradict each other: a ledger holds a training from its start. Pass "
            "one of them."
        )
    if resume and rule.whole_batch:
        raise ParameterError(
            f"fit: {type(rule).__name__} cannot resume: SciPy does not give out what its search remembers. "
            "Load the last checkpoint, and fit anew from its weights."
        )
    return found[0] if found else None


def content(
    network: StoredNetwork,
    identity: Mapping[str, Any],
    position: Position,
    length: int | None,
    weights: Mapping[str, Array],
    state: Mapping[str, Array],
    history: History,
    callbacks: Sequence[Any],
) -> Content:
    """A checkpoint's header and tensors."""
    header, tensors = network.file_content()
    own: dict[str, Array] = {"losses": np.asarray(position.losses, np.float64)}
    own |= state
    own |= {f"history:{name}": np.asarray(history[name], np.float64) for name in history.measures}
    own["history:learning_rate"] = np.asarray(history.learning_rate, np.float64)
    for i, callback in enumerate(remembering(callbacks)):
        own |= {f"callback{i}:{name}": np.asarray(value) for name, value in callback.state().items()}
    fit = {
        **identity,
        "epoch": position.epoch,
        "step": position.step,
        "length": length,
        "stopped": history.stopped,
        "engine": history.engine,
    }
    renamed = {f"{FIT}:{name}": value for name, value in own.items()}
    return {**header, FIT: fit}, {**tensors, **weights, **renamed}


def remembering(callbacks: Sequence[Any]) -> list[Any]:
    """The callbacks that have something to remember: with methods `state` and `restore`."""
    return [c for c in callbacks if all(callable(getattr(c, m, None)) for m in ("state", "restore"))]


def identity_of(
    network: StoredNetwork,
    rule: Optimizer,
    plan: Plan,
    tables: Mapping[str, Sequence[Any]],
    callbacks: Sequence[Any],
    codings: Sequence[Coding],
) -> dict[str, Any]:
    """All that must be the same for a fit to go on."""
    return {
        "network": {key: x for key, x in network_to_json(network).items() if key != "inputs"},
        "targets": [coding_to_json(coding) for coding in codings],
        "optimizer": rule.to_json() or repr(rule),
        "plan": asdict(plan),
        "data": {name: [digest(x) for x in listed if x is not None] for name, listed in tables.items()},
        "callbacks": [type(c).__name__ for c in remembering(callbacks)],
    }


def digest(table: Any) -> dict[str, Any]:
    parts = [table.data, table.indices, table.indptr] if is_sparse(table) else [table]
    parts = [table.array] if isinstance(table, Mapped) else parts
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return {"shape": list(table.shape), "content": digest.hexdigest()}


def require_same(saved: Saved, identity: Mapping[str, Any]) -> None:
    """Raise CheckpointError, with the differences, where a fit is not the one that was saved."""
    plan = {name: value for name, value in identity["plan"].items() if name not in FREE}
    here = {**identity, "plan": plan}
    there = {name: saved.header.get(name) for name in here}
    there["plan"] = {name: (saved.header.get("plan") or {}).get(name) for name in plan}
    found = list(_differences("", there, here))
    if found:
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        listed = "".join(f"\n  {line}" for line in found[:SHOWN])
        raise CheckpointError(
            f"{saved.path}: is a checkpoint of another fit:{listed}{more}\nFit as before, or with "
            "another folder; pass resume=False to begin anew."
        )


def _differences(name: str, there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            yield from _differences(f"{name}.{key}" if name else key, there.get(key), here.get(key))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from _differences(f"{name}[{i}]", a, b)
    elif there != here:
        if name.endswith(".content"):
            yield f"{name.removesuffix('.content')}: other values"
        else:
            yield f"{name}: {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
