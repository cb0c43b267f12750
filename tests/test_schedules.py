"""Schedules against PyTorch's numbers and their formulas; what checks of rates and settings refuse."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import ParameterError, UnknownNameError
from chainrule.optim import schedules
from chainrule.optim.schedules import (
    SCHEDULES,
    Constant,
    CosineDecay,
    CosineRestarts,
    Course,
    ExponentialDecay,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    as_schedule,
    checked_rates,
    make_schedule,
    schedule_from_json,
)

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("optimizers.json").read_text("utf-8"))
F32, F64 = np.dtype("float32"), np.dtype("float64")
EVERY = [
    Constant(0.1),
    StepDecay(0.1, factor=0.5, every=2),
    InverseScaling(0.1, power=0.7),
    ExponentialDecay(0.1, factor=0.5),
    CosineDecay(0.1, warmup=0.9, min_rate=0.01),
    CosineRestarts(0.1, cycle=1, growth=2, min_rate=0.01),
    OneCycle(0.1, rise=0.4),
    ReduceOnPlateau(0.1, factor=0.5, patience=1, min_rate=0.02),
]


def all_rates(schedule, steps_per_epoch=5, epochs=8, measured=()):
    """Of every step of a fit."""
    return schedule.rates(np.arange(steps_per_epoch * epochs), Course(steps_per_epoch, epochs, measured))


# against PyTorch ------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize(
    "entry", GOLDEN["schedules"], ids=[f"{i}-{e['schedule']}" for i, e in enumerate(GOLDEN["schedules"])]
)
def test_rates_agree_with_pytorch(entry):
    schedule = getattr(schedules, entry["schedule"])(**entry["settings"])
    measured = [math.nan if m is None else m for m in entry["measured"]]
    steps, epochs = GOLDEN["steps_per_epoch"], len(measured) + 1 if measured else GOLDEN["epochs"]
    found = all_rates(schedule, steps, epochs, measured)
    expected = np.array(entry["rates"])
    if len(expected) == epochs:
        expected = np.repeat(expected, steps)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-17)


def test_every_schedule_is_among_pytorchs_numbers():
    compared = {entry["schedule"] for entry in GOLDEN["schedules"]}
    assert compared == {cls.__name__ for cls in SCHEDULES.values()} - {"Constant"}
    assert {type(schedule) for schedule in EVERY} == set(SCHEDULES.values())


# what they promise ----------------------------------------------------------------------------


@given(
    schedule=st.sampled_from(EVERY),
    steps_per_epoch=st.integers(1, 7),
    epochs=st.integers(2, 9),
    measured=st.lists(st.floats(0, 1), max_size=8),
)
def test_rates_are_positive_at_most_the_learning_rate_and_do_not_depend_on_what_else_is_asked(
    schedule, steps_per_epoch, epochs, measured
):
    course = Course(steps_per_epoch, epochs, measured[:epochs])
    steps = np.arange(course.steps)
    together = checked_rates(schedule, steps, course, F64)
    assert together.shape == steps.shape
    assert (together > 0).all()
    assert (together <= 0.1 + 1e-15).all()
    backwards = checked_rates(schedule, steps[::-1], course, F64)
    alone = [checked_rates(schedule, steps[i : i + 1], course, F64)[0] for i in range(len(steps))]
    assert backwards[::-1].tolist() == together.tolist() == alone


def test_step_decay_changes_with_the_epoch():
    found = all_rates(StepDecay(0.8, factor=0.5, every=2), steps_per_epoch=2, epochs=5)
    assert found.tolist() == [0.8] * 4 + [0.4] * 4 + [0.2] * 2


def test_inverse_scaling_counts_steps_from_one():
    np.testing.assert_allclose(
        all_rates(InverseScaling(0.6, power=1), steps_per_epoch=2, epochs=2), [0.6, 0.3, 0.2, 0.15]
    )


def test_exponential_decay_changes_with_the_epoch():
    assert all_rates(ExponentialDecay(0.8, factor=0.5), 2, 3).tolist() == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]


def test_cosine_decay_rises_in_equal_parts_and_falls_to_the_least():
    schedule = CosineDecay(0.4, warmup=1.5, min_rate=0.1)
    found = all_rates(schedule, steps_per_epoch=2, epochs=6)
    np.testing.assert_allclose(found[:4], [0.1, 0.2, 0.3, 0.4])
    assert (np.diff(found[3:]) < 0).all()
    after = schedule.rates(np.array([12, 100]), Course(2, 6))
    np.testing.assert_allclose(after, 0.1)
    middle = all_rates(CosineDecay(0.4), steps_per_epoch=4, epochs=1)[2]
    assert middle == pytest.approx(0.2)


def test_cosine_restarts_begin_anew_and_grow():
    equal = all_rates(CosineRestarts(0.4, cycle=2), steps_per_epoch=3, epochs=7)
    np.testing.assert_array_equal(equal[:6], equal[6:12])
    np.testing.assert_array_equal(equal[12:18], equal[6:12])
    assert np.flatnonzero(equal == 0.4).tolist() == [0, 6, 12, 18]
    grown = all_rates(CosineRestarts(0.4, cycle=1, growth=3), steps_per_epoch=2, epochs=14)
    assert np.flatnonzero(grown == 0.4).tolist() == [0, 2, 8, 26]
    far = CosineRestarts(0.4, cycle=1, growth=2).rates(np.array([2**40 - 1]), Course(1, 2**41))
    np.testing.assert_allclose(far, 0.4)


def test_one_cycle_starts_low_is_largest_once_and_ends_lower():
    found = all_rates(OneCycle(1.0, rise=0.5, div_factor=10, final_div_factor=100), 10, 10)
    assert found[0] == pytest.approx(0.1)
    assert found.argmax() == 49
    assert found[49] == pytest.approx(1.0)
    assert found[-1] == pytest.approx(0.001)
    assert (np.diff(found[:50]) > 0).all()
    assert (np.diff(found[49:]) < 0).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("rise", [0.0, 0.25, 0.5, 0.99])
def test_one_cycle_of_few_steps_has_finite_rates(steps, rise):
    found = all_rates(OneCycle(1.0, rise=rise), 1, steps)
    assert (found > 0).all()
    assert (found <= 1).all()
    assert found[-1] == pytest.approx(1 / 25 / 1e4)


def test_a_plateau_changes_the_rates_after_it_and_none_before():
    schedule = ReduceOnPlateau(0.8, factor=0.5, patience=1, min_delta=0.1, min_rate=0.3)
    measured = [1.0, 0.95, 0.92, 0.5, 0.5, 0.5, 0.5, 0.5]
    seen = [schedule.rates(np.array([e]), Course(1, 9, measured[:e]))[0] for e in range(9)]
    assert seen == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3]
    assert all_rates(schedule, 1, 9, measured).tolist() == seen


def test_measures_below_zero_can_gain():
    measured = [-1.0, -2.0, -3.0, -4.0]
    assert set(all_rates(ReduceOnPlateau(0.8, patience=0), 1, 5, measured)) == {0.8}


def test_a_function_is_asked_for_fractions_of_epochs():
    asked = []

    def rate(epoch):
        asked.append(epoch)
        return np.where(epoch < 1, 2, 0)

    assert all_rates(as_schedule(rate), steps_per_epoch=4, epochs=2).tolist() == [2.0] * 4 + [0.0] * 4
    assert asked == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_numbers_and_schedules_as_schedules():
    assert as_schedule(0.5) == Constant(0.5)
    assert as_schedule(EVERY[1]) is EVERY[1]
    assert all_rates(Constant(0.5), 2, 2).tolist() == [0.5] * 4


# checks of rates ------------------------------------------------------------------------------


class Own(Schedule):
    """A schedule of one's own, whose rates need not be right."""

    def __init__(self, made):
        super().__init__(0.1)
        object.__setattr__(self, "made", made)

    def rates(self, steps, course):
        return self.made


@pytest.mark.parametrize(
    ("schedule", "dtype", "message"),
    [
        (as_schedule(lambda epoch: 0.5 - epoch), F64, "fit: learning_rate -0.1 in step 7 is negative"),
        (as_schedule(lambda epoch: math.nan), F64, "learning_rate nan in step 1 is not a number"),
        (as_schedule(lambda epoch: math.inf), F64, "learning_rate inf in step 1 is too large for float64"),
        (as_schedule(lambda epoch: 1e39), F32, "1e\\+39 in step 1 is too large for float32"),
        (Constant(1e-50), F32, "1e-50 in step 1 is too small for float32. Rates must be 0 or more; pass"),
        (as_schedule(lambda epoch: None), F64, "must return a number, got None for epoch 0"),
        (as_schedule(lambda epoch: "0.1"), F64, "must return a number, got '0.1' for epoch 0"),
        (as_schedule(lambda epoch: [0.1]), F64, r"must return a number, got \[0.1\] for epoch 0"),
        (as_schedule(lambda epoch: epoch > 1), F64, "must return a number, got False for epoch 0"),
        (Own(np.ones(3)), F64, r"Own.rates must return a number for each of 20 steps, got float64 .*\(3,\)"),
        (Own(np.full(20, "a")), F64, "Own.rates must return a number for each of 20 steps, got <U1"),
        (Own(-np.ones(20)), F64, "learning_rate -1 in step 1 is negative"),
        (CosineDecay(0.1, warmup=2), F64, "a warm-up of 2 epochs leaves nothing of a fit of 2 epochs"),
    ],
)
def test_rates_that_no_step_can_have_are_refused(schedule, dtype, message):
    with pytest.raises(ParameterError, match=message):
        checked_rates(schedule, np.arange(20), Course(10, 2), dtype)


def test_the_step_of_a_wrong_rate_is_counted_over_all_epochs():
    with pytest.raises(ParameterError, match=r"-1\.5 in step 1,016 is negative"):
        checked_rates(as_schedule(lambda epoch: 100.0 - epoch), np.array([1000, 1015]), Course(10, 200), F64)


def test_a_rate_of_0_and_one_that_decays_to_it_are_let_pass():
    assert checked_rates(as_schedule(lambda epoch: 0), np.arange(3), Course(3, 1), F32).tolist() == [0] * 3
    found = checked_rates(ExponentialDecay(0.1, factor=1e-9), np.arange(10), Course(1, 10), F32)
    assert found.dtype == np.float32
    assert found[0] == np.float32(0.1)
    assert found[-1] == 0


# settings and files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0), "Constant: learning_rate must be above 0 and finite, got 0"),
        (lambda: StepDecay("fast"), "StepDecay: learning_rate must be above 0 and finite, got 'fast'"),
        (lambda: StepDecay(0.1, factor=1), "StepDecay: factor must be above 0 and below 1, got 1"),
        (lambda: StepDecay(0.1, every=0), "StepDecay: every must be a positive int, got 0"),
        (lambda: InverseScaling(0.1, power=0), "InverseScaling: power must be above 0 and finite, got 0"),
        (lambda: ExponentialDecay(0.1, factor=-0.5), "ExponentialDecay: factor must be above 0 and below 1"),
        (lambda: CosineDecay(0.1, warmup=-1), "CosineDecay: warmup must be at least 0 and finite, got -1"),
        (
            lambda: CosineDecay(0.1, min_rate=-1),
            "CosineDecay: min_rate must be at least 0 and finite, got -1",
        ),
        (lambda: CosineDecay(0.1, min_rate=0.2), "CosineDecay: min_rate 0.2 is above the learning_rate, 0.1"),
        (lambda: CosineRestarts(0.1, cycle=0), "CosineRestarts: cycle must be a positive int, got 0"),
        (lambda: CosineRestarts(0.1, growth=1.5), "CosineRestarts: growth must be a positive int, got 1.5"),
        (lambda: CosineRestarts(0.1, min_rate=1), "CosineRestarts: min_rate 1 is above the learning_rate"),
        (lambda: OneCycle(0.1, rise=1), "OneCycle: rise must be at least 0 and below 1, got 1"),
        (lambda: OneCycle(0.1, div_factor=0.5), "OneCycle: div_factor must be at least 1 and finite"),
        (lambda: OneCycle(0.1, final_div_factor=0), "OneCycle: final_div_factor must be at least 1"),
        (lambda: ReduceOnPlateau(0.1, factor=2), "ReduceOnPlateau: factor must be above 0 and below 1"),
        (
            lambda: ReduceOnPlateau(0.1, patience=-1),
            "ReduceOnPlateau: patience must be a positive int, got -",
        ),
        (lambda: ReduceOnPlateau(0.1, patience=False), "Pass e.g. patience=10, or 0"),
        (lambda: ReduceOnPlateau(0.1, min_delta=-1), "ReduceOnPlateau: min_delta must be at least 0"),
        (
            lambda: ReduceOnPlateau(0.1, min_rate=1),
            "ReduceOnPlateau: min_rate 1 is above the learning_rate, 0.1",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize("schedule", EVERY, ids=str)
def test_schedules_survive_json(schedule):
    text = json.dumps(schedule.to_json(), allow_nan=False)
    assert schedule_from_json(json.loads(text)) == schedule


def test_what_no_file_can_hold_is_none():
    assert as_schedule(math.exp).to_json() is None
    assert Own(np.ones(1)).to_json() is None
    assert schedule_from_json(0.5) == 0.5


def test_schedules_by_name_and_settings():
    assert sorted(SCHEDULES) == sorted(
        [
            *("constant", "step", "inverse_scaling", "exponential", "cosine", "cosine_restarts"),
            *("one_cycle", "reduce_on_plateau"),
        ]
    )
    assert make_schedule("step", {"learning_rate": 0.1, "every": 3}) == StepDecay(0.1, every=3)
    with pytest.raises(UnknownNameError, match="schedule 'cosinus' is unknown; did you mean 'cosine'"):
        make_schedule("cosinus", {})
    with pytest.raises(UnknownNameError, match="CosineDecay: setting 'warm_up' is unknown; did you mean 'wa"):
        make_schedule("cosine", {"learning_rate": 0.1, "warm_up": 1})
    with pytest.raises(ParameterError, match=r"CosineDecay: learning_rate is missing\. Known settings: lear"):
        make_schedule("cosine", {"warmup": 1})
