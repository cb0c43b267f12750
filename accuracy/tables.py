"""Our networks beside scikit-learn's, boosting and a linear model, on tables and images, over seeds."""

import itertools
import json
import math
import os
import statistics
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from datasets import DATASETS
from methods import METHODS
from mnist import DataMissing
from table import table

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "bench"))
from processes import WorkerError, run_worker  # noqa: E402 - the bench's way to start a process

KEPT = HERE.parent / "build" / "accuracy.jsonl"
LONGEST = 60 * 60  # seconds that one training may take
ADULT_ACCURACY, ADULT_SECONDS = 0.855, 10
COMPILED = ("ours", "train")  # methods that are timed with what they compiled before


@dataclass(frozen=True)
class Paired:
    """The differences of two methods on the same splits.

    Attributes
    ----------
    mean, error : float
        Their mean and its standard error.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, ours, theirs):
        """From the scores by seed of two methods; None without two seeds in common."""
        differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
        if len(differences) < 2:
            return None
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        return cls(statistics.fmean(differences), error)

    @property
    def no_worse(self):
        """Whether the mean is not below 0 by more than two standard errors."""
        return self.mean >= -2 * self.error

    def __str__(self):
        return f"{self.mean:+.4f} ± {self.error:.4f}"


# the run --------------------------------------------------------------------------------------


def run(names, methods, seeds, resume, told):
    """Train every method on every split, and keep each result as it comes.

    Parameters
    ----------
    names, methods : list of str
    seeds : int or None
        For each set; its own number where none is given.
    resume : bool
        Go on with what an earlier run kept.
    told : callable
        Gets lines on how far it is.

    Returns
    -------
    results : list of dict
        Of dataset, method, seed, score, seconds.
    skipped : list of str
        Sentences on sets that are not there, and on trainings that failed.
    """
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    if not resume:
        KEPT.unlink(missing_ok=True)
    results = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    there, skipped = present(names)
    done = {(r["dataset"], r["method"], r["seed"]) for r in results}
    jobs = [
        {"dataset": name, "method": method, "seed": seed}
        for name in there
        for seed in range(seeds or DATASETS[name].seeds)
        for method in methods
        if (name, method, seed) not in done
    ]
    cores = os.cpu_count() or 1
    warm_up = [
        {"dataset": name, "method": method, "seed": 0, "warm_up": True}
        for name, method in dict.fromkeys((job["dataset"], job["method"]) for job in jobs)
        if method in COMPILED
    ]
    left = TimeLeft(jobs)
    with ThreadPoolExecutor(cores) as pool:
        try:
            for job, answer in answers(pool, warm_up, cores):
                if isinstance(answer, WorkerError):
                    skipped.append(f"{job['dataset']}, {job['method']}: {answer}")
            for job, answer in answers(pool, jobs, cores):
                if isinstance(answer, WorkerError):
                    skipped.append(f"{job['dataset']}, {job['method']}, seed {job['seed']}: {answer}")
                    continue
                results.append(job | answer)
                with KEPT.open("a") as file:
                    print(json.dumps(results[-1]), file=file)
                told(f"{job['dataset']}, {METHODS[job['method']]}, seed {job['seed']}: {left.after(job)}")
        except KeyboardInterrupt:
            skipped.append(f"Interrupted: {len(results)} trainings are kept; --resume goes on from there.")
            pool.shutdown(wait=False, cancel_futures=True)
    wanted = {(name, method) for name in there for method in methods}
    return [r for r in results if (r["dataset"], r["method"]) in wanted], skipped


def present(names):
    """The sets that there are, and a sentence for each other."""
    there, skipped = [], []
    for name in names:
        try:
            DATASETS[name].load()
        except DataMissing as missing:
            skipped.append(f"Skipped: {name}. {missing}")
        else:
            there.append(name)
    return there, skipped


def answers(pool, jobs, at_once):
    """Each job with its process's answer, or with the error that ended it; one thread for each process."""

    def answer(job):
        try:
            return run_worker("methods", job, timeout=LONGEST, folder=HERE)
        except WorkerError as error:
            return error

    waiting, running = iter(jobs), {}
    while True:
        for job in itertools.islice(waiting, at_once - len(running)):
            running[pool.submit(answer, job)] = job
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


class TimeLeft:
    """How much time is left, from what the sets take one beside the other and from the pace so far."""

    def __init__(self, jobs):
        self.start, self.done, self.total = time.monotonic(), 0.0, sum(map(self.cost, jobs))

    def cost(self, job):
        return DATASETS[job["dataset"]].seconds / len(METHODS)

    def after(self, job):
        """In words, after one more job."""
        self.done += self.cost(job)
        past = time.monotonic() - self.start
        left = past * (self.total / self.done - 1)
        return f"{past / 60:.0f} min in all, about {left / 60:.0f} min left"


# the tables -----------------------------------------------------------------------------------


def report(results, names):
    """Both comparisons as Markdown, and whether all is met that is asked."""
    scores, seconds = by_method(results, "score"), by_method(results, "seconds")
    parts, met = [], []
    for part in (equal_settings, own_settings):
        text, well = part(names, scores, seconds)
        parts.append(text)
        met.append(well)
    return "\n\n".join(part for part in parts if part), all(met)


def by_method(results, what):
    """{(dataset, method): {seed: value}}"""
    found = {}
    for r in results:
        found.setdefault((r["dataset"], r["method"]), {})[r["seed"]] = r[what]
    return found


def equal_settings(names, scores, seconds):
    head = ["set", "seeds", "measure", METHODS["sklearn"], METHODS["ours"], "difference", "no worse"]
    head += ["its fit, s", "ours, s", "times as fast"]
    rows, verdicts = [], []
    for name in names:
        theirs, ours = scores.get((name, "sklearn"), {}), scores.get((name, "ours"), {})
        paired = Paired.of(ours, theirs)
        if paired is None:
            continue
        times = [seconds[name, method] for method in ("sklearn", "ours")]
        faster = statistics.median(times[0][seed] / times[1][seed] for seed in times[1] if seed in times[0])
        verdicts.append(paired.no_worse and faster > 1)
        compared = [measure(name), mean(theirs), mean(ours), str(paired), "yes" if paired.no_worse else "no"]
        timed = [*(f"{middle(t):.2f}" for t in times), f"{faster:.1f}"]
        rows.append([DATASETS[name].title, str(len(ours.keys() & theirs.keys())), *compared, *timed])
    if not rows:
        return "", True
    verdict = f"No worse and faster on {sum(verdicts)} of {len(verdicts)}."
    return f"### At scikit-learn's settings\n\n{table(head, rows)}\n\n{verdict}", all(verdicts)


def own_settings(names, scores, seconds):
    others = ("linear", "sklearn", "boosting")
    head = ["set", "measure", *(METHODS[method] for method in (*others, "train")), "minus scikit-learn's"]
    head += ["minus boosting", "boosting's fit, s", "whole process, s"]
    rows, better, near = [], [], []
    for name in names:
        ours = scores.get((name, "train"), {})
        to_sklearn, to_boosting = (
            Paired.of(ours, scores.get((name, method), {})) for method in ("sklearn", "boosting")
        )
        if to_sklearn is None or to_boosting is None:
            continue
        better.append(to_sklearn.mean > 2 * to_sklearn.error)
        near.append(to_boosting.no_worse)
        reached = [mean(scores.get((name, method), {})) for method in (*others, "train")]
        times = [f"{middle(seconds[name, method]):.1f}" for method in ("boosting", "train")]
        rows.append(
            [DATASETS[name].title, measure(name), *reached, str(to_sklearn), str(to_boosting), *times]
        )
    if not rows:
        return "", True
    lines = [
        f"Better than scikit-learn's MLP by more than two standard errors on {sum(better)} of {len(rows)}; "
        f"no worse than boosting on {sum(near)}."
    ]
    met = sum(better) > len(better) / 2
    adult = scores.get(("adult", "train"))
    if adult:
        reached, took = statistics.fmean(adult.values()), middle(seconds["adult", "train"])
        well = reached >= ADULT_ACCURACY and took < ADULT_SECONDS
        met = met and well
        lines.append(
            f"adult: {reached:.4f} in {took:.1f} s; asked are {ADULT_ACCURACY} and less than "
            f"{ADULT_SECONDS} s: {'met' if well else 'not met'}."
        )
    text = f"### chainrule train without a setting\n\n{table(head, rows)}\n\n" + "\n".join(lines)
    return text, met


def measure(name):
    return "accuracy" if DATASETS[name].task == "classification" else "R2"


def mean(scores):
    return f"{statistics.fmean(scores.values()):.4f}" if scores else "-"


def middle(seconds):
    return statistics.median(seconds.values())
