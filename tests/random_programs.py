"""Random programs, to compare the engines on what nobody thought of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.graph.tensor import apply, constant
from chainrule.shapes import Size, evaluate_shape

N, T = Size.named("n"), Size.named("t")


@dataclass
class Made:
    """A program, and arrays to call it with."""

    program: cr.Program
    calls: list[list[np.ndarray]] = field(default_factory=list)


class Maker:
    """Grows a graph by random ops on random nodes. Values stay near 1, so that rounding stays small."""

    def __init__(self, random, dtype="float64"):
        self.random, self.dtype = random, dtype
        self.floats, self.whole, self.truths = [], [], []
        self.inputs, self.variables = [], []
        self.index_axes = {}  # the largest index + 1 of each tensor of indices

    # leaves ---------------------------------------------------------------------------------------

    def dims(self, rank, named=True):
        choices = [1, 2, 3, 4, *((N, N, T) if named else ())]
        return tuple(self.random.choice(choices) for _ in range(rank))

    def leaves(self):
        random = self.random
        anchor = cr.placeholder((N, T), self.dtype, "sizes")  # so that every size has a number
        self.inputs.append(anchor)
        self.floats.append(anchor)
        for i in range(random.randint(0, 2)):
            x = cr.placeholder(self.dims(random.randint(0, 4)), self.dtype, f"x{i}")
            self.inputs.append(x)
            self.floats.append(x)
        for i in range(random.randint(0, 1)):
            t = cr.placeholder(self.dims(random.randint(0, 2)), random.choice(["int64", "int32"]), f"t{i}")
            self.inputs.append(t)
            self.whole.append(t)
            self.index_axes[t] = random.choice([2, 3, 4])
        for i in range(random.randint(1, 3)):
            shape = self.dims(random.choice([0, 1, 2, 2, 2, 3]), named=False)
            if i and random.random() < 0.5:
                shape = self.variables[-1].shape
            w = cr.tensor(self.array(shape), name=f"w{i}", dtype=self.dtype)
            self.variables.append(w)
            self.floats.append(w)

    def array(self, shape):
        values = [round(self.random.uniform(-1.5, 1.5), 3) for _ in range(math.prod(shape))]
        return np.array(values, self.dtype).reshape(shape)

    # ops ------------------------------------------------------------------------------------------

    def node(self):
        recent = self.floats[-4:] if self.random.random() < 0.6 else self.floats
        return self.random.choice(recent)

    def axis(self, x):
        return self.random.randrange(-x.ndim, x.ndim)

    def axes(self, x):
        return tuple(a for a in range(x.ndim) if self.random.random() < 0.5)

    def map_one(self):
        x = self.node()
        return self.random.choice(
            [
                cr.tanh,
                cr.logistic,
                cr.relu,
                cr.sin,
                cr.softplus,
                cr.abs,
                cr.stop_gradient,
                lambda x: -x,
                lambda x: cr.exp(cr.tanh(x)),
                lambda x: cr.log1p(x * x),
                lambda x: cr.sqrt(x * x + 1),
                lambda x: x * 0.5 + 1,
                lambda x: 1 - x,
                lambda x: cr.leaky_relu(x, 0.1),
                lambda x: x**2 / (1 + x**2),
                cr.gelu,
                cr.silu,
                cr.elu,
                cr.cos,
            ]
        )(x)

    def map_two(self):
        x, y = self.node(), self.node()
        both = [lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (1 + y * y)]
        both += [lambda x, y: cr.where(x > 0.123, x, y), lambda x, y: cr.maximum(x, y * 0.37)]
        return self.random.choice(both)(x, y)

    def reduction(self):
        x = self.node()
        name = self.random.choice(["sum", "mean", "max", "min", "logsumexp"])
        axes = self.axes(x)
        if name != "sum" and not axes:
            axes = None
        return getattr(cr, name)(x, axes, self.random.random() < 0.5) * (0.5 if name == "sum" else 1)

    def normalised(self):
        x = self.node()
        return self.random.choice([cr.softmax, cr.log_softmax])(x, self.axis(x))

    def transposed(self):
        x = self.node()
        order = list(range(x.ndim))
        self.random.shuffle(order)
        return cr.transpose(x, order)

    def reshaped(self):
        """Neighbouring axes merged, one split, or axes of size 1 put in."""
        x = self.node()
        shape, way = list(x.shape), self.random.randrange(3)
        if way == 0 and len(shape) > 1:
            i = self.random.randrange(len(shape) - 1)
            shape[i : i + 2] = [shape[i] * shape[i + 1]]
        elif way == 1:
            splits = [i for i, d in enumerate(shape) if d in (4, 6, 8, 12)]
            if splits:
                i = self.random.choice(splits)
                shape[i : i + 1] = self.random.choice([[2, shape[i] // 2], [shape[i] // 2, 2]])
        else:
            shape.insert(self.random.randint(0, len(shape)), 1)
        if len(shape) > 5:
            return x
        return cr.reshape(x, tuple(shape))

    def sliced(self):
        x = self.node()
        key = []
        for d in x.shape:
            if self.random.random() < 0.15:
                key.append(None)
            if isinstance(d, int):
                i, j = sorted(self.random.choices(range(d + 1), k=2))
                key.append(
                    self.random.choice(
                        [
                            slice(None),
                            slice(i, j),
                            slice(None, None, -1),
                            slice(None, None, 2),
                            slice(None, None, -2),
                            slice(-1, None),
                            self.random.randrange(-d, d) if d else slice(None),
                        ]
                    )
                )
            else:
                key.append(self.random.choice([slice(None), slice(None), slice(None, None, -1)]))
        return x[tuple(key)]

    def joined(self):
        x = self.node()
        axis = self.axis(x) % x.ndim
        fits = [
            y
            for y in self.floats
            if y.ndim == x.ndim
            and all(a == axis or d == e for a, (d, e) in enumerate(zip(y.shape, x.shape, strict=True)))
        ]
        return cr.concatenate([x, *self.random.choices(fits, k=self.random.randint(1, 2))], axis)

    def indexed(self):
        x, t = self.node(), self.random.choice(self.whole)
        enough = self.index_axes[t]
        fits = [a for a, d in enumerate(x.shape) if isinstance(d, int) and d >= enough]
        way = self.random.randrange(4)
        if way == 0:
            return cr.one_hot(t, 3).astype(self.dtype)
        if way == 1 and x.shape[:-1] == t.shape and x.ndim - 1 in fits:
            return cr.pick(x, t)
        if way == 2 and t.ndim <= x.ndim and x.shape[: t.ndim] == t.shape:
            return apply("scatter_add", t, x, shape=(enough, *x.shape[t.ndim :]))
        return cr.take(x, t, self.random.choice(fits))

    def product(self):
        x = self.node()
        k = x.shape[-1]
        fits = [y for y in self.floats if y.ndim and (y.shape[-2] if y.ndim > 1 else y.shape[0]) == k]
        y = self.random.choice(fits)
        if self.random.random() < 0.3 and y.ndim == 2 and y.shape[0] == y.shape[1]:
            y = y.T
        return (x @ y) * 0.5

    def scanned(self):
        other = self.node()
        x = self.random.choice(
            [y for y in self.floats if y.ndim and all(d in (N, T) or isinstance(d, int) for d in y.shape)]
        )
        starts = [y for y in self.floats if y.shape == x.shape[1:]]
        start = self.random.choice([*starts, cr.expand(constant(0.25, self.dtype), x.shape[1:])])

        def body(carry, row):
            new = cr.tanh(0.5 * carry + row * (cr.mean(other) if other.ndim else other))
            return new, carry * row

        last, rows = cr.scan(body, start, x, reverse=self.random.random() < 0.4)
        return self.random.choice([last, rows])

    def compared(self):
        x = self.node()
        found = self.random.choice([x > 0.111, x <= -0.222, x != 0.5])
        self.truths.append(found)
        return found.astype(self.dtype)

    def counted(self):
        x = self.node()
        axis = self.axis(x)
        best = cr.argmax(x, axis)
        if isinstance(x.shape[axis], int):
            self.whole.append(best)
            self.index_axes[best] = x.shape[axis]
        return best.astype(self.dtype) * 0.25

    def grow(self, count):
        ways = [self.map_one] * 4 + [self.map_two] * 6 + [self.reduction] * 3 + [self.normalised] * 2
        ways += [self.transposed] * 2 + [self.reshaped] * 3 + [self.sliced] * 3 + [self.joined] * 2
        ways += (
            [self.indexed] * 3
            + [self.product] * 4
            + [self.compared, self.counted, self.scanned, self.scanned]
        )
        grown = 0
        for _ in range(4 * count):
            try:
                made = self.random.choice(ways)()
            except (ChainruleError, IndexError, ValueError):  # it does not fit
                continue
            if made.ndim > 4 or sum(isinstance(d, Size) for d in made.shape) > 3:
                continue
            total = math.prod(evaluate_shape(made.shape, {"n": 3, "t": 2}))
            if made.dtype == self.dtype and total <= 600:
                self.floats.append(cr.tanh(made) if self.random.random() < 0.2 else made)
                grown += 1
            if grown == count:
                break

    # updates --------------------------------------------------------------------------------------

    def new_value(self, w):
        """A new value for a variable: nasty ones, made of its own old value or of other variables'."""
        random = self.random
        same = [v for v in self.variables if v.shape == w.shape]
        other = random.choice(same)
        ways = [
            lambda: w + 0.5 * other,
            lambda: w - other,
            lambda: other,
            lambda: cr.tanh(other) * 0.5,
            lambda: w,
        ]
        ways.append(lambda: cr.expand(constant(0.5, self.dtype), w.shape))
        if w.ndim:
            ways += [
                lambda: w[::-1],
                lambda: cr.softmax(w, 0),
                lambda: w - 0.1 * cr.sum(w, -1, keepdims=True),
            ]
            ways.append(lambda: cr.concatenate([w[1:], w[:1]]))
        if w.ndim == 2:
            if w.shape[0] == w.shape[1]:
                ways += [
                    lambda: w.T,
                    lambda: cr.tanh(w @ w),
                    lambda: 0.1 * (w.T @ other),
                    lambda: w - 0.1 * (w @ w),
                ]
            columns = [x for x in self.floats if x.ndim == 2 and x.shape[1] == w.shape[0]]
            rows = [x for x in self.floats if x.ndim == 2 and x.shape[1] == w.shape[1]]
            pairs = [(a, b) for a in columns for b in rows if a.shape[0] == b.shape[0]]
            if pairs:
                a, b = random.choice(pairs)
                rate = random.choice([x for x in self.floats if x.shape == ()] or [constant(0.1, self.dtype)])
                ways += [lambda: w - cr.tanh(rate) * (a.T @ b), lambda: w + rate * cr.tanh(a.T @ b)] * 2
        fits = [x for x in self.floats if x.shape == w.shape]
        ways += [lambda: random.choice(fits), lambda: 0.5 * w + 0.25 * random.choice(fits)] * 2
        return random.choice(ways)()

    def learned(self, updates):
        """A loss, and its gradient's step for all variables."""
        random = self.random
        filled = [x for x in self.floats if 0 not in x.shape]
        loss = cr.mean(cr.tanh(filled[-1])) + 0.1 * cr.mean(random.choice(filled))
        for w in self.variables:
            loss = loss + 0.01 * cr.sum(w * w)
        rate = random.choice([0.1, *(x for x in self.floats if x.shape == ())])
        momentum = random.random() < 0.4
        for w, g in zip(list(self.variables), cr.gradient(loss, self.variables), strict=True):
            if momentum:
                m = cr.tensor(self.array(w.shape), name=f"m_{w.name}", dtype=self.dtype)
                updates[m] = 0.9 * m + g
                g = updates[m]
            updates[w] = w - rate * g
        return loss


def random_program(random, ops=12, dtype="float64", calls=2, rows=(1, 2, 3, 5), times=(1, 2, 3)):
    """A program of about so many ops with several outputs and updates, and inputs for some calls.

    The sizes n and t are drawn from `rows` and `times`.
    """
    maker = Maker(random, dtype)
    maker.leaves()
    maker.grow(ops)
    outputs, updates = {}, {}
    if random.random() < 0.5:
        outputs["loss"] = maker.learned(updates)
    for w in maker.variables:
        if w not in updates and random.random() < 0.7:
            updates[w] = maker.new_value(w)
    pool = [*maker.floats[-5:], *maker.whole[-1:], *maker.truths[-1:], *maker.variables, *updates.values()]
    for i in range(random.randint(1, 4)):
        outputs[f"out{i}"] = random.choice(pool)
    made = Made(cr.Program(maker.inputs, outputs, updates))
    for _ in range(calls):
        sizes = {"n": random.choice(rows), "t": random.choice(times)}
        made.calls.append([_value(maker, leaf, sizes) for leaf in maker.inputs])
    return made


def _value(maker, leaf, sizes):
    shape = evaluate_shape(leaf.shape, sizes)
    if leaf.dtype.kind == "f":
        return maker.array(shape)
    high = maker.index_axes[leaf]
    values = [maker.random.randrange(-high, high) for _ in range(math.prod(shape))]
    return np.array(values, leaf.dtype).reshape(shape)


def classifier(sizes, rule="sgd", dtype="float32", seed=0):
    """A training step of a network with ReLU and cross-entropy; its program and parameters."""
    draw = np.random.default_rng(seed)
    x, t = cr.placeholder((N, sizes[0]), dtype, "x"), cr.placeholder((N,), "int64", "t")
    lr = cr.placeholder((), dtype, "lr")
    parameters, h = [], x
    for i, (inputs, units) in enumerate(pairwise(sizes), 1):
        W = cr.tensor(
            (draw.normal(size=(inputs, units)) * (2 / (inputs + units)) ** 0.5).astype(dtype), name=f"W{i}"
        )
        b = cr.tensor(np.zeros(units, dtype), name=f"b{i}")
        parameters += [W, b]
        h = h @ W + b
        h.name = f"z{i}"
        if i < len(sizes) - 1:
            h = cr.relu(h)
            h.name = f"a{i}"
    log_p = cr.log_softmax(h)
    log_p.name = "log_p"
    loss = -cr.mean(cr.pick(log_p, t))
    updates = _rule(rule, parameters, cr.gradient(loss, parameters), lr, dtype)
    return cr.Program([x, t, lr], {"loss": loss}, updates), parameters


def _rule(rule, parameters, slopes, lr, dtype):
    updates = {}
    if rule == "adam":
        k = cr.tensor(np.array(0, dtype), name="k")
        updates[k] = k + 1
        rate = lr * cr.sqrt(1 - 0.999 ** updates[k]) / (1 - 0.9 ** updates[k])
    for p, g in zip(parameters, slopes, strict=True):
        m, v = (cr.tensor(np.zeros(p.shape, dtype), name=f"{letter}_{p.name}") for letter in "mv")
        if rule == "sgd":
            updates[p] = p - lr * g
            continue
        updates[m] = 0.9 * m + g if rule == "momentum" else 0.9 * m + 0.1 * g
        if rule == "momentum":
            updates[p] = p - lr * updates[m]
        else:
            updates[v] = 0.999 * v + 0.001 * (g * g)
            updates[p] = p - rate * updates[m] / (cr.sqrt(updates[v]) + 1e-8)
    return updates
