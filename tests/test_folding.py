"""Batch normalisation folded into the layers beside it: the same predictions, or the reason why not."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import NotFittedError, ParameterError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)) * [1, 5, 0.1, 1] + [0, 3, 0, -1], np.arange(60) % 3


def norm(**settings):
    return cr.BatchNorm(momentum=0.5, **settings)


def joined():
    """Normalised results that two layers read, and sums of a normalised linear layer with another one."""
    x = cr.Input(4)
    h = norm()(cr.Dense(6, "tanh")(x))
    return cr.Dense(3)(norm()(cr.Dense(5)(h)) + cr.Dropout(0.2)(cr.Dense(5)(h)))


FOLDED = {
    "before, linear": lambda: [cr.Dense(5), norm(), cr.Dense(3)],
    "after an activation": lambda: [cr.Dense(5, "relu"), norm(), cr.Dense(3)],
    "without bias": lambda: [cr.Dense(5, bias=False), norm(), cr.Dense(3)],
    "without bias after": lambda: [cr.Dense(5, "relu"), norm(), cr.Dense(3, bias=False)],
    "at the inputs": lambda: [norm(), cr.Dense(5, "tanh"), cr.Dense(3)],
    "at the output": lambda: [cr.Dense(5, "relu"), cr.Dense(3), norm()],
    "one after another": lambda: [cr.Dense(5, "relu"), norm(), norm(), norm(), cr.Dense(3)],
    "past dropout and noise": lambda: [
        cr.Dense(5, "relu"),
        norm(),
        cr.Dropout(0.2),
        cr.GaussianNoise(0.1),
        cr.Dense(4),
        cr.Dropout(0.1),
        norm(),
        cr.Dense(3),
    ],
    "into maxout": lambda: [cr.Maxout(5), norm(), cr.Maxout(4, pieces=3), norm(), cr.Dense(3)],
    "joined": joined,
    "large eps, frozen": lambda: [cr.Dense(5, "relu"), norm(eps=0.3, frozen="gamma"), cr.Dense(3)],
    "none": lambda: [cr.Dense(5, "relu"), cr.LayerNorm(), cr.Dense(3)],
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", FOLDED)
def test_predictions_are_the_same(kind, dtype, tmp_path):
    net = cr.Network(FOLDED[kind](), "cross_entropy", dtype)
    net.fit(X, np.array(["a", "b", "c"])[Y], optimizer=cr.Adam(0.05), epochs=4, verbose=False, engine="numpy")
    net.metadata["note"], before = 1, net.parameters
    folded = net.fold()
    assert not any(isinstance(layer, cr.BatchNorm) for layer in folded.layers)
    assert len(folded.layers) == sum(not isinstance(layer, cr.BatchNorm) for layer in net.layers)
    close = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-6}
    np.testing.assert_allclose(folded.predict_proba(X), net.predict_proba(X), **close)
    assert folded.predict(X[:2]).tolist() == net.predict(X[:2]).tolist()
    assert folded.metadata == net.metadata
    folded.save(tmp_path / "f.chainrule")
    np.testing.assert_array_equal(cr.load(tmp_path / "f.chainrule").predict_proba(X), folded.predict_proba(X))
    for name, value in before.items():
        np.testing.assert_array_equal(net.parameters[name], value)


def shared_norm():
    x, shared = cr.Input(4), cr.BatchNorm()
    return cr.Dense(3)(cr.Concatenate()(shared(cr.Dense(5, "relu")(x)), shared(cr.Dense(5, "relu")(x))))


def shared_after():
    x, shared = cr.Input(4), cr.Dense(3)
    return shared(cr.BatchNorm()(cr.Dense(5, "relu")(x))) + shared(cr.Dense(5, "relu")(x))


def shared_before():
    x, shared = cr.Input(4), cr.Dense(3)
    return cr.BatchNorm()(shared(x)) + shared(cr.Dense(4, "tanh")(x))


def read_twice():
    h = cr.Dense(3)(cr.Input(4))
    return cr.BatchNorm()(h) + h


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            lambda: [cr.Dense(5, "relu"), cr.BatchNorm(), cr.LayerNorm(), cr.Dense(3)],
            "batch_norm cannot be folded: hidden1 before it is no linear dense layer, and layer_norm after "
            "it is no dense layer",
        ),
        (
            lambda: [
                cr.Dense(5, "relu"),
                cr.BatchNorm(name="a"),
                cr.Dense(3, "tanh"),
                cr.BatchNorm(name="b"),
            ],
            "^fold: b cannot be folded: output before it is no linear dense layer, and its result is an",
        ),
        (lambda: cr.BatchNorm()(cr.Input(3)) + cr.Input(3), "an input before it is no linear"),
        (shared_norm, "it is used in several places"),
        (shared_after, "output after it is used in several places"),
        (shared_before, "output before it is used in several places, and add after it is no dense layer"),
        (read_twice, "the result of output before it goes elsewhere as well"),
    ],
)
def test_what_cannot_be_folded_is_named(layers, message):
    net = cr.Network(layers(), "mse")
    net.build([3, 3] if len(net._wiring.inputs) == 2 else 4)
    with pytest.raises(ParameterError, match=message):
        net.fold()


def test_a_network_without_weights_cannot_be_folded():
    with pytest.raises(NotFittedError, match=r"fold: the network has no weights yet\. Call fit first"):
        cr.Network([cr.Dense(3), cr.BatchNorm()], "mse").fold()
