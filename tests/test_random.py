"""Random numbers: NumPy's Philox, which is Random123's, and what is made of it."""

import re

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule.errors import DTypeError, GradientError, ParameterError, ShapeError

# Known answers of philox4x64, 10 rounds: counter, key, result (Random123 1.09, examples/kat_vectors).
PUBLISHED = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (2**64 - 1,) * 4,
        (2**64 - 1,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@pytest.mark.golden
@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_published_vectors_are_those_of_numpy(counter, key, expected):
    number = sum(word << 64 * i for i, word in enumerate(counter))
    before = (number - 1) % 2**256  # NumPy counts up before it draws
    bits = np.random.Philox(counter=before, key=sum(word << 64 * i for i, word in enumerate(key)))
    assert tuple(int(word) for word in bits.random_raw(4)) == expected


@pytest.mark.parametrize(
    ("seed", "step", "purpose"), [(0, 0, 0), (1, 2, 3), (2**64 - 1, 5, 0), (-7, 2**40, 9)]
)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (0, 2)])
def test_uniform_numbers_are_those_of_numpys_philox(seed, step, purpose, shape):
    key = np.array([seed % 2**64, purpose], np.uint64)  # a list would pass through float64
    philox = np.random.Philox(key=key, counter=[0, step, 0, 0])
    expected = np.random.Generator(philox).random(shape)
    got = cr.random_uniform(shape, seed, step, purpose)
    assert got.shape == shape
    np.testing.assert_array_equal(got.numpy(), expected)


def test_single_precision_takes_the_highest_24_bits():
    bits = np.random.Philox(key=[3, 0], counter=[0, 0, 0, 0]).random_raw(7)
    got = cr.random_uniform(7, 3, dtype="float32").numpy()
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, (bits >> 40) / 2**24)
    assert got.max() < 1


def test_seed_step_and_purpose_each_give_other_numbers():
    draws = [cr.random_uniform(4, *key).numpy() for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    assert len({tuple(d) for d in draws}) == 4
    np.testing.assert_array_equal(draws[0], cr.random_uniform(4, np.uint8(0)).numpy())


def test_seed_and_step_may_be_tensors():
    seed, step = cr.tensor(np.int64(5)), cr.tensor(np.array(7))
    np.testing.assert_array_equal(
        cr.random_uniform((2, 3), seed, step).numpy(), cr.random_uniform((2, 3), 5, 7).numpy()
    )


def test_more_rows_leave_the_first_as_they_were():
    np.testing.assert_array_equal(
        cr.random_uniform((5, 3), 1).numpy(), cr.random_uniform((9, 3), 1).numpy()[:5]
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_normal(dtype):
    x = cr.random_normal((4000,), 11, dtype=dtype)
    assert x.dtype == dtype
    assert np.isfinite(x.numpy()).all()
    assert stats.kstest(x.numpy().astype("float64"), "norm").pvalue > 0.01
    assert cr.random_normal((2, 3), 0).shape == (2, 3)


def test_numbers_have_no_gradient_but_pass_it_on():
    x = cr.tensor([1.0, 2.0, 3.0])
    noise = cr.random_uniform(3, 0)
    (g,) = cr.gradient((x * noise).sum(), [x])
    np.testing.assert_array_equal(g.numpy(), noise.numpy())
    seed = cr.tensor(np.int64(1), name="seed")
    with pytest.raises(GradientError, match="gradient: seed holds int64; only real numbers have derivatives"):
        cr.gradient(cr.random_uniform((), seed), [seed])


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: cr.random_uniform(2, 1.5), DTypeError, "random: seed must be a whole number, got 1.5"),
        (lambda: cr.random_uniform(2, None), DTypeError, "random: seed must be a whole number, got None"),
        (lambda: cr.random_uniform(2, 0, "a"), DTypeError, "random: step must be a whole number, got 'a'"),
        (
            lambda: cr.random_uniform(2, cr.tensor(1.0)),
            DTypeError,
            "random: seed and step are whole numbers, got",
        ),
        (
            lambda: cr.random_uniform(2, 0, dtype="int8"),
            DTypeError,
            "random_uniform: dtype is float32 or float64",
        ),
        (
            lambda: cr.random_uniform(2, 0, dtype="real"),
            DTypeError,
            "random_uniform: 'real' is not a type of",
        ),
        (
            lambda: cr.random_uniform(2, 0, purpose=-1),
            ParameterError,
            "random_uniform: purpose must be a whole",
        ),
        (lambda: cr.random_uniform(-2, 0), ShapeError, "a size cannot be negative, got -2"),
    ],
)
def test_what_is_no_seed_is_refused(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask()
