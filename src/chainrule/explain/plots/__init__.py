"""Plots with matplotlib, each a function that gives a Figure: ``chainrule.plots.first_layer(network)``."""

from .contact import contact_sheet
from .distributions import histograms
from .hidden import hidden_layers
from .regions import decision_regions
from .reliability import reliability
from .starting import learning_rates, signals
from .surface import error_surface
from .weights import first_layer

__all__ = [
    "contact_sheet",
    "decision_regions",
    "error_surface",
    "first_layer",
    "hidden_layers",
    "histograms",
    "learning_rates",
    "reliability",
    "signals",
]
