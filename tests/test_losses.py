"""Losses: values and gradients against PyTorch, scikit-learn and SciPy; weights; with every activation."""

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics

from chainrule.autodiff.check import check_gradients
from chainrule.autodiff.gradient import gradient
from chainrule.emit.engine import compile_program
from chainrule.errors import DataError, DTypeError, ParameterError, ShapeError, UnknownNameError
from chainrule.graph.evaluate import interpret
from chainrule.graph.program import Program
from chainrule.graph.tensor import placeholder, tensor
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.dense import Dense
from chainrule.nn.losses import (
    LOSSES,
    MAE,
    MSE,
    BinaryCrossEntropy,
    CategoricalHinge,
    Cosine,
    CrossEntropy,
    Custom,
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    Poisson,
    Quantile,
    Quantiles,
    find_loss,
    loss_from_json,
)
from chainrule.nn.network import BaseNetwork
from chainrule.ops import abs as absolute
from chainrule.ops import log_softmax, logistic, pick

RECORDED = json.loads((Path(__file__).parent / "golden" / "losses.json").read_text(encoding="utf-8"))
INPUTS = {name: np.array(values) for name, values in RECORDED["inputs"].items()}
Z, W = INPUTS["z"], INPUTS["weights"]
TARGETS = {
    **dict.fromkeys(LOSSES, "values"),
    **dict.fromkeys(["cross_entropy", "focal", "categorical_hinge"], "labels"),
    **dict.fromkeys(["binary_cross_entropy", "hinge"], "yes"),
    "poisson": "counts",
    "kl_divergence": "distributions",
}
EACH = [
    *[LOSSES[name]() for name in sorted(LOSSES)],
    *(Huber(0.3), Quantile(0.1), Quantiles((0.3,)), Focal(0.0), Focal(0.5), Focal(3.5)),
    *(CrossEntropy(label_smoothing=0.1), BinaryCrossEntropy(label_smoothing=0.2)),
]


def targets_of(loss):
    return INPUTS[TARGETS[loss.name]]


def narrow(x):
    """Whole numbers that are classes as they are, others as float32."""
    return x if x.ndim == 1 and x.dtype.kind == "i" else x.astype(np.float32)


def value_and_slope(loss, z, t, weights=None):
    z = tensor(z)
    value = loss(z, t, weights)
    return float(value), gradient(value, [z])[0].numpy()


# values and gradients -------------------------------------------------------------------------


def described(case):
    settings = ",".join(f"{key}={value}" for key, value in case["settings"].items())
    return f"{case['loss']}({settings}) {case['targets']} {case['weights']}"


@pytest.mark.golden
@pytest.mark.parametrize("case", RECORDED["cases"], ids=described)
def test_values_and_gradients_are_those_of_pytorch(case):
    loss = LOSSES[case["loss"]](**case["settings"])
    weights = None if case["weights"] is None else INPUTS[case["weights"]]
    value, slope = value_and_slope(loss, Z, INPUTS[case["targets"]], weights)
    assert value == pytest.approx(case["value"], rel=1e-13)
    np.testing.assert_allclose(slope, case["slope"], rtol=1e-12, atol=1e-15)


def test_every_loss_is_recorded_with_and_without_weights():
    assert {(case["loss"], case["weights"]) for case in RECORDED["cases"]} >= {
        (name, weights) for name in LOSSES for weights in (None, "weights")
    }


def mean_log_loss(weights):
    yes, p = INPUTS["yes"], special.expit(Z)
    columns = [metrics.log_loss(yes[:, j], p[:, j], labels=[0, 1], sample_weight=weights) for j in range(3)]
    return np.mean(columns)


def mean_hinge_loss(weights):
    yes = INPUTS["yes"]
    columns = [metrics.hinge_loss(yes[:, j], Z[:, j], labels=[0, 1], sample_weight=weights) for j in range(3)]
    return np.mean(columns)


def poisson_loss(weights):
    t = INPUTS["counts"]
    constant = np.average((special.xlogy(t, t) - t).mean(axis=1), weights=weights)
    deviance = [
        metrics.mean_poisson_deviance(t[:, j], np.exp(Z[:, j]), sample_weight=weights) for j in range(3)
    ]
    return np.mean(deviance) / 2 - constant


def mean_pinball_losses(weights):
    columns = [
        metrics.mean_pinball_loss(VALUES[:, j], Z[:, j], alpha=q, sample_weight=weights)
        for j, q in enumerate((0.1, 0.4, 0.8))
    ]
    return np.mean(columns)


VALUES = INPUTS["values"]
MEASURES = [
    (MSE(), lambda w: metrics.mean_squared_error(VALUES, Z, sample_weight=w)),
    (MAE(), lambda w: metrics.mean_absolute_error(VALUES, Z, sample_weight=w)),
    (Quantile(0.2), lambda w: metrics.mean_pinball_loss(VALUES, Z, alpha=0.2, sample_weight=w)),
    (Quantiles([0.1, 0.4, 0.8]), mean_pinball_losses),
    (Huber(0.7), lambda w: np.average(special.huber(0.7, Z - VALUES).mean(axis=1), weights=w)),
    (Cosine(), lambda w: np.average(metrics.pairwise.paired_cosine_distances(Z, VALUES), weights=w)),
    (Poisson(), poisson_loss),
    (
        CrossEntropy(),
        lambda w: metrics.log_loss(INPUTS["labels"], special.softmax(Z, axis=1), sample_weight=w),
    ),
    (BinaryCrossEntropy(), mean_log_loss),
    (Hinge(), mean_hinge_loss),
    (
        KLDivergence(),
        lambda w: np.average(
            stats.entropy(INPUTS["distributions"], special.softmax(Z, axis=1), axis=1), weights=w
        ),
    ),
]


@pytest.mark.parametrize("weights", [None, W], ids=["equal", "weighted"])
@pytest.mark.parametrize(("loss", "measure"), MEASURES, ids=[loss.name for loss, _ in MEASURES])
def test_values_are_those_of_scikit_learn_and_scipy(loss, measure, weights):
    assert float(loss(Z, targets_of(loss), weights)) == pytest.approx(measure(weights), rel=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_gradients_agree_with_numerical_ones(loss, weighted):
    t, weights = targets_of(loss), W if weighted else None
    check_gradients(lambda z: loss(z, t, weights), Z, order=2)


def test_losses_name_their_result():
    assert {loss(Z, targets_of(loss)).name for loss in EACH} == {"loss"}


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_a_loss_is_in_the_type_of_the_outputs(loss):
    t = targets_of(loss)
    value = loss(narrow(Z), narrow(t), narrow(W))
    assert value.dtype == np.float32
    assert float(value) == pytest.approx(float(loss(Z, t, W)), rel=2e-6)


# special places -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "z", "t", "value", "slope"),
    [
        (MAE(), [[2.0]], [[2.0]], 0.0, 0.0),
        (Huber(0.5), [[2.0]], [[2.0]], 0.0, 0.0),
        (Huber(0.5), [[2.5]], [[2.0]], 0.125, 0.5),
        (Quantile(0.9), [[2.0]], [[2.0]], 0.0, -0.9),
        (
            Quantiles((0.2, 0.9)),
            [[2.0, 3.0, 4.0, 0.0]],
            [[2.0, 2.0, 2.0, 2.0]],
            0.875,
            [[-0.05, 0.025, 0.2, -0.225]],
        ),
        (Hinge(), [[1.0]], [[1.0]], 0.0, 0.0),
        (Hinge(), [[-1.0]], [[0.0]], 0.0, 0.0),
        (CategoricalHinge(), [[1.0, 0.0]], [0], 0.0, 0.0),
        (CategoricalHinge(), [[1.0, 0.5, 0.0]], [0], 0.5 / 3, [[-1 / 3, 1 / 3, 0.0]]),
        (Poisson(), [[50.0]], [[0.0]], np.exp(50), np.exp(50)),
        (Poisson(), [[51.0]], [[1.0]], 2 * np.exp(50) - 51, np.exp(50) - 1),
        (Cosine(), [[0.0, 0.0]], [[3.0, 4.0]], 1.0, [[-0.6, -0.8]]),
        (Cosine(), [[3.0, 4.0]], [[0.0, 0.0]], 1.0, 0.0),
        (Cosine(), [[0.0, 0.0]], [[0.0, 0.0]], 1.0, 0.0),
        (KLDivergence(), [[0.0, 0.0]], [[1.0, 0.0]], np.log(2), [[-0.5, 0.5]]),
        (Focal(0.5), [[1000.0, -1000.0]], [0], 0.0, 0.0),
        (Focal(2.0), [[-1000.0, 1000.0]], [0], 2000.0, [[-1.0, 1.0]]),
        (CrossEntropy(), [[1000.0, -1000.0]], [0], 0.0, 0.0),
        (CrossEntropy(), [[1000.0, -1000.0]], [1], 2000.0, [[1.0, -1.0]]),
        (CrossEntropy(0.5), [[1000.0, -1000.0]], [0], 500.0, [[0.25, -0.25]]),
        (BinaryCrossEntropy(), [[1000.0, -1000.0]], [[1.0, 0.0]], 0.0, 0.0),
        (BinaryCrossEntropy(), [[1000.0, -1000.0]], [[0.0, 1.0]], 1000.0, [[0.5, -0.5]]),
        (BinaryCrossEntropy(0.5), [[1000.0, -1000.0]], [[1.0, 0.0]], 250.0, [[0.125, -0.125]]),
    ],
)
def test_values_and_slopes_at_kinks_zeros_and_far_out(loss, z, t, value, slope):
    t = np.array(t)
    got_value, got_slope = value_and_slope(loss, np.array(z), t)
    assert got_value == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(got_slope, np.broadcast_to(slope, got_slope.shape), rtol=1e-15)


FAR = np.array([[1000, -1000, 0], [0, 1000, -1000], [-1000, 0, 1000]] * 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_large_outputs_give_finite_losses_and_slopes(loss, dtype):
    t = targets_of(loss)
    value, slope = value_and_slope(
        loss, FAR.astype(dtype), t if loss.target == "classes" else t.astype(dtype)
    )
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    assert slope.dtype == dtype


def test_compiled_losses_of_large_outputs_are_as_finite():
    z = placeholder(("n", 3), "float32", name="z")
    t = {name: placeholder(("n", *x.shape[1:]), narrow(x).dtype, name) for name, x in INPUTS.items()}
    used = {TARGETS[loss.name]: t[TARGETS[loss.name]] for loss in EACH}
    outputs = {}
    for i, loss in enumerate(EACH):
        value = loss(z, used[TARGETS[loss.name]])
        value.name = None
        outputs |= {f"value{i}": value, f"slope{i}": gradient(value, [z])[0]}
    program = Program([z, *used.values()], outputs)
    arrays = [narrow(FAR), *(narrow(INPUTS[name]) for name in used)]
    results = compile_program(program, "numba")(*arrays)
    expected = interpret(outputs.values(), dict(zip(program.inputs, arrays, strict=True)))
    for got, other in zip(results.values(), expected, strict=True):
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, other, rtol=1e-5, atol=1e-6)


def test_sure_rows_cost_next_to_nothing_under_any_gamma():
    for gamma in (0.0, 0.1, 1.0, 2.0, 5.0):
        value, slope = value_and_slope(Focal(gamma), [[60.0, 0.0], [0.0, 800.0]], np.array([0, 1]))
        assert 0 <= value < 1e-20
        assert np.abs(slope).max() < 1e-20


def test_focal_loss_without_gamma_is_the_cross_entropy():
    plain, focal = (value_and_slope(loss, Z, INPUTS["labels"], W) for loss in (CrossEntropy(), Focal(0)))
    assert focal[0] == plain[0]
    np.testing.assert_allclose(focal[1], plain[1], rtol=1e-15)


# weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_weights_are_as_many_copies_of_rows(loss):
    t, counts = targets_of(loss), np.array([1, 0, 3, 2, 1, 1])
    value, slope = value_and_slope(loss, Z, t, counts.astype(float))
    rows = np.repeat(np.arange(6), counts)
    expected, of_copies = value_and_slope(loss, Z[rows], t[rows])
    assert value == pytest.approx(expected, rel=1e-14)
    summed = np.zeros_like(Z)
    np.add.at(summed, rows, of_copies)
    np.testing.assert_allclose(slope, summed, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_a_batch_of_weight_zero_costs_nothing(loss):
    value, slope = value_and_slope(loss, Z, targets_of(loss), np.zeros(6))
    assert value == 0
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_only_the_proportion_of_weights_counts(loss):
    t = targets_of(loss)
    factor = 5 if loss.over == "sum" else 1
    assert float(loss(Z, t, 5 * W)) == pytest.approx(factor * float(loss(Z, t, W)), rel=1e-14)


@pytest.mark.parametrize("weights", [W[:5], W[:, None], np.float64(1.0)])
def test_weights_of_another_shape_are_refused(weights):
    with pytest.raises(ShapeError, match="huber: one weight a row is needed, got"):
        Huber()(Z, VALUES, weights)


# predictions ----------------------------------------------------------------------------------

PREDICTIONS = {
    **dict.fromkeys(LOSSES, lambda z: z),
    **dict.fromkeys(["cross_entropy", "focal", "kl_divergence"], functools.partial(special.softmax, axis=1)),
    "binary_cross_entropy": special.expit,
    "poisson": np.exp,
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_predictions(name):
    loss, z = LOSSES[name](), tensor(Z)
    np.testing.assert_allclose(loss.prediction(z).numpy(), PREDICTIONS[name](Z), rtol=1e-14)
    probable = name in ("cross_entropy", "focal", "kl_divergence", "binary_cross_entropy")
    assert loss.probabilities is probable


# targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_fitting_targets_pass(loss):
    loss.check(targets_of(loss), "y")


@pytest.mark.parametrize(
    ("loss", "t", "message"),
    [
        (
            Poisson(),
            [[0.0, 2.0], [1.0, -0.5]],
            "y: loss poisson needs counts or rates of at least 0, got -0.5 in row 1, column 1",
        ),
        (Poisson(), [[np.nan]], "at least 0, got nan in row 0, column 0"),
        (BinaryCrossEntropy(), [[0.0], [1.5]], "numbers from 0 to 1, got 1.5 in row 1, column 0"),
        (BinaryCrossEntropy(), [-1.0], "numbers from 0 to 1, got -1.0 in row 0"),
        (Hinge(), [[0.0, 1.0], [0.5, 1.0]], "loss hinge needs targets of 0 or 1, got 0.5 in row 1, column 0"),
        (Hinge(), [[-1.0, 1.0]], "of 0 or 1, got -1.0"),
        (
            KLDivergence(),
            [[0.5, 0.5], [1.5, -0.5]],
            "loss kl_divergence needs rows of probabilities, got -0.5 in row 1, column 1",
        ),
        (
            KLDivergence(),
            [[0.5, 0.5], [0.5, 0.25]],
            "probabilities that sum to 1, got a sum of 0.75 in row 1. Divide each row by its sum",
        ),
    ],
)
def test_targets_that_a_loss_is_not_for(loss, t, message):
    with pytest.raises(DataError, match=message):
        loss.check(np.array(t), "y")


def test_probabilities_may_be_rounded():
    KLDivergence().check(np.array([[0.333, 0.333, 0.333]], np.float32), "y")
    with pytest.raises(DataError, match=r"got a sum of 0\.99 "):
        KLDivergence().check(np.array([[0.33, 0.33, 0.33]], np.float32), "y")


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_shapes_that_do_not_fit_are_refused(loss):
    t = targets_of(loss)
    wrong = [(Z, t[:5]), (Z[:, 0], t), (Z[None], t)]
    wrong += [(Z, t[:, None])] if loss.target == "classes" else [(Z, t[:, 0]), (Z, t[:, :1]), (Z[:1], t)]
    for z, targets in wrong:
        with pytest.raises(ShapeError):
            loss(z, targets)
    with pytest.raises(ShapeError, match=f"{loss.name}: .* got"):
        loss(Z[:, 0], t)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "categorical_hinge"])
def test_classes_must_be_whole_numbers(name):
    with pytest.raises(DTypeError, match="whole numbers, got float64"):
        LOSSES[name]()(Z, Z[:, 0])


# settings, names, files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Huber(0), "Huber: delta must be above 0 and finite, got 0"),
        (lambda: Huber(delta=-1.0), "got -1.0"),
        (lambda: Huber("1"), "got '1'"),
        (lambda: Huber(np.inf), "got inf"),
        (lambda: Quantile(0), "Quantile: q must be above 0 and below 1, got 0"),
        (lambda: Quantile(1.0), "got 1.0"),
        (lambda: Quantile(95), "got 95"),
        (lambda: Quantiles(()), r"Quantiles: qs must be a list of numbers between 0 and 1, got \(\)"),
        (lambda: Quantiles(0.5), "got 0.5. Pass e.g. "),
        (lambda: Quantiles([0.1, 1.0]), "Quantiles: qs must be above 0 and below 1, got 1.0"),
        (lambda: Quantiles(["a"]), "got 'a'"),
        (lambda: Quantiles([0.1, 0.9, 0.5]), r"qs must rise from one to the next, got \[0.1, 0.9, 0.5\]"),
        (lambda: Quantiles([0.5, 0.5]), "must rise"),
        (lambda: Focal(-0.1), "Focal: gamma must be at least 0 and finite, got -0.1"),
        (lambda: Focal(np.nan), "got nan"),
        (lambda: CrossEntropy(1.0), "CrossEntropy: label_smoothing must be at least 0 and below 1, got 1.0"),
        (lambda: CrossEntropy(True), "got True"),
        (lambda: BinaryCrossEntropy(-0.1), "BinaryCrossEntropy: label_smoothing .* got -0.1"),
        (lambda: BinaryCrossEntropy(None), "got None"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_losses_are_found_by_name_as_objects_and_as_functions():
    for name, cls in LOSSES.items():
        assert find_loss(name) == cls()
        assert cls.name == name
    huber = Huber(2)
    assert find_loss(huber) is huber
    found = find_loss(pinch)
    assert isinstance(found, Custom)
    assert found.name == "pinch"
    assert find_loss(functools.partial(pinch)).name == "custom"


def test_quantiles_need_as_many_outputs():
    with pytest.raises(
        ShapeError, match=r"2 quantiles need 2 outputs, or a multiple of that, got 3\. Give the last"
    ):
        Quantiles([0.1, 0.9])(Z, VALUES)


def test_several_quantiles_are_the_mean_of_each():
    qs, t = (0.1, 0.35, 0.9), np.repeat(VALUES[:, :1], 3, axis=1)
    each = [float(Quantile(q)(Z[:, [j]], t[:, [j]], W)) for j, q in enumerate(qs)]
    assert float(Quantiles(np.array(qs))(Z, t, W)) == pytest.approx(np.mean(each), rel=1e-14)


def test_sorting_outputs_makes_the_loss_of_quantiles_smaller():
    loss, t = Quantiles((0.1, 0.35, 0.9)), np.repeat(VALUES[:, :1], 3, axis=1)
    for row in range(len(Z)):
        own, target = Z[[row]], t[[row]]
        if (np.diff(own) < 0).any():
            assert float(loss(np.sort(own), target)) < float(loss(own, target))
    assert (np.diff(Z) < 0).any(axis=1).sum() >= 3


@pytest.mark.parametrize("unknown", ["crossentropy", "MSE", None, 3, ["mse"]])
def test_unknown_losses(unknown):
    with pytest.raises(UnknownNameError, match=r"loss .* is unknown.* Known: binary_cross_entropy, "):
        find_loss(unknown)


def test_a_class_instead_of_an_object():
    with pytest.raises(ParameterError, match=r"loss Huber is a class\. Pass an object: Huber\(\)"):
        find_loss(Huber)


@pytest.mark.parametrize("loss", [*EACH, Huber(np.float32(0.25)), Quantiles([0.1, 0.9])], ids=repr)
def test_losses_come_back_from_json(loss):
    text = json.dumps(loss.to_json())
    assert loss_from_json(json.loads(text)) == loss
    default = loss == type(loss)()
    assert text == (
        f'"{loss.name}"' if default else json.dumps({"name": loss.name} | dataclasses.asdict(loss))
    )


def pinch(z, t):
    return absolute(z - t) ** 1.5


def mse(z, t):
    return 3 * (z - t) ** 2


class Labelled(Loss):
    """Cross-entropy once more, as a user would write a loss for classes."""

    name = "labelled"
    target = "classes"

    def elements(self, z, t):
        return -pick(log_softmax(z), t)


def test_own_losses_come_back_from_json_where_they_are_passed():
    kept = json.loads(json.dumps(Custom(pinch).to_json()))
    assert loss_from_json(kept, {"pinch": pinch}) == Custom(pinch)
    with pytest.raises(
        ParameterError,
        match=r"loss 'pinch' is a function of your own.*Pass it: functions=\{'pinch': \.\.\.\}",
    ):
        loss_from_json(kept)
    with pytest.raises(ParameterError, match="'pinch' is a function of your own"):
        loss_from_json(kept, {"other": pinch})
    own = Labelled()
    assert loss_from_json(own.to_json(), {"labelled": own}) is own
    with pytest.raises(UnknownNameError, match="loss 'labelled' is unknown"):
        loss_from_json(own.to_json())


def test_an_own_function_is_never_taken_for_a_loss_of_that_name():
    kept = Custom(mse).to_json()
    assert loss_from_json(kept, {"mse": mse}) == Custom(mse)
    assert loss_from_json("mse", {"mse": mse}) == MSE()
    with pytest.raises(ParameterError, match="'mse' is a function of your own"):
        loss_from_json(kept)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hubber", "loss 'hubber' is unknown; did you mean 'huber'"),
        ({"name": "hubber", "delta": 1.0}, "loss 'hubber' is unknown"),
        ({"delta": 1.0}, "loss None is unknown"),
        ({"name": ["mse"]}, "loss .*'mse'.* is unknown"),
        ({"name": "huber", "q": 0.5}, "setting of loss huber 'q' is unknown.* Known: delta"),
        ({"name": "mse", "name2": 0}, "setting of loss mse 'name2' is unknown"),
        ({"name": "huber", "delta": -1}, "Huber: delta must be above 0"),
    ],
)
def test_json_that_describes_no_loss(value, message):
    with pytest.raises(ParameterError, match=message):
        loss_from_json(value)


# functions as losses --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (pinch, (np.abs(Z - VALUES) ** 1.5).mean()),
        (lambda z, t: pinch(z, t).mean(axis=1), (np.abs(Z - VALUES) ** 1.5).mean()),
        (lambda z, t: pinch(z, t).sum(), (np.abs(Z - VALUES) ** 1.5).sum()),
        (lambda z, t: logistic(z[:, 0]) - t[:, 2], (special.expit(Z[:, 0]) - VALUES[:, 2]).mean()),
    ],
)
def test_functions_of_tensors_are_losses(function, value):
    loss = find_loss(function)
    assert float(loss(Z, VALUES)) == pytest.approx(value, rel=1e-14)
    check_gradients(lambda z: loss(z, VALUES), Z)


def test_functions_are_weighted_by_rows():
    expected = np.average((np.abs(Z - VALUES) ** 1.5).mean(axis=1), weights=W)
    for function in (pinch, lambda z, t: pinch(z, t).mean(axis=1)):
        assert float(find_loss(function)(Z, VALUES, W)) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ParameterError, match="gives one number for a batch, so its rows cannot be weighted"):
        find_loss(lambda z, t: pinch(z, t).mean())(Z, VALUES, W)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda z, t: 0.5, "got 0.5"),
        (lambda z, t: None, "got None"),
        (lambda z, t: (z - t).sum(axis=0), r"got a tensor of shape \(3,\)"),
        (lambda z, t: (z - t)[:, :2], r"got a tensor of shape \(6, 2\)"),
    ],
)
def test_functions_that_return_something_else(function, got):
    with pytest.raises(
        ParameterError, match=rf"must return a tensor of shape \(6, 3\), \(6,\) or \(\), {got}"
    ):
        find_loss(function)(Z, VALUES)


def test_an_own_class_of_loss():
    own, known = (value_and_slope(loss, Z, INPUTS["labels"], W) for loss in (Labelled(), CrossEntropy()))
    assert own[0] == known[0]
    np.testing.assert_array_equal(own[1], known[1])


# every loss with every activation -------------------------------------------------------------

X = np.random.default_rng(4).normal(size=(6, 4))
NAMES, FUNCTIONS = sorted(LOSSES), sorted(ACTIVATIONS)


def training_step(loss, activation, weighted):
    """A program, its inputs and its variables' values; the learning rate is 1, so updates show gradients."""
    net = BaseNetwork([Dense(3, activation), Dense(3)], loss, dtype="float64")
    net.build(4, seed=NAMES.index(loss))
    program = net.program(weighted=weighted)
    arrays = [X, INPUTS[TARGETS[loss]], *([W] if weighted else []), np.float64(1.0)]
    values = {leaf: net.parameters[name] for name, leaf in net.graph.parameters.items()}
    return program, arrays, values


def assert_engine_agrees(engine, loss, activation, weighted):
    program, arrays, values = training_step(loss, activation, weighted)
    runner = compile_program(program, engine)
    runner.load(values)
    results = runner(*arrays)
    state = runner.state
    got = [results["loss"], *(state[leaf] for leaf in program.updates)]
    expected = interpret(program.roots, {**dict(zip(program.inputs, arrays, strict=True)), **values})
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    for leaf in program.updates:
        if leaf.ndim == 2:  # a hinge's biases may stay
            assert np.abs(state[leaf] - values[leaf]).max() > 1e-6


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("loss", NAMES)
def test_printed_steps_of_all_losses_and_activations_agree_with_the_interpreter(loss, activation):
    for weighted in (False, True):
        assert_engine_agrees("numpy", loss, activation, weighted)


COVERING = [
    (NAMES[i % len(NAMES)], FUNCTIONS[i % len(FUNCTIONS)], i % 2 == 1)
    for i in range(max(len(NAMES), len(FUNCTIONS)))
]


@pytest.mark.parametrize(("loss", "activation", "weighted"), COVERING)
def test_compiled_steps_of_losses_and_activations_agree_with_the_interpreter(loss, activation, weighted):
    assert_engine_agrees("numba", loss, activation, weighted)


def test_the_covering_set_covers():
    assert {loss for loss, _, _ in COVERING} == set(LOSSES)
    assert {activation for _, activation, _ in COVERING} == set(ACTIVATIONS)
