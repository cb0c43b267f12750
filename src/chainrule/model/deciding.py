"""Networks whose decisions and probabilities can be set right after training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..checks import real_number
from ..explain.network import ExplainedNetwork
from ..training.metrics import Metric

if TYPE_CHECKING:
    from .calibration import Calibration
    from .thresholds import ThresholdReport


class DecidingNetwork(ExplainedNetwork):
    """A network with a threshold, and calibrated probabilities."""

    @property
    def threshold(self) -> float | None:
        """The probability of the second class from which on `predict` says it; None for the likelier class.

        It may be set, between 0 and 1, or to None. It is saved with the network; each fit forgets it.
        """
        return self._codings[0].threshold if len(self._codings) == 1 else None

    @threshold.setter
    def threshold(self, value: float | None) -> None:
        from .thresholds import need_two_classes

        need_two_classes(self, "threshold")
        checked = None if value is None else real_number(value, "threshold", 0, 1, low_too=False)
        self._codings = [replace(self._codings[0], threshold=checked)]

    def summary(self) -> str:
        """A table of the layers, at most 80 columns wide, and the threshold where there is one.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        text = super().summary()
        if self.threshold is None:
            return text
        label = f"{self.classes[1].item()!r:.40}"
        return f"{text}\n{label} is predicted from a probability of {self.threshold:.4g} on"

    def tune_threshold(self, X: Any, y: Any, measure: Metric = "balanced_accuracy") -> ThresholdReport:
        """Choose the threshold that is best by a measure, on rows that were not trained on.

        What is predicted from then on changes, by `predict`, `evaluate` and all that count decisions;
        probabilities stay as they are. For two classes: one output with binary_cross_entropy, or two with
        cross_entropy or focal.

        Parameters
        ----------
        X, y : array-like
            As for `fit`, with rows of both classes.
        measure : str or callable
            As for `scorer`: "balanced_accuracy", "f1", ..., or what `make_scorer` gives, larger being better.
            To be exact it must grow with every yes that is found and every no that is left alone, as these
            do; of more than 200 rows of yes it is tried at 200 of their probabilities.

        Returns
        -------
        ThresholdReport

        Raises
        ------
        NotFittedError
            Before a fit.
        ParameterError
            If there are not two classes with probabilities, or the measure is the same with every threshold;
            UnknownNameError, one of its kinds, if there is no such measure.
        ShapeError, DTypeError, DataError
            If X or y does not fit the network, or y has one class alone.

        References
        ----------
        Elkan (2001), The foundations of cost-sensitive learning.
        """
        from .thresholds import tune_threshold

        return tune_threshold(self, X, y, measure)

    def calibrate(self, X: Any, y: Any, method: str = "temperature") -> Calibration:
        """Scale the last layer so that probabilities come true on rows that were not trained on.

        The log loss on these rows is made least. What is found goes into the last layer's weights and biases:
        the network stays a network like any other, to be saved, printed and explained.

        Parameters
        ----------
        X, y : array-like
            As for `fit`; some hundred rows, none of them trained on.
        method : {"temperature", "bias_corrected"}
            Divide all logits by one number, which leaves every decision as it is; or also add a number to
            that of each class, as is needed where training saw classes in other shares than there are
            (class weights, sampling). For two classes the second is Platt's sigmoid.

        Returns
        -------
        Calibration
            With log loss and Brier score before and after.

        Raises
        ------
        NotFittedError
            Before a fit.
        ParameterError
            If the network gives no probabilities of classes, or its last layer is not a linear `Dense` of its
            own; UnknownNameError, one of its kinds, for another method.
        ShapeError, DTypeError, DataError
            If X or y does not fit the network, a class has no rows, or the rows say nothing of the scale.

        References
        ----------
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks. Platt (1999),
        Probabilistic outputs for support vector machines. Alexandari, Kundaje and Shrikumar (2020), Maximum
        likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation.
        """
        from .calibration import calibrate

        return calibrate(self, X, y, method)
