"""Whether networks can be members of one ensemble: they must take the same rows and predict the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..checks import counted
from ..errors import NotFittedError, ParameterError
from ..model.network import Network

CLASSES, ANSWERS, VALUES = "classes", "columns of yes or no", "values"
WHAT = "Ensemble"


def checked_networks(networks: Any) -> list[Network]:
    """Networks with one output each, as a list; raises ParameterError."""
    listed = list(networks) if isinstance(networks, list | tuple) else [networks]
    if not listed or not all(isinstance(network, Network) for network in listed):
        wrong = next((x for x in listed if not isinstance(x, Network)), networks)
        raise ParameterError(f"{WHAT}: expected networks, got {wrong!r:.60}. Pass e.g. [net1, net2].")
    for k, network in enumerate(listed, 1):
        if len(network._losses) > 1:
            outputs = counted(len(network._losses), "output")
            raise ParameterError(
                f"{WHAT}: network {k} has {outputs}; members have one. Make an ensemble for each output."
            )
    return listed


def kind_of(network: Network) -> str:
    """What a network predicts: classes, several answers of yes or no, or values."""
    target = network._losses[0].target
    if target == "values":
        return VALUES
    several = target == "binary" and network.widths != [1]
    known = bool(network._codings) and network._codings[0].classes is None
    return ANSWERS if several or (target == "binary" and known) else CLASSES


def require_agreement(networks: Sequence[Network], combine: str) -> None:
    """Raise ParameterError, with the differences, for networks that do not take and predict the same.

    Raises
    ------
    NotFittedError
        If one has no weights.
    """
    for k, network in enumerate(networks, 1):
        if not network.built:
            raise NotFittedError(f"{WHAT}: network {k} has no weights yet. Call its fit first.")
    require_same_targets(networks, combine)


def require_same_targets(networks: Sequence[Network], combine: str) -> None:
    """As `require_agreement`, for networks that need not have weights, only known sizes."""
    first = _facts(networks[0])
    found = [
        line for k, network in enumerate(networks[1:], 2) for line in _differences(k, first, _facts(network))
    ]
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        raise ParameterError(
            f"{WHAT}: its networks differ in what they take or predict:{listed}\n"
            "Take networks for the same inputs and targets."
        )
    losses = [network._losses[0] for network in networks]
    if combine == "vote" and first["targets"] == VALUES:
        raise ParameterError(f"{WHAT}: combine='vote' is for classes, and the networks predict values.")
    if combine == "mean" and first["targets"] != VALUES:
        for loss in losses:
            if not loss.probabilities:
                raise ParameterError(
                    f"{WHAT}: combine='mean' is of probabilities, and loss {loss.name!r} gives none. "
                    "Pass combine='vote'."
                )


def _facts(network: Network) -> dict[str, Any]:
    kind, coding = kind_of(network), network._codings[0] if network._codings else None
    sizes = network._known_inputs()
    names = [name for _, name in network._wiring.inputs]
    facts: dict[str, Any] = {"inputs": sizes if len(sizes) > 1 else sizes[0], "targets": kind}
    if any(names):
        facts["names of inputs"] = names
    if kind == CLASSES:
        labels = None if coding is None or coding.classes is None else coding.classes
        facts["classes"] = None if labels is None else labels.tolist()
        facts["number of classes"] = max(2, network.widths[0]) if labels is None else len(labels)
    else:
        facts["outputs"] = network.widths[0]
        facts["axes of targets"] = None if coding is None else 1 + coding.columns
    return facts


def _differences(k: int, first: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*first, *other]):
        one, two = first.get(name), other.get(name)
        if one != two:
            yield f"{name}: {_short(one)} of network 1, {_short(two)} of network {k}"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "none" if value is None else text
    return text if len(text) <= 60 else f"{text[:57]}..."
