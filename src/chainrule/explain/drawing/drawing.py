"""`Network.draw`: which form a diagram takes, and what is said of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...checks import counted
from ...errors import ParameterError, unknown_name
from .diagram import Plan, make_plan
from .diagram_full import draw_full
from .diagram_summary import draw_summary
from .svg import Canvas, Picture, check_theme, finished, short

if TYPE_CHECKING:
    from ...training.metrics import MeasuredNetwork

FORMS = ("auto", "full", "summary")
FULL, MOST = 12, 32  # neurons in a column that are drawn one by one by themselves, and at most


def draw_network(
    network: MeasuredNetwork,
    X: Any = None,
    y: Any = None,
    edges: str = "weights",
    neurons: str | None = None,
    rows: int | Sequence[int] | None = None,
    form: str = "auto",
    theme: str = "auto",
) -> Picture:
    """See `Network.draw`."""
    check_theme(theme)
    if form not in FORMS:
        raise unknown_name("draw: form", form, FORMS)
    plan = make_plan(network, X, y, edges, neurons, rows)
    widest = max(plan.groups, key=lambda group: group.size)
    if form == "full" and widest.size > MOST:
        raise ParameterError(
            f"draw: {widest.title} has {counted(widest.size, 'neuron')}; up to {MOST} can be drawn one by "
            "one. Take form='summary'."
        )
    canvas = Canvas()
    if form == "full" or (form == "auto" and widest.size <= FULL):
        width, height = draw_full(plan, canvas)
    else:
        width, height = draw_summary(plan, canvas)
    return finished(canvas, width, height, plan.title, describe(plan), theme)


def describe(plan: Plan) -> list[str]:
    """The diagram in sentences, for those who cannot see it."""
    lines = []
    for k, group in enumerate(plan.groups):
        taken = [plan.groups[link.source].title for link in plan.links if link.target == k]
        what = ", ".join(filter(None, [counted(group.size, "number"), group.detail]))
        lines.append(f"{group.title}: {what}{f', from {chr(32).join(taken)}' if taken else ''}.")
    for link in plan.links:
        if link.weights is not None and plan.edges != "none":
            low, high = short(link.weights.min()), short(link.weights.max())
            what = "Derivatives by" if plan.edges == "gradients" else "Weights"
            lines.append(f"{what} {link.name}: from {low} to {high}.")
    return [*lines, *plan.notes]
