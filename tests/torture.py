"""Checkpoints under torture: fits that go on from anywhere, are killed at any time, and find altered files.

python tests/torture.py                       504 combinations, 1,000 kills, 20,000 altered files: minutes
python tests/torture.py --kills 50 --files 500

Combinations: of optimizers, networks, ways to fit, engines and places to stop; a fit that goes on from there
must give, to the last bit, what it gives when nothing stops it.
Kills: a fit that writes checkpoints is killed by SIGKILL, and goes on from its last one, again and again.
Every file must be readable each time, and the last one that the fit said it had written must be there, or a
later one. In the end the weights must be those of a fit that nobody killed, bit for bit.
Files: a checkpoint with bytes changed, cut off, put in or taken out must be refused, never read as another.
"""

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.errors import ModelFileError
from chainrule.training.checkpoint import NAME
from chainrule.training.storage import read_model

EPOCHS = 60
ENGINES = ("numpy", "numba")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(45, 6)), np.arange(45) % 3
QUIET = {"verbose": False}
LETTERS = np.array(["a", "b", "c"])[Y]

# combinations ---------------------------------------------------------------------------------


class Stop(Exception):
    """What ends a fit in a test, as a power cut would."""


class StopAfter(cr.Checkpoint):
    """Ends the fit after so many checkpoints."""

    def __init__(self, folder, count, **settings):
        super().__init__(folder, **settings)
        self.count = count

    def write(self, position, content, best=False):
        super().write(position, content, best)
        if self.written == self.count:
            raise Stop


OPTIMIZERS = {
    "sgd": lambda: cr.SGD(0.05),
    "momentum": lambda: cr.SGD(0.05, momentum=0.9, nesterov=True),
    "cosine": lambda: cr.SGD(cr.schedules.CosineDecay(0.05)),
    "adagrad": lambda: cr.Adagrad(0.05),
    "rmsprop": lambda: cr.RMSProp(0.005),
    "adam": lambda: cr.Adam(0.01, clip_norm=1.0),
    "adamw": lambda: cr.AdamW(0.01, weight_decay=0.1),
    "nadam": lambda: cr.NAdam(0.01),
    "lion": lambda: cr.Lion(0.001),
    "rprop": lambda: cr.Rprop(0.01),
    "signsgd": lambda: cr.SignSGD(0.001),
    "quickprop": lambda: cr.Quickprop(0.01, mu=1.2),
    "delta_bar_delta": lambda: cr.DeltaBarDelta(0.01),
    "ema": lambda: cr.Adam(0.01, average=cr.EMA(0.9)),
    "swa": lambda: cr.SGD(0.05, momentum=0.9, average=cr.SWA(2, every=2)),
}
NETWORKS = {
    "plain": lambda: [cr.Dense(7, "relu"), cr.Dense(3)],
    "drawn": lambda: [cr.Dense(7, "tanh", l2=0.01), cr.Dropout(0.3), cr.BatchNorm(), cr.Dense(3)],
    "mixed": lambda: [cr.GaussianNoise(0.1), cr.Dense(7, "relu", max_norm=1.0), cr.BatchNorm(), cr.Dense(3)],
}
NETWORKS["parts"] = NETWORKS["sampled"] = NETWORKS["plain"]
MIXUP = {"mixed": 0.4}
FITS = {"parts": {"accumulate": 3}, "sampled": {"sampling": {0: 0.5, 1: 0.3, 2: 0.2}}}
TRAININGS = [
    *itertools.product(OPTIMIZERS, ("plain", "drawn")),
    *itertools.product(("sgd", "adam", "ema", "swa"), ("mixed", "parts", "sampled")),
]
KEPT = {"after epochs": {}, "within": {"every_steps": 4}}


def network(kind="plain", dtype="float64"):
    return cr.Network(NETWORKS[kind](), loss="cross_entropy", dtype=dtype, mixup=MIXUP.get(kind, 0.0))


def settings(optimizer, engine="numpy", **more):
    given = {"batch_size": 10, "epochs": 5, "validation_data": (X[:25], Y[:25]), "seed": 4, **QUIET, **more}
    return {"optimizer": OPTIMIZERS[optimizer](), "engine": engine, **given}


def assert_same(net, history, other, other_history):
    assert history.measures == other_history.measures
    for measure in history.measures:
        assert history[measure] == other_history[measure]
    assert history.learning_rate == other_history.learning_rate
    assert history.stopped == other_history.stopped
    for name, value in net.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], value, err_msg=name)
    for name, value in net._past.live.items():
        np.testing.assert_array_equal(other._past.live[name], value, err_msg=f"live {name}")


PLACES = [(name, count) for name in KEPT for count in (1, 2, 4)]


def go_on_everywhere(optimizer, kind, engine, folder, places=PLACES):
    """Stop a fit at places, and let it go on; raises AssertionError where a bit differs."""
    given = settings(optimizer, engine, **FITS.get(kind, {}))
    net = network(kind)
    history = net.fit(X, Y, callbacks=[cr.EarlyStopping(patience=50)], **given)
    for name, count in places:
        own = Path(folder) / f"{optimizer} {kind} {engine} {name} {count}"
        stopped = network(kind)
        try:
            stop = StopAfter(own, count, **KEPT[name])
            stopped.fit(X, Y, callbacks=[cr.EarlyStopping(patience=50), stop], **given)
        except Stop:
            other = network(kind)
            callbacks = [cr.EarlyStopping(patience=50), cr.Checkpoint(own, **KEPT[name])]
            assert_same(net, history, other, other.fit(X, Y, callbacks=callbacks, resume=True, **given))
        else:
            raise AssertionError(f"{own.name}: was never stopped")


def combinations(told=lambda done: None):
    """All of them; raises AssertionError where a bit differs. Gives their number."""
    listed = [(*training, engine) for training in TRAININGS for engine in ENGINES]
    with tempfile.TemporaryDirectory() as folder:
        for done, chosen in enumerate(listed, 1):
            go_on_everywhere(*chosen, folder)
            told(done * len(PLACES))
    return len(listed) * len(PLACES)


# kills ----------------------------------------------------------------------------------------


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(120, 6)), rng.integers(0, 3, 120)


def fit(callbacks, resume=False):
    """A fit of some tenths of a second; the network."""
    X, y = data()
    layers = [cr.Dense(32, "relu"), cr.Dropout(0.2), cr.BatchNorm(), cr.Dense(3)]
    net = cr.Network(layers, loss="cross_entropy")
    settings = {"batch_size": 16, "epochs": EPOCHS, "validation_data": (X[:20], y[:20]), "seed": 1}
    net.fit(X, y, engine="numpy", verbose=False, callbacks=callbacks, resume=resume, **settings)
    return net


class Told(cr.Checkpoint):
    """Tells the number of each checkpoint that is written."""

    def __init__(self, folder, pipe):
        super().__init__(folder, every_steps=3, keep=2)
        self.pipe = pipe

    def write(self, position, content, best=False):
        super().write(position, content, best)
        if not best:
            os.write(self.pipe, f"{position.epoch} {position.step}\n".encode())


def kill_one(folder, wait):
    """Fork a fit that goes on in the folder, and kill it after so many seconds; where it said it was, and
    whether it had ended before."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            fit([Told(folder, writing), cr.EarlyStopping(patience=EPOCHS)], resume=True)
        finally:
            os._exit(0)
    os.close(writing)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        lines = file.read().split("\n")
    places = [tuple(map(int, line.split())) for line in lines if line]
    return places[-1] if places else None, not os.WIFSIGNALED(status)


def kills(count, seed=0, told=lambda done: None):
    """Kill so many fits; raises AssertionError where something is lost. Gives how many were killed."""
    chance = random.Random(seed)
    reference = fit([cr.EarlyStopping(patience=EPOCHS)]).parameters
    done = rounds = 0
    with tempfile.TemporaryDirectory() as parent:
        while done < count:
            folder = Path(parent) / f"fit{rounds}"
            rounds += 1
            ended = False
            while not ended and done < count:
                last, ended = kill_one(folder, chance.uniform(0.0, 0.08))
                done += not ended
                told(done)
                there = sorted(folder.iterdir()) if folder.exists() else []
                for path in there:
                    if path.suffix == ".chainrule":
                        read_model(path)
                if last is not None:
                    numbers = [NAME.fullmatch(path.name) for path in there]
                    newest = max((int(m[1]), int(m[2] or 0)) for m in numbers if m)
                    assert newest >= last, f"{last} was written, {newest} is the last one there"
            ours = fit(
                [Told(folder, os.open(os.devnull, os.O_WRONLY)), cr.EarlyStopping(patience=EPOCHS)], True
            )
            for name, value in ours.parameters.items():
                assert np.array_equal(value, reference[name]), f"{name} is not what it would have been"
            shutil.rmtree(folder)
    return done


# files ----------------------------------------------------------------------------------------


def altered(content, chance):
    """The bytes with something changed."""
    way, place = chance.randrange(5), chance.randrange(len(content))
    some = bytes(chance.randrange(256) for _ in range(chance.choice((1, 1, 2, 8, 64))))
    if way == 0:
        return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
    if way == 1:
        return content[:place] + some + content[place + len(some) :]
    if way == 2:
        return content[:place]
    if way == 3:
        return content[:place] + some + content[place:]
    return content[:place] + content[place + len(some) :]


def files(count, seed=0, told=lambda done: None):
    """Alter a checkpoint so many times; raises AssertionError where one is read. Gives their number."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        fit([cr.Checkpoint(folder)])
        whole = max(Path(folder).glob("epoch*.chainrule")).read_bytes()
        victim = Path(folder) / "altered.chainrule"
        for done in range(count):
            content = altered(whole, chance)
            if content == whole:
                continue
            victim.write_bytes(content)
            try:
                read_model(victim)
            except ModelFileError:
                told(done + 1)
                continue
            raise AssertionError(f"altered file {done} of seed {seed} was read as if nothing were wrong")
    return count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parts = {
        "combinations go on bit for bit": (combinations, 504),
        "fits killed, nothing lost": (partial(kills, options.kills, options.seed), options.kills),
        "altered files, none of them read": (partial(files, options.files, options.seed), options.files),
    }
    for what, (function, count) in parts.items():
        start = time.monotonic()

        def told(done, count=count, start=start):
            if done and sys.stderr.isatty():
                left = (time.monotonic() - start) / done * (count - done)
                print(f"\r{done:,} of {count:,}, {left:.0f} s left    ", end="\r", file=sys.stderr)

        print(f"{function(told=told):,} {what}", flush=True)


if __name__ == "__main__":
    main()
