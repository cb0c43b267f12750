"""Initial weights: random numbers whose spread keeps signals alive from layer to layer.

They depend on the seed, the layer's position and the layer's size, and on nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np

from ..checks import real_number
from ..errors import ParameterError, unknown_name
from ..graph.op import HELPERS

Array = np.ndarray[Any, Any]


class Purpose(IntEnum):
    """What a seed's random numbers are for: each purpose has numbers of its own."""

    WEIGHTS = 1
    SHUFFLE = 2
    # 3 and 4: rows held back by the command line
    AUGMENT = 5
    MIXUP = 8
    MEMBERS = 20  # of an ensemble: the seed of each
    BOOTSTRAP = 21
    LAYERS = 1024  # and from there one for each layer's draws in training


@dataclass(frozen=True)
class Draws:
    """The random numbers of one layer's weights.

    Attributes
    ----------
    seed : int
    position : int
        The layer's, counted from 0: layers of one network get different numbers.
    part : int
        Counted from 0, for layers that draw several times.
    """

    seed: int
    position: int
    part: int = 0

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Numbers in [0, 1), as float64."""
        step = self.position + (self.part << 32)
        drawn: Array = HELPERS["uniform"](shape, self.seed, step, int(Purpose.WEIGHTS), "float64")
        return drawn

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Numbers of mean 0 and variance 1, from two uniform ones each (Box and Muller, 1958), as float64."""
        u, v = self.uniform((2, *shape))
        drawn: Array = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * math.pi * v)
        return drawn


@dataclass(frozen=True)
class Init:
    """How weights start.

    Attributes
    ----------
    name : str
    """

    name: ClassVar[str]

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        """Weights of float64, shape (inputs, units)."""
        raise NotImplementedError

    def to_json(self) -> Any:
        """Name and settings, as `init_from_json` takes them."""
        return {"name": self.name, **dataclasses.asdict(self)}

    def _check(self, name: str, low: float = -math.inf) -> None:
        """Make a setting a float, refused where it is not finite or not above `low`."""
        what = f"{type(self).__name__}: {name}"
        object.__setattr__(self, name, real_number(getattr(self, name), what, low, math.inf, low_too=False))


@dataclass(frozen=True)
class Scaled(Init):
    """What initial weights share whose variance is a gain divided by a number of connections.

    Parameters
    ----------
    distribution : {"uniform", "normal"}
        Evenly between minus and plus sqrt(3 * variance), or normal numbers, none of them cut off.
    """

    distribution: str = "uniform"

    gain: ClassVar[float]

    def __post_init__(self) -> None:
        if self.distribution not in ("uniform", "normal"):
            what = f"{type(self).__name__}: distribution"
            raise unknown_name(what, self.distribution, ("uniform", "normal"))

    def connections(self, inputs: int, units: int) -> int:
        """What the gain is divided by."""
        return inputs

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        count = self.connections(inputs, units)
        if self.distribution == "normal":
            return math.sqrt(self.gain / count) * draws.normal((inputs, units))
        return (2 * draws.uniform((inputs, units)) - 1) * math.sqrt(3 * self.gain / count)


@dataclass(frozen=True)
class Glorot(Scaled):
    """A variance of 2 / (inputs + units), for tanh and its kin: between what either direction asks for.

    Parameters
    ----------
    distribution : {"uniform", "normal"}
        Uniform: between minus and plus sqrt(6 / (inputs + units)). Keras cuts normal numbers off at two
        standard deviations, PyTorch does not, nor does this.

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks,
    eq. 16.
    """

    name = "glorot"
    gain = 2

    def connections(self, inputs: int, units: int) -> int:
        return inputs + units


@dataclass(frozen=True)
class He(Scaled):
    """A variance of 2 / inputs, for ReLU and its kin, which let half of the signal through.

    Parameters
    ----------
    distribution : {"uniform", "normal"}
        Uniform: between minus and plus sqrt(6 / inputs).

    References
    ----------
    He, Zhang, Ren and Sun (2015), Delving deep into rectifiers, eq. 10.
    """

    name = "he"
    gain = 2


@dataclass(frozen=True)
class LeCun(Scaled):
    """A variance of 1 / inputs, so that weighted sums have the inputs' variance; what SELU is made for.

    Parameters
    ----------
    distribution : {"uniform", "normal"}
        Uniform: between minus and plus sqrt(3 / inputs).

    References
    ----------
    LeCun, Bottou, Orr and Mueller (1998), Efficient backprop, eq. 16.
    """

    name = "lecun"
    gain = 1


@dataclass(frozen=True)
class Uniform(Init):
    """Evenly from `low` to `high`, whatever the layer's size.

    Parameters
    ----------
    low, high : float
    """

    low: float = -0.05
    high: float = 0.05

    name = "uniform"

    def __post_init__(self) -> None:
        self._check("low")
        self._check("high", self.low)

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        return self.low + (self.high - self.low) * draws.uniform((inputs, units))


@dataclass(frozen=True)
class Normal(Init):
    """Normal numbers of mean 0, whatever the layer's size.

    Parameters
    ----------
    std : float
        The standard deviation, above 0.
    """

    std: float = 0.05

    name = "normal"

    def __post_init__(self) -> None:
        self._check("std", 0)

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        return self.std * draws.normal((inputs, units))


@dataclass(frozen=True)
class Orthogonal(Init):
    """A random rotation, times the gain: columns at right angles, or rows where units outnumber inputs.

    Signals keep their length through a deep linear network. Every rotation is as likely as any other: the
    signs of the QR decomposition's diagonal are put into Q.

    Parameters
    ----------
    gain : float
        The length of the columns (or rows), above 0; e.g. sqrt(2) for ReLU.

    References
    ----------
    Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks. Mezzadri (2007), How to generate random matrices from the classical compact groups.
    """

    gain: float = 1.0

    name = "orthogonal"

    def __post_init__(self) -> None:
        self._check("gain", 0)

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        q, r = np.linalg.qr(draws.normal((max(inputs, units), min(inputs, units))))
        rotation: Array = self.gain * q * np.where(np.diagonal(r) < 0, -1, 1)
        return rotation if inputs >= units else rotation.T


@dataclass(frozen=True)
class Constant(Init):
    """One number for all weights. Units of one layer then stay alike: they get the same gradients.

    Parameters
    ----------
    value : float
    """

    value: float = 0.0

    name = "constant"

    def __post_init__(self) -> None:
        self._check("value")

    def draw(self, inputs: int, units: int, draws: Draws) -> Array:
        return np.full((inputs, units), self.value)


INITS: dict[str, type[Init]] = {
    cls.name: cls for cls in (Constant, Glorot, He, LeCun, Normal, Orthogonal, Uniform)
}


def find_init(init: object) -> Init:
    """Initial weights as they are, or by name with default settings; raises ParameterError."""
    if isinstance(init, Init):
        return init
    if not isinstance(init, str):
        raise ParameterError(
            f"init must be a name such as 'he' or an object such as He(), got {init!r:.60}. "
            "Arrays go to the layer as weights=."
        )
    if init == "lsuv":
        raise ParameterError(
            "init 'lsuv' is found from rows, for all layers together. Call net.build_lsuv(X) before fit."
        )
    if init not in INITS:
        raise unknown_name("init", init, INITS)
    return INITS[init]()


def init_from_json(value: Any) -> Init:
    """Initial weights from what a model file holds, a name with settings; raises ParameterError."""
    if not isinstance(value, dict):
        return find_init(value)
    name = value.get("name")
    if not isinstance(name, str) or name not in INITS:
        raise unknown_name("init", name, INITS)
    known = {field.name for field in dataclasses.fields(INITS[name])}
    settings = {key: setting for key, setting in value.items() if key != "name"}
    for key in settings.keys() - known:
        raise unknown_name(f"init {name!r}: setting", key, known)
    return INITS[name](**settings)
