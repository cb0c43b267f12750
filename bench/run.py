"""The bench: chainrule beside NumPy by hand, scikit-learn, PyTorch, torch.compile, JAX and Keras.

python bench/run.py --quick                 about two minutes: small networks, one thread, one round
python bench/run.py                         about twenty minutes; let nothing else run meanwhile
python bench/run.py --verify                no timing: do all libraries compute the same?
python bench/run.py --sections start        only from a cold start to 97% on the digits; with --write the
                                            other sections of RESULTS.md stay
python bench/run.py --sections steps --networks 64-64-10 --libraries numpy,chainrule --optimizers adam
"""

import argparse
import json
import os
import platform
import sys
import textwrap
from pathlib import Path

import measure
import report
from cold_start import STARTS, time_to_accuracy
from estimators import ESTIMATORS, SETS, time_estimators
from networks import NETWORKS, OPTIMIZERS, QUICK, RULE_LIBRARIES, RULE_NETWORKS, RULES
from processes import LIBRARIES, Progress, WorkerError, version_of, why_missing
from streams import time_streams

RESULTS = Path(__file__).parent / "RESULTS.md"
SECTIONS = {
    "steps": "the time of a training step in every library",
    "optimizers": "the same for each of chainrule's update rules",
    "start": "from a cold start to 97% on the digits",
    "estimators": "fit and predict of MLPClassifier beside scikit-learn's",
    "streams": "training on a file of 2 GB read in parts, beside rows in memory",
    "compile": "chainrule's compile time and import time",
    "memory": "peak memory",
    "unused": "what chainrule's training tools cost a step when none is used",
}


def main():
    options = parse_options()
    progress = Progress()
    libraries = []
    for library in options.libraries:
        if reason := why_missing(library):
            progress.note(f"skipped: {LIBRARIES[library][0]} ({reason})")
        else:
            libraries.append(library)

    if not libraries:
        return 1

    if options.verify:
        # Only this needs NumPy here; a small parent keeps the children's peaks honest.
        from verify import verify

        if "numpy" not in libraries:
            libraries.insert(0, "numpy")
        lines, all_agree = verify(libraries, options.networks or QUICK, options.optimizers, progress)
        progress.done()
        print("\n".join(lines))
        return 0 if all_agree else 1

    result = run(options, libraries, progress)
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.write:
        RESULTS.write_text(text if options.whole else report.renewed(RESULTS.read_text(), text))
    return 1 if result["failures"] else 0


def run(options, libraries, progress):
    """All that was measured, as one dict that JSON can hold."""
    quick = options.quick
    seconds, calls, thread_counts = (0.05, 3, (1,)) if quick else (0.15, 5, (1, 2))
    result = {
        "machine": machine(),
        "settings": {"rounds": options.rounds, "seconds_per_call": seconds, "calls": calls},
        "libraries": libraries,
        "versions": {library: version_of(LIBRARIES[library][1]) for library in libraries},
        "failures": [],
    }

    def times(libraries, networks, optimizers):
        readings, failed = measure.time_per_step(
            libraries, networks, optimizers, thread_counts, options.rounds, seconds, calls, progress
        )
        result["failures"] += [f"{LIBRARIES[x][0]}, {name}: {said}" for (x, name), said in failed.items()]
        return readings

    optimizers = [name for name in OPTIMIZERS if name in options.optimizers]
    if "steps" in options.sections and optimizers:
        result["steps"] = times(libraries, options.networks or (QUICK if quick else NETWORKS), optimizers)
    if "optimizers" in options.sections and "chainrule" in libraries:
        chosen = [name for name in RULE_LIBRARIES if name in libraries]
        networks = options.networks or (RULE_NETWORKS[:1] if quick else RULE_NETWORKS)
        result["optimizers"] = times(chosen, networks, measure.known_rules(options.optimizers))
    if "start" in options.sections:
        result["start"], failed = time_to_accuracy(libraries, thread_counts, 1 if quick else 5, progress)
        result["failures"] += [
            f"{STARTS[name][0]}, from a cold start: {said}" for name, said in failed.items()
        ]
    if "estimators" in options.sections and set(ESTIMATORS) <= set(libraries):
        names = list(SETS)[:1] if quick else list(SETS)
        result["estimators"], failed = time_estimators(
            names, thread_counts, options.rounds, 1 if quick else 3, progress
        )
        result["failures"] += [
            f"{LIBRARIES[library][0]}, MLPClassifier on {name} in {dtype}: {said}"
            for (name, dtype, library), said in failed.items()
        ]
    if "streams" in options.sections and "chainrule" in libraries:
        result["streams"], failed = time_streams(thread_counts, options.rounds, quick, progress)
        result["failures"] += failed
    if "compile" in options.sections and "chainrule" in libraries:
        try:
            result["import"] = measure.import_time(3 if quick else 9, progress)
            result["compile_seconds"] = measure.compile_time(OPTIMIZERS, options.rounds, progress)
            result["compile_imports"] = measure.compile_imports(3 if quick else 9, progress)
        except WorkerError as error:
            result["failures"].append(f"chainrule's import or compile time: {error}")
            progress.note(result["failures"][-1])
    if "memory" in options.sections:
        result["peak_memory_mib"] = measure.peak_memory(libraries, progress)
    if "unused" in options.sections and "chainrule" in libraries:
        try:
            rounds = 5 if quick else 25
            result["unused"] = measure.unused(QUICK, OPTIMIZERS, rounds, progress)
        except WorkerError as error:
            result["failures"].append(f"chainrule's tools unused: {error}")
            progress.note(result["failures"][-1])
    progress.done()
    return result


def markdown(result):
    libraries = result["libraries"]
    versions = ", ".join(
        f"{LIBRARIES[library][0]} {result['versions'][library]}"
        for library in libraries
        if library not in ("numpy_tuned", "torch_compile")  # the same NumPy, the same PyTorch
    )
    about = f"{result['machine']}; {versions}; rounds: {result['settings']['rounds']}."
    parts = ["# Bench\n", textwrap.fill(about, report.WIDTH) + "\n"]
    if result.get("steps"):
        parts += report.step_tables(result["steps"], libraries)
    if result.get("optimizers"):
        parts += report.rule_tables(result["optimizers"])
    if result.get("start"):
        parts += report.start_table(result["start"])
    if result.get("estimators"):
        parts += report.estimator_tables(result["estimators"])
    if result.get("streams"):
        parts.append(report.stream_table(result["streams"]))
    if "compile_imports" in result:
        parts.append(report.compile_table(result["compile_seconds"], result["compile_imports"]))
    if "import" in result:
        parts.append(report.import_table(result["import"]))
    if result.get("peak_memory_mib"):
        parts.append(report.memory_table(result["peak_memory_mib"]))
    if result.get("unused"):
        parts.append(report.unused_table(result["unused"]))
    if result["failures"]:
        parts.append("## Failed\n\n" + "\n".join(f"- {line}" for line in result["failures"]) + "\n")
    return "\n".join(parts)


def machine():
    """The processor, its cores, the system and the Python, in one line."""
    processor = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        lines = [line for line in about.read_text().splitlines() if line.startswith("model name")]
        processor = lines[0].split(":", 1)[1].strip() if lines else processor
    return f"{processor}, {os.cpu_count()} cores; {platform.system()}; Python {platform.python_version()}"


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="small networks, one thread, one round, short calls"
    )
    parser.add_argument("--verify", action="store_true", help="compare losses and weights, and time nothing")
    sections = "; ".join(f"{name}: {what}" for name, what in SECTIONS.items())
    parser.add_argument(
        "--sections", type=names_of(SECTIONS), help=f"some of these (all). {sections}".replace("%", "%%")
    )
    parser.add_argument("--networks", type=names_of(NETWORKS), help="some of " + ", ".join(NETWORKS))
    parser.add_argument("--libraries", type=names_of(LIBRARIES), help="some of " + ", ".join(LIBRARIES))
    parser.add_argument("--optimizers", type=names_of(RULES), help="some of " + ", ".join(RULES))
    parser.add_argument("--rounds", type=int, help="how often to go through all libraries (2)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every reading to this file")
    parser.add_argument("--write", action="store_true", help=f"write what was run to bench/{RESULTS.name}")
    options = parser.parse_args()
    options.whole = not options.sections or not RESULTS.exists()
    options.sections = options.sections or list(SECTIONS)
    options.libraries = options.libraries or list(LIBRARIES)
    options.optimizers = options.optimizers or list(RULES)
    options.rounds = options.rounds or (1 if options.quick else 2)
    return options


def names_of(known):
    """An argparse type: names from `known`, separated by commas, in the order of `known`."""

    def parse(text):
        given = [name.strip() for name in text.split(",")]
        if unknown := [name for name in given if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return [name for name in known if name in given]

    return parse


if __name__ == "__main__":
    sys.exit(main())
