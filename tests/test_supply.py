"""Rows changed on their way to the training: the same steps as on rows changed before, ahead or again."""

import os
import signal
import threading

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from chainrule.errors import CheckpointError, DataError, ParameterError, ShapeError
from chainrule.training import sparse as sparse_tables

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(70, 5))
Y = (X @ [1.0, -1, 0.5, 0, 0] > 0).astype(int)
ENGINES = ["numpy", "numba"]


def network(**settings):
    return cr.Network([cr.Dense(4, "tanh"), cr.Dropout(0.1), cr.Dense(2)], loss="cross_entropy", **settings)


def settings(engine="numpy", **more):
    return {"epochs": 3, "batch_size": 8, "seed": 5, "engine": engine, "verbose": False, **more}


def noise(x, numbers, epoch, seed):
    """Each row's own noise, drawn from its number, the epoch and the seed."""
    keys = [np.random.default_rng([seed, epoch, number]) for number in numbers]
    return x + np.stack([key.normal(size=x.shape[1]) for key in keys]).astype(x.dtype)


def halve(x, numbers, epoch, seed):
    x *= 0.5
    return x


def same(one, other):
    return all(np.array_equal(value, other.parameters[name]) for name, value in one.parameters.items())


@pytest.fixture(params=[None, 3 * 8 * 5 * 4], ids=["one block", "blocks of three steps"])
def blocks(request, monkeypatch):
    if request.param is not None:
        monkeypatch.setattr(sparse_tables, "BYTES", request.param)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_rows_changed_on_the_way_train_as_rows_changed_before(kind, engine, blocks):
    given = settings(engine)
    before, on_the_way = network(), network()
    first = before.fit(0.5 * X.astype(np.float32), Y, **given)
    second = on_the_way.fit(kind(X), Y, transform=halve, **given)
    assert first.loss == second.loss
    assert same(before, on_the_way)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_transform_is_given_rows_their_numbers_epoch_and_seed(engine, blocks):
    seen = {0: [], 1: []}

    def look(x, numbers, epoch, seed):
        assert np.array_equal(x, X[numbers].astype(np.float32))
        assert (seed, threading.current_thread() is threading.main_thread()) == (5, False)
        seen[epoch].append(numbers.copy())
        return x

    net, other = network(), network()
    net.fit(X, Y, transform=look, **settings(engine, epochs=2))
    other.fit(X, Y, **settings(engine, epochs=2))
    assert same(net, other)
    orders = [np.concatenate(seen[epoch]) for epoch in (0, 1)]
    assert all(np.array_equal(np.sort(order), np.arange(70)) for order in orders)
    assert not np.array_equal(*orders)


def test_what_is_drawn_depends_on_no_blocks(monkeypatch):
    nets = []
    for limit in (8 * 5 * 4, 5 * 8 * 5 * 4, 2**20):
        monkeypatch.setattr(sparse_tables, "BYTES", limit)
        nets.append(network())
        nets[-1].fit(X, Y, transform=noise, **settings())
    plain = network()
    plain.fit(X, Y, **settings())
    assert same(nets[0], nets[1])
    assert same(nets[0], nets[2])
    assert not same(nets[0], plain)


def test_several_inputs_come_as_a_list():
    def swap(parts, numbers, epoch, seed):
        first, second = parts
        return [second.copy(), first.copy()]

    def drawn():
        a, b = cr.Input(5), cr.Input(5)
        return cr.Network(cr.Dense(2)(cr.Concatenate()(a, cr.Dense(3, "tanh")(b))), loss="cross_entropy")

    net, other = drawn(), drawn()
    net.fit([X, -X], Y, transform=swap, **settings())
    other.fit([-X, X], Y, **settings())
    assert same(net, other)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fit_with_a_transform_resumes_bit_for_bit(engine, tmp_path, blocks):
    class Stop(cr.Checkpoint):
        def write(self, position, content, best=False):
            super().write(position, content, best)
            if self.written == 4:
                raise KeyboardInterrupt

    given = settings(engine, transform=noise)
    whole, parts = network(), network()
    history = whole.fit(X, Y, **given)
    network().fit(X, Y, callbacks=[Stop(tmp_path, every_steps=4)], **given)
    checkpoint = cr.Checkpoint(tmp_path, every_steps=4)
    resumed = parts.fit(X, Y, callbacks=[checkpoint], resume=True, **given)
    assert resumed.loss == history.loss
    assert same(whole, parts)
    with pytest.raises(CheckpointError, match=r"transform: '[\w.]*test_supply.noise' there, None here"):
        network().fit(X, Y, callbacks=[checkpoint], resume=True, **settings(engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_divergence_is_found_in_the_changed_rows(engine, blocks):
    def spoil(x, numbers, epoch, seed):
        if epoch == 1:
            x[numbers == 33] = np.nan
        return x

    net = network()
    with pytest.warns(RuntimeWarning, match=r"in epoch 2, step \d of 9, the output of hidden1 became NaN"):
        history = net.fit(X, Y, transform=spoil, **settings(engine))
    assert history.fault.row == 33
    assert history.epochs == 1
    assert all(np.isfinite(value).all() for value in net.parameters.values())


def test_what_a_transform_raises_or_returns_is_told_and_the_weights_stay(monkeypatch):
    monkeypatch.setattr(sparse_tables, "BYTES", 3 * 8 * 5 * 4)

    def fail(x, numbers, epoch, seed):
        if epoch == 1:
            raise OSError("disk gone")
        return x

    net, other = network(), network()
    with pytest.raises(
        DataError, match=r"transform: OSError in epoch 2, for rows \d+ ... \d+: disk gone"
    ) as e:
        net.fit(X, Y, transform=fail, **settings())
    assert isinstance(e.value.__cause__, OSError)
    other.fit(X, Y, **settings(epochs=1))
    assert same(net, other)
    with pytest.raises(ShapeError, match=r"got rows of shape \(24, 5\), gave shape \(24, 4\)"):
        network().fit(X, Y, transform=lambda x, *_: x[:, :4], **settings())
    refused = DataError("own")
    with pytest.raises(DataError) as caught:
        network().fit(X, Y, transform=lambda *_: (_ for _ in ()).throw(refused), **settings())
    assert caught.value is refused


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"transform": 3}, r"transform must be callable, .* got 3"),
        ({"transform": halve, "optimizer": cr.LBFGS()}, "transform and LBFGS contradict each other"),
        (
            {"transform": halve, "record": cr.Ledger("hidden1.W")},
            "record and transform contradict each other",
        ),
    ],
)
def test_what_cannot_be_is_refused(more, message):
    net = network() if "optimizer" not in more else cr.Network([cr.Dense(2)], loss="cross_entropy")
    with pytest.raises(ParameterError, match=message):
        net.fit(X, Y, **settings(**more))


def test_ctrl_c_is_answered_while_rows_are_waited_for(ctrl_c, monkeypatch):
    monkeypatch.setattr(sparse_tables, "BYTES", 3 * 8 * 5 * 4)
    go_on, ended = threading.Event(), threading.Event()

    class Watch(cr.Callback):
        def on_epoch_end(self, network, history):
            ended.set()

    def wait(x, numbers, epoch, seed):
        if epoch == 1:
            ended.wait(30)
            os.kill(os.getpid(), signal.SIGINT)
            go_on.wait(30)
        return x

    net, other = network(), network()
    history = net.fit(X, Y, transform=wait, callbacks=[Watch()], **settings())
    go_on.set()
    assert history.interrupted
    assert history.epochs == 1
    other.fit(X, Y, **settings(epochs=1))
    assert same(net, other)
