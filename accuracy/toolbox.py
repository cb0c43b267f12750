"""What each of the training tools does on real data: a part of `make accuracy` for each subject."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Subject:
    """A part of `make accuracy`, in a file of its own.

    Attributes
    ----------
    title : str
        Of its section in RESULTS.md.
    module : str
        Its file, loaded when it is run. ``report(seeds, tell)`` trains and returns the section's text, and
        whether all that is asked is met; seeds is None for as many as the subject asks for, and
        ``tell(line)`` shows how far it is.
    """

    title: str
    module: str

    def report(self, seeds: int | None, tell: Callable[[str], None]) -> tuple[str, bool]:
        """Train, and return the section's text, and whether all that is asked is met."""
        text, met = import_module(self.module).report(seeds, tell)
        return text, met


SUBJECTS: dict[str, Subject] = {
    "second-order": Subject("Conjugate gradients, Levenberg-Marquardt, SAM, accumulation", "second_order"),
    "imbalance": Subject("Classes of unequal size", "imbalance"),
    "starting": Subject("Starting: first weights and learning rates", "starting"),
    "variants": Subject("Variants from the literature", "variants"),
    "stopping": Subject("How long to train, by cross-validation", "stopping"),
    "regularising": Subject("What regularises", "regularising"),
    "images": Subject("Images", "images"),
    "ensembles": Subject("Ensembles and distillation", "ensembles"),
}
