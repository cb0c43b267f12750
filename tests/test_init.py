"""Initial weights: their bounds and spread, where they come from, and what they refuse."""

import json
import math

import numpy as np
import pytest

from chainrule.errors import ParameterError, UnknownNameError
from chainrule.nn.dense import Dense
from chainrule.nn.init import (
    INITS,
    Constant,
    Draws,
    Glorot,
    He,
    LeCun,
    Normal,
    Orthogonal,
    Uniform,
    find_init,
    init_from_json,
)
from chainrule.nn.network import BaseNetwork

DRAWS = Draws(seed=3, position=0)
VARIANCES = [  # for 400 inputs and 300 units
    (Glorot(), 2 / 700),
    (He(), 2 / 400),
    (LeCun(), 1 / 400),
    (Uniform(-0.2, 0.2), 0.04 / 3),
    (Glorot("normal"), 2 / 700),
    (He("normal"), 2 / 400),
    (LeCun("normal"), 1 / 400),
    (Normal(0.3), 0.09),
]
EVEN = [(init, variance) for init, variance in VARIANCES if "normal" not in repr(init).lower()]
NORMAL = [(init, variance) for init, variance in VARIANCES if "normal" in repr(init).lower()]


@pytest.mark.parametrize(("init", "variance"), EVEN, ids=repr)
def test_weights_fill_their_interval_evenly(init, variance):
    drawn, bound = init.draw(400, 300, DRAWS), math.sqrt(3 * variance)
    assert drawn.shape == (400, 300)
    assert 0.999 * bound < np.abs(drawn).max() <= bound
    # 120,000 draws: mean and variance within five standard errors of a uniform distribution's
    assert abs(drawn.mean()) < 5 * bound / math.sqrt(3 * drawn.size)
    assert abs(drawn.var() / variance - 1) < 5 * math.sqrt(0.8 / drawn.size)


@pytest.mark.parametrize(("init", "variance"), NORMAL, ids=repr)
def test_normal_weights_have_the_moments_of_normal_numbers(init, variance):
    drawn = init.draw(400, 300, DRAWS) / math.sqrt(variance)
    assert drawn.shape == (400, 300)
    # moments of 120,000 normal numbers, within five standard errors
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((drawn**power).mean() - moment) < 5 * math.sqrt(spread / drawn.size)
    assert np.abs(drawn).max() > 4  # none is cut off


def test_a_range_need_not_be_around_0():
    drawn = Uniform(2, 3).draw(200, 50, DRAWS)
    assert 2 <= drawn.min() < 2.001
    assert 2.999 < drawn.max() < 3


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 3), (3, 1)])
def test_orthogonal_weights_are_rotations(shape):
    drawn = Orthogonal(2.0).draw(*shape, DRAWS) / 2
    assert drawn.shape == shape
    product = drawn.T @ drawn if shape[0] >= shape[1] else drawn @ drawn.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-14)


def test_no_rotation_is_likelier_than_another():
    corners = [Orthogonal().draw(3, 3, Draws(seed, 0))[0, 0] for seed in range(2000)]
    # the first number of a random direction is even between -1 and 1: within five standard errors
    assert abs(np.mean(corners)) < 5 * math.sqrt(1 / 3 / 2000)
    assert abs(np.var(corners) - 1 / 3) < 5 * math.sqrt(4 / 45 / 2000)


def test_constant_weights():
    np.testing.assert_array_equal(Constant(0.25).draw(3, 2, DRAWS), np.full((3, 2), 0.25))


def test_weights_are_those_of_philox_keyed_by_seed_and_counted_by_position():
    bits = np.random.Philox(key=[7, 1], counter=[0, 2, 0, 0]).random_raw(12).reshape(3, 4)
    expected = (2 * ((bits >> 11) * 2.0**-53) - 1) * math.sqrt(6 / 7)
    np.testing.assert_allclose(Glorot().draw(3, 4, Draws(7, 2)), expected, rtol=1e-15)


@pytest.mark.parametrize("init", [kind() for kind in INITS.values() if kind is not Constant], ids=repr)
def test_weights_depend_on_seed_position_part_and_nothing_else(init):
    drawn = init.draw(4, 3, Draws(5, 1))
    np.random.seed(5)  # noqa: NPY002 (global state must not matter)
    np.testing.assert_array_equal(init.draw(4, 3, Draws(5, 1)), drawn)
    for other in (Draws(6, 1), Draws(5, 2), Draws(5, 1, part=1)):
        assert not np.isclose(init.draw(4, 3, other), drawn).any()


def test_a_networks_weights_depend_on_seed_and_position_only():
    def drawn(dtype="float64", seed=0):
        net = BaseNetwork([Dense(5), Dense(5), Dense(5)], loss="mse", dtype=dtype)
        net.build(5, seed)
        return net

    first, second = drawn(), drawn()
    assert all(np.array_equal(first.parameters[k], second.parameters[k]) for k in first.parameters)
    assert not np.array_equal(first["hidden1"].W, first["hidden2"].W)
    assert not np.array_equal(first["hidden1"].W, drawn(seed=1)["hidden1"].W)
    np.testing.assert_array_equal(first["hidden1"].W.astype(np.float32), drawn("float32")["hidden1"].W)
    assert not first["hidden1"].b.any()


@pytest.mark.parametrize(
    ("activation", "init"),
    [
        *(("relu", He()), ("gelu", He()), ("mish", He()), ("leaky_relu", He())),
        *(("tanh", Glorot()), ("linear", Glorot()), ("softsign", Glorot()), ("selu", LeCun())),
    ],
)
def test_default_weights_suit_the_activation(activation, init):
    assert Dense(5, activation).init == init


@pytest.mark.parametrize("given", [Uniform(-0.1, 0.3), "orthogonal", Normal(std=2), "constant"])
def test_a_layer_takes_initial_weights_by_name_or_as_objects(given):
    layer = Dense(3, init=given)
    layer.fill(4, 9, 2, np.dtype("float64"))
    np.testing.assert_array_equal(layer.W, find_init(given).draw(4, 3, Draws(9, 2)))


@pytest.mark.parametrize(
    "init",
    [*(kind() for kind in INITS.values()), He("normal"), Uniform(-1, 2), Orthogonal(3), Constant(-1)],
    ids=repr,
)
def test_initial_weights_come_back_from_json(init):
    value = json.loads(json.dumps(init.to_json()))
    assert init_from_json(value) == init
    assert value["name"] == init.name
    assert init_from_json(init.name) == type(init)()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: find_init("hee"), UnknownNameError, "init 'hee' is unknown; did you mean 'he'"),
        (
            lambda: find_init(He),
            ParameterError,
            "init must be a name such as 'he' or an object such as He\\(\\)",
        ),
        (lambda: find_init(None), ParameterError, "got None"),
        (
            lambda: He("gauss"),
            UnknownNameError,
            "He: distribution 'gauss' is unknown. Known: normal, uniform",
        ),
        (lambda: Glorot(distribution=2), UnknownNameError, "Glorot: distribution 2 is unknown"),
        (lambda: Uniform(1, 1), ParameterError, "Uniform: high must be above 1 and finite, got 1"),
        (lambda: Uniform(0.1, -0.1), ParameterError, "Uniform: high must be above 0.1 and finite, got -0.1"),
        (
            lambda: Uniform(-math.inf, 0),
            ParameterError,
            "Uniform: low must be a finite number, got -inf",
        ),
        (lambda: Normal(0), ParameterError, "Normal: std must be above 0 and finite, got 0"),
        (lambda: Normal("1"), ParameterError, "got '1'"),
        (lambda: Orthogonal(-1), ParameterError, "Orthogonal: gain must be above 0 and finite, got -1"),
        (
            lambda: Constant(math.nan),
            ParameterError,
            "Constant: value must be a finite number, got nan",
        ),
        (lambda: init_from_json({"gain": 1}), UnknownNameError, "init None is unknown"),
        (lambda: init_from_json({"name": "heh"}), UnknownNameError, "init 'heh' is unknown"),
        (lambda: init_from_json({"name": ["he"]}), UnknownNameError, "is unknown"),
        (
            lambda: init_from_json({"name": "normal", "sd": 1}),
            UnknownNameError,
            "init 'normal': setting 'sd' is unknown; did you mean 'std'",
        ),
        (lambda: init_from_json({"name": "normal", "std": -1}), ParameterError, "std must be above 0"),
        (lambda: init_from_json(3), ParameterError, "init must be a name"),
    ],
)
def test_initial_weights_refuse_what_they_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, None, True, "1"])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ParameterError, match="seed must be an int"):
        BaseNetwork([Dense(5)], loss="mse").build(3, seed)
