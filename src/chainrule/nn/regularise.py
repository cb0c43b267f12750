"""Layers that make training steadier: dropout, noise, batch normalisation and layer normalisation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..checks import not_negative, real_array, real_number
from ..errors import DataError, ParameterError
from ..graph.tensor import Tensor, size
from ..ops import sqrt, where
from .layers import Context, Layer

Array = np.ndarray[Any, Any]


def remainder(share: float) -> float:
    """1 - share without the digits that rounding leaves, so that printed source has 0.1 beside 0.9.

    >>> 1 - 0.9, remainder(0.9)
    (0.09999999999999998, 0.1)
    """
    return float(f"{1 - share:.12g}")


class Randomised(Layer):
    """A layer without parameters that is random in training, and passes its input on in prediction."""

    two_modes = True

    @property
    def inputs(self) -> None:
        return None

    def outputs(self, *inputs: int) -> int:
        return inputs[0]

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        if parameters:
            raise ParameterError(f"{cls.__name__}: has no parameters, got {sorted(parameters)}")
        return cls(**settings, name=name)


class Dropout(Randomised):
    """In training, each number is set to 0 with a probability, and the others grow to make up for it.

    What is kept is divided by 1 - rate, so that prediction takes all numbers as they are ("inverted" dropout,
    as in PyTorch and Keras). Which are kept depends on the fit's seed, the step, the layer's place in the
    network and the number's place in the batch: on nothing else, so both engines keep the same.

    Parameters
    ----------
    rate : float
        The probability, from 0 (nothing happens) to below 1.
    name : str, optional
        A plain identifier.

    Raises
    ------
    ParameterError
        For a rate out of its range, or a name that is no identifier.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout: a simple way to prevent
    neural networks from overfitting.
    """

    kind = "dropout"

    def __init__(self, rate: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name)
        self.rate = real_number(rate, "Dropout: rate", 0, 1)

    def __repr__(self) -> str:
        named = f", name={self.name!r}" if self.name else ""
        return f"Dropout({self.rate:g}{named})"

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        if not context.training or not self.rate:
            return x
        kept = context.uniform(x.shape, x.dtype.name) >= self.rate
        kept.name = f"kept{context.tag}"
        dropped = where(kept, x / remainder(self.rate), 0.0)
        dropped.name = f"dropped{context.tag}"
        return dropped

    def settings(self) -> dict[str, Any]:
        return {"rate": self.rate}


class GaussianNoise(Randomised):
    """In training, each number gets a normal random number of mean 0 added to it; none in prediction.

    At the inputs this holds the network's slopes small: to second order in the noise, a squared error's mean
    grows by std**2 times the sum of the squared slopes by the inputs, which is Tikhonov's regularisation.
    Put behind `Standardize`, one std suits all columns. The noise depends on the fit's seed, the step, the
    layer's place in the network and the number's place in the batch, as `Dropout`'s choice does.

    Parameters
    ----------
    std : float
        The noise's standard deviation, in the unit of what it is added to; at least 0 (nothing happens).
    name : str, optional
        A plain identifier.

    Raises
    ------
    ParameterError
        For a std that is negative or no number, or a name that is no identifier.

    References
    ----------
    Bishop (1995), Training with noise is equivalent to Tikhonov regularization, Neural Computation 7.
    """

    kind = "gaussian_noise"

    def __init__(self, std: float = 0.1, *, name: str | None = None) -> None:
        super().__init__(name)
        self.std = not_negative(std, "GaussianNoise: std")

    def __repr__(self) -> str:
        named = f", name={self.name!r}" if self.name else ""
        return f"GaussianNoise({self.std:g}{named})"

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        if not context.training or not self.std:
            return x
        noise = context.normal(x.shape, x.dtype.name)
        noise.name = f"noise{context.tag}"
        noisy = x + self.std * noise
        noisy.name = f"noisy{context.tag}"
        return noisy

    def settings(self) -> dict[str, Any]:
        return {"std": self.std}


class Normalisation(Layer):
    """gamma * (x - mean) / sqrt(var + eps) + beta, with a mean and variance that a kind of layer says."""

    trained = ("gamma", "beta")
    starts: ClassVar[dict[str, float]] = {"gamma": 1.0, "beta": 0.0}  # every parameter's initial value

    def __init__(self, eps: float, frozen: bool | str | Iterable[str], name: str | None) -> None:
        super().__init__(name, frozen)
        self.eps = real_number(eps, f"{type(self).__name__}: eps", 0, math.inf, low_too=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'name={self.name!r}' if self.name else ''})"

    @property
    def inputs(self) -> int | None:
        return len(self.given["gamma"]) if "gamma" in self.given else None

    def outputs(self, *inputs: int) -> int:
        return inputs[0]

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(self.starts, (inputs,))

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        return np.full(inputs, self.starts[parameter])

    def statistics(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> tuple[Tensor, Tensor]:
        """The mean and variance to normalise with, of shapes that stretch to that of x."""
        raise NotImplementedError

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        mean, var = self.statistics(x, leaves, context)
        normed = (x - mean) / sqrt(var + self.eps)
        normed.name = f"normed{context.tag}"
        scaled = leaves["gamma"] * normed + leaves["beta"]
        scaled.name = f"scaled{context.tag}"
        return scaled

    def settings(self) -> dict[str, Any]:
        return {"eps": self.eps, "frozen": sorted(self.frozen)}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        if set(parameters) != set(cls.starts):
            raise ParameterError(
                f"{cls.__name__}: parameters are {', '.join(cls.starts)}, got {sorted(parameters)}"
            )
        layer = cls(**settings, name=name)
        for parameter, value in parameters.items():
            layer.given[parameter] = real_array(value, f"{cls.__name__}: {parameter}", 1)
        if (layer.given.get("var", np.zeros(1)) < 0).any():
            raise DataError(f"{cls.__name__}: var must not be negative.")
        return layer


class BatchNorm(Normalisation):
    """Every column is brought to mean 0 and variance 1 over the batch, then to a scale and place of its own.

    y = gamma * (x - mean) / sqrt(var + eps) + beta. In training, mean and var are the batch's (the variance
    divided by n), and running ones take them in; prediction takes the running ones::

        new_mean = momentum * mean + (1 - momentum) * batch_mean
        new_var = momentum * var + (1 - momentum) * (batch_var + momentum * (batch_mean - mean)**2)

    These are the mean and variance of the mixture of what came before and the batch, exactly, however small
    the batch: its mean's distance from the running mean counts as spread. Even batches of one row give the
    right running variance in this way. A batch of one row has no spread of its own, so it is normalised with
    the running mean and variance as they were before.

    Parameters
    ----------
    momentum : float
        What the running mean and variance keep in a step, from 0 to below 1.
    eps : float
        Added to the variance, above 0; in the inputs' unit squared.
    frozen : bool or str
        True, "gamma" or "beta": what training leaves as it is. True leaves the running mean and variance as
        well, and normalises with them in training, too.
    name : str, optional
        A plain identifier.

    Raises
    ------
    ParameterError
        For numbers out of their range, or a name that is no identifier.

    Notes
    -----
    PyTorch's momentum is 1 minus this one. PyTorch and Keras average the batches' variances alone, without
    the distance of their means; PyTorch divides them by n - 1. With a single row PyTorch refuses, and Keras
    gives beta whatever the row. Keras's defaults are momentum 0.99 and eps 1e-3.

    References
    ----------
    Ioffe and Szegedy (2015), Batch normalization: accelerating deep network training by reducing internal
    covariate shift. Finch (2009), Incremental calculation of weighted mean and variance, section 9.
    """

    kind = "batch_norm"
    two_modes = True
    starts: ClassVar[dict[str, float]] = {**Normalisation.starts, "mean": 0.0, "var": 1.0}

    def __init__(
        self,
        momentum: float = 0.9,
        eps: float = 1e-5,
        *,
        frozen: bool | str | Iterable[str] = False,
        name: str | None = None,
    ) -> None:
        super().__init__(eps, frozen, name)
        self.momentum = real_number(momentum, "BatchNorm: momentum", 0, 1)

    def statistics(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> tuple[Tensor, Tensor]:
        changes = context.changes
        m, rest = self._kept(context)
        mean, var = (changes.get(leaves[key], leaves[key]) for key in ("mean", "var"))
        if not context.training or len(self.frozen) == len(self.trained):
            return mean, var
        batch_mean = x.mean(axis=0)
        batch_mean.name = f"batch_mean{context.tag}"
        batch_var = ((x - batch_mean) ** 2).mean(axis=0)
        batch_var.name = f"batch_var{context.tag}"
        spread = batch_var + m * (batch_mean - mean) ** 2
        spread.name = f"spread{context.tag}"
        changes[leaves["mean"]] = m * mean + rest * batch_mean
        changes[leaves["var"]] = m * var + rest * spread
        several = size(x.shape[0]) > 1
        several.name = "several_rows"
        return where(several, batch_mean, mean), where(several, batch_var, var)

    def _kept(self, context: Context) -> tuple[Any, Any]:
        """The shares of what came before and of the batch in the running mean and variance."""
        if context.keep is not None:
            return context.keep, 1 - context.keep
        return self.momentum, remainder(self.momentum)

    def settings(self) -> dict[str, Any]:
        return {"momentum": self.momentum, **super().settings()}


class LayerNorm(Normalisation):
    """Every row is brought to mean 0 and variance 1 over its columns, then each column to a scale and place.

    y = gamma * (x - mean) / sqrt(var + eps) + beta, with a row's own mean and variance (divided by the number
    of columns): rows do not depend on each other, and prediction does what training does.

    Parameters
    ----------
    eps : float
        Added to the variance, above 0; in the inputs' unit squared. PyTorch's default; Keras has 1e-3.
    frozen : bool or str
        True, "gamma" or "beta": what training leaves as it is.
    name : str, optional
        A plain identifier.

    Raises
    ------
    ParameterError
        For an eps out of its range, or a name that is no identifier.

    References
    ----------
    Ba, Kiros and Hinton (2016), Layer normalization, eq. 4.
    """

    kind = "layer_norm"

    def __init__(
        self, eps: float = 1e-5, *, frozen: bool | str | Iterable[str] = False, name: str | None = None
    ) -> None:
        super().__init__(eps, frozen, name)

    def statistics(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> tuple[Tensor, Tensor]:
        mean = x.mean(axis=1, keepdims=True)
        mean.name = f"row_mean{context.tag}"
        var = ((x - mean) ** 2).mean(axis=1, keepdims=True)
        var.name = f"row_var{context.tag}"
        return mean, var
