"""Streams: the same steps as on rows in memory, a window at a time; every way in which one can go wrong."""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
import torture

import chainrule as cr
from chainrule.errors import ParameterError, StreamError
from chainrule.training import streamed
from chainrule.training.plan import Plan
from chainrule.training.progress import Bar
from chainrule.training.reader import Reader
from chainrule.training.streamed import Streamed
from chainrule.training.streams import Stream, as_stream

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(70, 5)).astype(np.float32)
Y = (X @ [1.0, -1, 0.5, 0, 0] > 0).astype(int)
W = RANDOM.uniform(0.5, 2, 70).astype(np.float32)
ENGINES = ["numpy", "numba"]


def network(**settings):
    layers = [cr.Dense(4, "tanh"), cr.Dropout(0.1), cr.Dense(2)]
    return cr.Network(layers, loss="cross_entropy", **settings)


def settings(engine="numpy", **more):
    return {"epochs": 3, "seed": 5, "engine": engine, "verbose": False, **more}


def parts(size=8, *tables):
    """The rows in order, some at a time."""
    tables = tables or (X, Y)
    for start in range(0, len(X), size):
        yield tuple(table[start : start + size] for table in tables)


def fitted(*given, **more):
    net = network()
    net.history = net.fit(*given, **settings(**more))
    return net


def assert_same(one, other):
    assert one.history.loss == other.history.loss
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name], err_msg=name)


# the same as in memory ------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_batches_as_they_come_are_the_steps(engine, ahead):
    whole = fitted(X, Y, engine=engine, batch_size=8, shuffle=False)
    assert_same(whole, fitted(Stream(parts, ahead=ahead), engine=engine))
    weighted = fitted(X, Y, engine=engine, batch_size=8, shuffle=False, sample_weight=W)
    assert_same(weighted, fitted(Stream(lambda: parts(8, X, Y, W), ahead=ahead), engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [1, 13, 70])
def test_a_window_is_cut_into_steps(engine, size):
    def stream(window):
        return Stream(lambda: parts(size), window=window)

    given = {"engine": engine, "batch_size": 8}
    in_order = fitted(X, Y, shuffle=False, **given)
    for window in (8, 20, 1000):  # 20 is made 24: whole batches
        assert_same(in_order, fitted(stream(window), shuffle=False, **given))
    assert_same(fitted(X, Y, **given), fitted(stream(1000), **given))


def test_rows_are_drawn_within_their_window_anew_in_each_epoch():
    orders = []
    stream = Stream(lambda: parts(13), window=16)

    def look(x, numbers, epoch, seed):
        assert np.array_equal(x, X[numbers])
        return x

    reader = Reader(network(), stream, 5)
    reader.look(0)
    supply = Streamed(reader, Plan(0, 8, 2, True, 5, length=9), False, 0, look)
    for epoch in range(2):
        taken = [part.numbers for step in range(9) for part in supply.take(epoch, step, 1)]
        orders.append(np.concatenate(taken))
        for start in range(0, 70, 16):
            assert set(orders[-1][start : start + 16]) == set(range(start, min(start + 16, 70)))
    supply.close()
    assert not np.array_equal(*orders)
    assert not np.array_equal(orders[0][:16] + 16, orders[0][16:32])


def test_class_weights_and_transforms_work_as_in_memory():
    def halve(x, numbers, epoch, seed):
        assert np.array_equal(x, X[numbers])
        return x * 0.5

    given = {"batch_size": 8, "shuffle": False, "class_weight": {1: 3.0}, "transform": halve}
    whole = fitted(X, Y, **given)
    assert_same(whole, fitted(Stream(lambda: parts(13), window=24), **given))
    del given["batch_size"]
    assert_same(whole, fitted(parts, **given))


def test_several_inputs_and_labels_of_words():
    a, b = cr.Input(5), cr.Input(5)
    words = np.array(["yes", "no"])[Y]

    def drawn():
        return cr.Network(cr.Dense(2)(cr.Concatenate()(a, cr.Dense(3, "tanh")(b))), loss="cross_entropy")

    def both():
        return (([x, -x], y) for x, y in parts(8, X, words))

    net, other = drawn(), drawn()
    net.fit([X, -X], words, **settings(batch_size=8, shuffle=False))
    other.fit(Stream(both, classes=["no", "yes"]), **settings())
    assert np.array_equal(net.predict_proba([X, -X]), other.predict_proba([X, -X]))
    assert other.classes.tolist() == ["no", "yes"]


def test_batches_may_differ_in_size():
    sizes = [5, 5, 20, 1, 39]
    cuts = np.cumsum([0, *sizes])

    def uneven():
        return ((X[a:b], Y[a:b]) for a, b in itertools.pairwise(cuts))

    net, other = network(), network()
    history = net.fit(uneven, **settings(epochs=1))
    other.build(5, seed=5)
    rule = cr.Adam()
    losses = []
    for a, b in itertools.pairwise(cuts):
        go_on = {"go_on": bool(a), "optimizer": rule, "batch_size": b - a, "shuffle": False}
        losses += other.fit(X[a:b], Y[a:b], **settings(epochs=1, **go_on)).loss
    assert history.loss[0] == pytest.approx(np.mean(losses), rel=1e-6)


# what can be read once ------------------------------------------------------------------------


def test_an_endless_generator_gives_what_is_asked_for_and_no_more():
    taken = []

    def endless():
        for k in itertools.count():
            taken.append(k)
            start = 8 * k % 64
            yield X[start : start + 8], Y[start : start + 8]

    source = endless()
    history = network().fit(source, steps_per_epoch=5, **settings())
    assert (history.epochs, taken) == (3, list(range(15)))
    assert np.array_equal(next(source)[0], X[56:64])  # and it was not closed


@pytest.mark.parametrize("ahead", [True, False])
def test_rows_left_over_belong_to_the_next_epoch(ahead):
    cycled = Stream(itertools.cycle(parts(10)), window=64, ahead=ahead)
    net = fitted(cycled, steps_per_epoch=4, batch_size=8, shuffle=False, epochs=4)
    rows = np.arange(4 * 32) % 70
    whole = Stream(lambda epoch: [(X[rows][32 * epoch :][:32], Y[rows][32 * epoch :][:32])], window=64)
    assert_same(net, fitted(whole, batch_size=8, shuffle=False, epochs=4))


def test_one_epoch_needs_no_steps():
    assert_same(fitted(X, Y, epochs=1, batch_size=8, shuffle=False), fitted(parts(), epochs=1))


def test_a_function_may_take_the_epoch():
    asked = []

    def drawn(epoch):
        asked.append(epoch)
        return parts()

    fitted(drawn)
    assert asked == [0, 1, 2]


def test_what_counts_as_a_stream():
    class Loader:
        def __iter__(self):
            return parts()

        def __len__(self):
            return 9

    assert_same(fitted(parts), fitted(Loader()))
    for table in (X, X.tolist(), {"a": X}, [X, X], np.memmap, "x.csv", 3):
        assert as_stream(table) is None
    assert repr(Stream(parts)) == "<Stream of parts>"


def test_a_class_of_ones_own_needs_but_parts(tmp_path):
    class Own(Stream):
        rows, window, batched = 70, 200, False

        def __init__(self):
            """Nothing is read from a source."""

        def parts(self, epoch, seed):
            assert seed in (None, 5)
            return parts(13)

    whole = fitted(X, Y, batch_size=8)
    assert repr(Own()) == "<Own>"
    assert_same(whole, fitted(Own(), batch_size=8, callbacks=[cr.Checkpoint(tmp_path)]))
    assert_same(whole, fitted(Own(), batch_size=8, callbacks=[cr.Checkpoint(tmp_path)], resume=True))


# memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [None, 64])
def test_no_more_than_two_windows_are_ahead(window, monkeypatch):
    monkeypatch.setattr(streamed, "GROUP", 64 * 28)
    given, rows = [0], 10_000

    def counted():
        for _ in range(rows // 4):
            given[0] += 4
            yield X[:4], Y[:4]

    reader = Reader(network(), Stream(counted, window=window), 0)
    reader.look(0)
    supply = Streamed(reader, Plan(0, 4, 1, True, 0, length=rows // 4), False, 0)
    most, step = 0, 0
    while step < rows // 4:
        for part in supply.take(0, step, 7):
            step += part.steps
            assert all(len(table) <= 128 for table in part.tables)
        if supply.ahead.asked is not None:  # whatever is being read has been read now
            supply.ahead.wait(lambda: False)
            supply.ahead.asked = "next"
            supply.ahead.ready.put(None)
        most = max(most, given[0] - 4 * step)
    supply.close()
    assert step == rows // 4
    assert 0 < most <= 2 * 64 + 8


# what goes wrong ------------------------------------------------------------------------------


def broken(at, *instead):
    """The parts, and at one of them something else; an exception is raised."""

    def made(epoch):
        for k, part in enumerate(parts()):
            if (epoch, k) != at:
                yield part
                continue
            for thing in instead:
                if isinstance(thing, Exception):
                    raise thing
                yield thing

    return made


LATER = (1, 3)  # in the second epoch, the fourth batch


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ([KeyError("gone")], "epoch 2, batch 4: KeyError: 'gone'"),
        ([], r"epoch 2: it ended after 8 steps, where 9 were expected, as before"),
        ([(X[:8], Y[:8])] * 2, r"epoch 2: it has more steps, where 9 were expected"),
        ([(X[:8, :4], Y[:8])], "batch 4: X: the network has 5 inputs, got 4 columns"),
        ([(X[:8], Y[:7])], "batch 4: y: has 7 rows, X has 8"),
        ([(X[:8].astype(str), Y[:8])], "batch 4: X: expected numbers, got text"),
        ([(X[:8] * np.nan, Y[:8])], "batch 4: X: holds NaN, first in row 0, column 0"),
        ([(X[:8], Y[:8].astype(str))], "batch 4: y: holds .*, but the network's classes are 0, 1"),
        ([(X[:8], Y[:8] + 5)], "batch 4: y: label .* is not among the classes, 0, 1"),
        ([(X[:8], Y[:8], W[:8])], "batch 4: it has weights, the first part had none"),
        ([(X[:0], Y[:0])], "batch 4: X: is empty"),
        ([X[:8]], r"batch 4: expected \(X, y\) or \(X, y, weights\), got ndarray. Yield tuples"),
        ([(X[:8],)], r"batch 4: expected \(X, y\) or \(X, y, weights\), got 1 things"),
    ],
)
def test_what_goes_wrong_is_told_and_what_was_trained_is_kept(instead, message):
    net = network()
    with pytest.raises(StreamError, match=f"^stream, .*{message}") as caught:
        net.fit(broken(LATER, *instead), **settings())
    assert caught.value.history.epochs == 1 + (len(instead) == 2)
    if instead and isinstance(instead[0], Exception):
        assert caught.value.__cause__ is instead[0]
    steps = {0: 17, 2: 18}.get(len(instead), 12)
    other = network()
    given = [*parts(), *parts()]
    if len(instead) == 2:
        given[12:13] = instead
        given = given[:18]
    if not instead:
        del given[12]
    other.fit(iter(given), steps_per_epoch=steps, **settings(epochs=1))
    for name, value in net.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name])


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        (lambda: iter(()), {}, "stream, epoch 1: there are no rows in it"),
        (lambda: 3, {}, "stream, epoch 1: cannot be read: TypeError: 'int' object is not iterable"),
        (broken((0, 0), OSError("no disk")), {}, "stream, epoch 1, batch 1: OSError: no disk"),
        (iter([*parts()]), {"steps_per_epoch": 4}, "epoch 3: ended after 1 of 4 steps"),
        (lambda: parts(8, X, np.array(["a", "b", "c"])[Y]), {}, None),
        (lambda: parts(4, X[:, :0], Y), {}, "batch 1: X: is empty"),
        (lambda: parts(70, X, np.array(["one"] * 70)), {}, "2 classes, one an output; there are 1"),
    ],
)
def test_what_is_wrong_from_the_start(source, more, message):
    if message is None:
        fitted(source, **more)
        return
    with pytest.raises(StreamError, match=message):
        fitted(source, **more)


def test_targets_keep_their_axes():
    def values():
        yield X[:8], X[:8, 0]
        yield X[:8], X[:8, :1]

    with pytest.raises(StreamError, match="epoch 1, batch 2: y has another number of axes than in the first"):
        cr.Network([cr.Dense(1)], loss="mse").fit(values, **settings())


def test_the_labels_of_the_first_part_may_not_be_all():
    words = np.array(["no", "yes"])[np.sort(Y)]
    with pytest.raises(StreamError, match=r"there are 1: 'no'.*pass Stream\(source, classes=\["):
        fitted(lambda: parts(8, X, words))
    fitted(Stream(lambda: parts(8, X, words), classes=["no", "yes"]))


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ((parts(), Y), {}, r"fit: y and <Stream of parts> contradict each other. A stream gives X and y"),
        ((parts,), {"sample_weight": W}, "fit: sample_weight and <Stream of parts> contradict"),
        ((parts,), {"record": cr.Ledger("hidden1.W")}, "fit: record and <Stream of parts> contradict"),
        ((parts,), {"class_weight": "balanced"}, "class_weight='balanced' has to know how often"),
        ((parts,), {"batch_size": 16}, "batch_size=16 and <Stream of parts>, whose parts are the batches"),
        ((parts,), {"optimizer": cr.LBFGS()}, "LBFGS works on all rows at once"),
        ((parts(),), {}, "can be read once, which is no more than one epoch; got epochs=3"),
        ((parts(),), {"epochs": 1, "resume": True, "callbacks": [cr.Checkpoint("x")]}, "cannot resume"),
        ((parts,), {"steps_per_epoch": 0}, "steps_per_epoch must be a positive int"),
        ((X, Y), {"steps_per_epoch": 2}, "steps_per_epoch is for streams, and X is a table"),
        ((X,), {}, "fit: y is missing"),
        ((parts,), {"optimizer": cr.SGD(cr.schedules.StepDecay(0.1))}, "has to know how many steps"),
        ((parts,), {"accumulate": 2}, "accumulate=2 has to know how many steps an epoch has"),
        ((parts,), {"optimizer": cr.Adam(average="swa")}, r"the averaging SWA.* has to know how many"),
        ((parts,), {"sampling": "balanced"}, "fit: sampling and <Stream of parts> contradict"),
    ],
)
def test_what_contradicts_a_stream_is_refused(given, more, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=message):
        fitted(*given, **more)


def test_a_stream_needs_a_source():
    for wrong in (3, None, dict):
        with pytest.raises(ParameterError, match="Stream: source must be an iterator, an iterable or a func"):
            Stream(wrong)
    with pytest.raises(ParameterError, match="Stream: window must be a positive int"):
        Stream(parts, window=0)


def test_an_average_of_batch_normalisation_needs_all_rows():
    net = cr.Network([cr.Dense(4), cr.BatchNorm(), cr.Dense(2)], loss="cross_entropy")
    with pytest.raises(ParameterError, match=r"EMA.* with batch normalisation needs all rows in the end"):
        net.fit(parts, steps_per_epoch=9, **settings(optimizer=cr.Adam(average="ema")))


def test_added_gradients_and_averages_are_those_in_memory():
    given = {"optimizer": cr.Adam(average="ema"), "accumulate": 4, "shuffle": False}
    whole = fitted(X, Y, batch_size=8, **given)
    assert_same(whole, fitted(parts, steps_per_epoch=9, **given))
    assert_same(whole, fitted(Stream(lambda: parts(13), window=24), steps_per_epoch=9, batch_size=8, **given))


def test_schedules_know_the_steps_where_they_are_told():
    rule = cr.SGD(cr.schedules.CosineDecay(0.1))
    whole = fitted(X, Y, optimizer=rule, batch_size=8, shuffle=False)
    assert_same(whole, fitted(parts, optimizer=rule, steps_per_epoch=9))


# resuming, going back, Ctrl-C -----------------------------------------------------------------


class Stop(cr.Checkpoint):
    """Ends the fit after some checkpoints, as Ctrl-C twice does."""

    def write(self, position, content, best=False):
        super().write(position, content, best)
        if self.written == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("stream", "more"),
    [(Stream(parts), {}), (Stream(lambda epoch: parts(13 + epoch), window=24), {"batch_size": 8})],
    ids=["batches", "windows"],
)
def test_a_fit_on_a_stream_resumes_bit_for_bit(stream, more, engine, tmp_path):
    given = {"engine": engine, **more}
    whole = fitted(stream, **given)
    for every in (4, 5):  # 5: the third within the second epoch
        folder = tmp_path / str(every)
        fitted(stream, callbacks=[Stop(folder, every_epochs=9, every_steps=every)], **given)
        checkpoint = cr.Checkpoint(folder)
        assert_same(whole, fitted(stream, callbacks=[checkpoint], resume=True, **given))
    other = Stream(parts, window=16)
    with pytest.raises(cr.ChainruleError, match=r"stream.window: .* there, 16 here"):
        fitted(other, callbacks=[checkpoint], resume=True, engine=engine, batch_size=8)


def test_a_fit_resumes_after_an_epoch_of_which_nobody_knew_that_it_was_over(tmp_path):
    given = {"batch_size": 10}
    whole = fitted(Stream(parts, window=20), **given)
    with pytest.raises(torture.Stop):
        fitted(Stream(parts, window=20), callbacks=[torture.StopAfter(tmp_path, 1, every_steps=7)], **given)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch000000-step000007.chainrule"]
    resumed = fitted(Stream(parts, window=20), callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    assert_same(whole, resumed)
    assert resumed.history.learning_rate == whole.history.learning_rate


def test_after_an_error_in_the_stream_the_fit_resumes_where_it_was(tmp_path):
    checkpoint = cr.Checkpoint(tmp_path)
    fails = [True]

    def made(epoch):
        for k, part in enumerate(parts()):
            if epoch == 1 and k == 5 and fails.pop():
                raise OSError("the network drive is gone")
            yield part

    stream = Stream(made)
    with pytest.raises(StreamError, match="epoch 2, batch 6: OSError: the network drive is gone"):
        fitted(stream, callbacks=[checkpoint])
    assert checkpoint.found()[0].name == "epoch000001-step000005.chainrule"
    fails.append(False)
    assert_same(fitted(parts), fitted(stream, callbacks=[checkpoint], resume=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_where_numbers_become_infinite_is_found_as_in_memory(engine):

    def spoil(x, numbers, epoch, seed):
        x[(numbers == 45) & (epoch == 1)] = np.inf
        return x

    given = {"engine": engine, "shuffle": False, "transform": spoil}
    found = []
    for data, size in (((X, Y), 8), ((parts,), None), ((Stream(lambda: parts(13), window=24),), 8)):
        with pytest.warns(RuntimeWarning, match="in epoch 2, step 6 of 9, the output of hidden1 became"):
            found.append(fitted(*data, batch_size=size, **given))
        assert found[-1].history.fault.row == 45
        assert_same(found[0], found[-1])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_at_fault_in_the_first_epoch_is_found_too(engine):
    values = X[:, 0]
    given = {**settings(engine, shuffle=False, optimizer=cr.SGD(1e3)), "batch_size": 8}
    told = []
    for data in ((X, values), (Stream(lambda: parts(13, X, values), window=24),)):
        net = cr.Network([cr.Dense(4), cr.Dense(1)], loss="mse")
        with pytest.warns(RuntimeWarning, match=r"in epoch 1, step \d"):
            told.append((net.fit(*data, **given), net.parameters))
    (whole, weights), (windows, others) = told
    assert whole.stopped.replace(" of 9", "") == windows.stopped
    assert whole.fault == windows.fault
    assert all(np.array_equal(value, others[name]) for name, value in weights.items())


def test_ctrl_c_is_answered_while_a_slow_stream_is_waited_for(ctrl_c):
    go_on, ended = threading.Event(), threading.Event()

    class Watch(cr.Callback):
        def on_epoch_end(self, network, history):
            ended.set()

    def slow(epoch):
        for k, part in enumerate(parts()):
            if (epoch, k) == (1, 4):
                ended.wait(30)
                os.kill(os.getpid(), signal.SIGINT)
                go_on.wait(30)
            yield part

    net = fitted(slow, callbacks=[Watch()])
    go_on.set()
    assert net.history.interrupted
    assert net.history.epochs == 1


def test_the_bar_learns_how_long_an_epoch_is():
    bar = Bar(3, None)
    assert bar.bar.tasks[0].total is None
    bar.advance(7)
    assert bar.bar.tasks[0].fields["losses"] == "7 steps"
    bar.found(7)
    assert bar.bar.tasks[0].total == 21


def test_lines_tell_the_time_left_where_there_is_no_terminal(capsys):
    net = network()
    net.fit(parts, **settings(verbose=True))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(line.endswith("s left") for line in lines)


def test_an_engine_is_chosen_though_nobody_knows_the_work():
    assert fitted(parts, engine="auto").history.engine == "numba"
    assert fitted(parts, engine="auto", steps_per_epoch=9).history.engine == "numpy"


def test_callbacks_hear_the_end_of_a_fit_whose_stream_breaks():
    class Told(cr.Callback):
        def on_fit_end(self, network, history):
            self.history, self.loss = history, network.evaluate(X, y)["loss"]

    X, y = np.arange(40.0).reshape(20, 2) / 40, np.arange(20.0) / 20

    def parts(epoch):
        yield X, y
        if epoch == 3:
            raise OSError("the line is dead")

    net, told = cr.Network([cr.Dense(3, "tanh"), cr.Dense(1)], loss="mse"), Told()
    best = cr.EarlyStopping("val_loss", patience=9)
    with pytest.raises(StreamError, match="the line is dead") as raised:
        net.fit(
            parts,
            epochs=9,
            validation_data=(X, y),
            callbacks=[best, told],
            optimizer=cr.SGD(0.9),
            verbose=False,
            engine="numpy",
        )
    assert raised.value.history is told.history
    assert told.history.failed
    assert 3 <= told.history.epochs < 9
    assert told.loss == pytest.approx(min(told.history.val_loss))
    assert told.loss == pytest.approx(best.best)
