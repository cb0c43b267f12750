"""Gradients of several batches before a change of the weights: equal to one batch of all their rows."""

import signal

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import CheckpointError, ParameterError
from chainrule.optim import schedules
from chainrule.training.plan import Plan

SILENT = {"verbose": False}
RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(103, 5)), RNG.normal(size=(103, 2)), RNG.uniform(0.1, 2, 103)
W[:10] = 0


def network(loss="mse", **settings):
    layers = [cr.Dense(4, "tanh", l2=0.01), cr.Dense(2, l1=0.001)]
    return cr.Network(layers, loss, dtype="float64", **settings)


def trained(loss="mse", penalties="whole", **settings):
    net = network(loss, penalties=penalties)
    history = net.fit(X, Y, **({"epochs": 4, "engine": "numpy"} | settings), **SILENT)
    return net.parameters, history


def assert_same(found, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, atol=1e-11)


RULES = [
    cr.SGD(0.02, momentum=0.9, weight_decay=0.01),
    cr.Adam(schedules.CosineDecay(0.01), clip_norm=0.5),
    cr.NAdam(schedules.StepDecay(0.01, factor=0.5, every=1)),
    cr.Rprop(0.01),
    cr.AdamW(0.01, weight_decay=0.1),
    cr.Lion(0.001),
    cr.Adagrad(0.1),
    cr.RMSProp(0.01, momentum=0.5, centered=True),
    cr.Adam(0.01, average=cr.EMA(0.9)),
    cr.SGD(0.02, average=cr.SWA(2)),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_parts_give_what_the_whole_batch_gives(rule):
    """103 rows in batches of 40: the last has 23, in parts of 10, 10 and 3."""
    whole, expected = trained(optimizer=rule, batch_size=40)
    for size, count in ((10, 4), (8, 5)):
        found, history = trained(optimizer=rule, batch_size=size, accumulate=count)
        assert_same(found, whole)
        np.testing.assert_allclose(history.learning_rate, expected.learning_rate, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "penalties", "weights", "engine"),
    [
        ("mse", "per_row", None, "numpy"),
        ("mse", "whole", W, "numpy"),
        ("half_sum", "per_row", W, "numpy"),
        ("half_sum", "per_row", W, "numba"),
        ("sum", "whole", None, "numpy"),
        ("sum", "per_row", W, "numpy"),
    ],
)
def test_means_sums_weights_and_penalties_count_as_in_the_whole_batch(loss, penalties, weights, engine):
    settings = {"optimizer": cr.SGD(0.002, momentum=0.9), "sample_weight": weights, "engine": engine}
    whole, _ = trained(loss, penalties, batch_size=40, **settings)
    assert_same(trained(loss, penalties, batch_size=10, accumulate=4, **settings)[0], whole)


def test_parts_without_a_row_that_counts_count_for_nothing():
    weights = np.where(np.arange(103) % 3, 0.0, W)
    given = {"optimizer": cr.SGD(0.05), "sample_weight": weights}
    whole, _ = trained(batch_size=40, **given)
    assert_same(
        trained(batch_size=1, accumulate=40, epochs=1, **given)[0],
        trained(batch_size=40, epochs=1, **given)[0],
    )
    assert_same(trained(batch_size=2, accumulate=20, **given)[0], whole)


def test_several_outputs_and_classes():
    found = []
    for size, count in ((40, 1), (10, 4)):
        x = cr.Input(5)
        hidden = cr.Dense(4, "tanh")(x)
        net = cr.Network(
            [cr.Dense(3)(hidden), cr.Dense(2)(hidden)],
            ["cross_entropy", "mse"],
            "float64",
            loss_weights=[1, 2],
        )
        net.fit(X, [np.arange(103) % 3, Y], batch_size=size, accumulate=count, epochs=3, **SILENT)
        found.append(net.parameters)
    assert_same(found[1], found[0])


def test_without_parts_it_is_the_program_of_before():
    net = network()
    net.build(5)
    plain = cr.numpy_source(net.program("adam"))
    assert "last_part" not in plain
    assert net.program("adam") is net.program("adam", accumulate=False)
    one, several = trained(accumulate=1)[0], trained()[0]
    assert all(np.array_equal(one[name], value) for name, value in several.items())
    assert "W1 = np.where(is_last, W1 - lr * mean_d_W1, W1)" in cr.numpy_source(
        net.program("sgd", accumulate=True)
    )


def test_fits_go_on_and_resume_bit_for_bit(tmp_path):
    settings = {"optimizer": cr.Adam(0.01), "batch_size": 10, "accumulate": 4, "engine": "numpy", **SILENT}
    whole, parted, further = (network() for _ in range(3))
    whole.fit(X, Y, epochs=6, **settings)
    saver = cr.Checkpoint(tmp_path / "a", every_steps=3)
    parted.fit(X, Y, epochs=2, callbacks=[saver], **settings)
    parted.fit(X, Y, epochs=6, callbacks=[saver], resume=True, **settings)
    further.fit(X, Y, epochs=2, **settings)
    further.fit(X, Y, epochs=4, go_on=True, **settings)
    for name, value in whole.parameters.items():
        assert np.array_equal(parted.parameters[name], value)
        assert np.array_equal(further.parameters[name], value)
    with pytest.raises(CheckpointError, match=r"plan\.accumulate: 4 there, 2 here"):
        parted.fit(X, Y, epochs=7, callbacks=[saver], resume=True, **(settings | {"accumulate": 2}))


def test_resuming_in_the_middle_of_a_batch_is_bit_for_bit(tmp_path, monkeypatch):
    """A checkpoint after five of eleven parts holds the sum of the fifth."""
    settings = {"optimizer": cr.Adam(0.01), "batch_size": 10, "accumulate": 4, "engine": "numpy", **SILENT}
    whole, parted = network(), network()
    whole.fit(X, Y, epochs=3, **settings)

    class Stopped(Exception):
        pass

    saver = cr.Checkpoint(tmp_path, every_steps=5)
    write = saver.write

    def last_write(position, *rest, **named):
        write(position, *rest, **named)
        if position.step:
            raise Stopped

    monkeypatch.setattr(saver, "write", last_write)
    with pytest.raises(Stopped):
        parted.fit(X, Y, epochs=3, callbacks=[saver], **settings)
    fresh = network()
    fresh.fit(X, Y, epochs=3, callbacks=[cr.Checkpoint(tmp_path, every_steps=5)], resume=True, **settings)
    for name, value in whole.parameters.items():
        assert np.array_equal(fresh.parameters[name], value)


def test_a_sum_that_was_interrupted_is_not_gone_on_with(ctrl_c, monkeypatch, capsys):
    settings = {"optimizer": cr.SGD(0.01), "batch_size": 10, "accumulate": 4, "engine": "numpy", **SILENT}
    net = network()
    net.build(5)
    before = net.parameters
    monkeypatch.setattr("chainrule.training.loop.SLICE_SECONDS", 1e-9)  # one step a slice

    def press(self, *_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("chainrule.training.progress.Progress.advance", press)
    assert net.fit(X, Y, epochs=2, **settings).interrupted
    monkeypatch.undo()
    assert all(np.array_equal(net.parameters[name], value) for name, value in before.items())
    assert not any(name.startswith(("summed_", "rows_")) for name in net._past.state)
    assert "Stopped by Ctrl-C" in capsys.readouterr().err


def test_which_steps_change_the_weights():
    plan = Plan(103, 10, 2, False, 0, accumulate=4)
    assert (plan.steps, plan.updates) == (11, 3)
    updates, last = plan.update_of(np.arange(22))
    assert updates.tolist() == [0] * 4 + [1] * 4 + [2] * 3 + [3] * 4 + [4] * 4 + [5] * 3
    assert last.tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1] * 2


def test_a_part_that_overflows_is_named():
    net = network()
    with pytest.warns(RuntimeWarning, match="step 1 of 11, .* became infinite"):
        net.fit(X, Y * 1e200, batch_size=10, accumulate=4, shuffle=False, engine="numpy", **SILENT)


def whole_batch(z, t):
    return ((z - t) ** 2).mean()


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (network, {"accumulate": 0}, "fit: accumulate must be a positive int, got 0"),
        (network, {"optimizer": "lbfgs"}, "accumulate and optimizer lbfgs, which takes all rows at once"),
        (network, {"record": cr.Ledger("output.b")}, "fit: accumulate and record contradict each other"),
        (network, {"optimizer": cr.SGD(0.1, sam=0.1)}, "accumulate and sam contradict each other"),
        (lambda: network(whole_batch), {}, "accumulate: loss whole_batch gives one number for a batch"),
    ],
)
def test_what_cannot_be_is_refused(make, settings, message):
    with pytest.raises(ParameterError, match=message):
        make().fit(X, Y, **({"accumulate": 2} | settings), **SILENT)


def test_losses_that_count_differently_are_refused():
    x = cr.Input(5)
    net = cr.Network([cr.Dense(2)(x), cr.Dense(2)(x)], ["mse", "sum"])
    with pytest.raises(ParameterError, match="the losses mse and sum are partly means over rows and partly"):
        net.fit(X, [Y, Y], accumulate=2, **SILENT)
