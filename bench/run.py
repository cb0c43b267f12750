"""The bench: chainrule beside NumPy by hand, scikit-learn, PyTorch and JAX.

python bench/run.py --quick                 a minute or two: two small networks, one round
python bench/run.py                         about thirteen minutes; let nothing else run meanwhile
python bench/run.py --verify                no timing: do all libraries compute the same?
python bench/run.py --networks 64-64-10 --libraries numpy,chainrule --optimizers adam
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
from networks import NETWORKS, OPTIMIZERS, QUICK
from processes import LIBRARIES, Progress, WorkerError, missing_package

RESULTS = Path(__file__).parent / "RESULTS.md"


def main():
    options = parse_options()
    progress = Progress()
    libraries = []
    for library in options.libraries:
        if package := missing_package(library):
            progress.note(f"skipped: {LIBRARIES[library][0]} ({package} is not installed)")
        else:
            libraries.append(library)

    if options.verify:
        # Only this needs NumPy here; a small parent keeps the children's peaks honest.
        from verify import verify

        if "numpy" not in libraries:
            libraries.insert(0, "numpy")
        lines, all_agree = verify(libraries, options.networks, options.optimizers, progress)
        progress.done()
        print("\n".join(lines))
        return 0 if all_agree else 1

    result = run(options, libraries, progress)
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.write:
        RESULTS.write_text(text)
    return 1 if result["failures"] else 0


def run(options, libraries, progress):
    """All that was measured, as one dict that JSON can hold."""
    seconds, calls = (0.05, 3) if options.quick else (0.15, 5)
    readings, versions, failures = measure.time_per_step(
        libraries, options.networks, options.optimizers, options.rounds, seconds, calls, progress
    )
    result = {
        "machine": machine(),
        "settings": {"rounds": options.rounds, "seconds_per_call": seconds, "calls": calls},
        "libraries": libraries,
        "optimizers": options.optimizers,
        "versions": versions,
        "readings": readings,
        "failures": [
            f"{LIBRARIES[library][0]}, {name}: {said}" for (library, name), said in failures.items()
        ],
    }
    result["peak_memory_mib"] = measure.peak_memory(libraries, progress)
    if "chainrule" in libraries:
        try:
            result["import"] = measure.import_time(3 if options.quick else 9, progress)
            result["compile_seconds"] = measure.compile_time(options.optimizers, options.rounds, progress)
            result["compile_imports"] = measure.compile_imports(3 if options.quick else 9, progress)
        except WorkerError as error:
            result["failures"].append(f"chainrule's import or compile time: {error}")
            progress.note(result["failures"][-1])
    progress.done()
    return result


def markdown(result):
    libraries = result["libraries"]
    versions = ", ".join(
        f"{LIBRARIES[library][0]} {version}"
        for library, version in result["versions"].items()
        if library != "numpy_tuned"  # the same NumPy
    )
    about = f"{result['machine']}; {versions}; rounds: {result['settings']['rounds']}."
    parts = ["# Bench\n", textwrap.fill(about, report.WIDTH) + "\n"]
    parts += report.step_tables(result["readings"], libraries, result["optimizers"])
    if "compile_imports" in result:
        parts.append(report.compile_table(result["compile_seconds"], result["compile_imports"]))
    if "import" in result:
        parts.append(report.import_table(result["import"]))
    if result["peak_memory_mib"]:
        parts.append(report.memory_table(result["peak_memory_mib"]))
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
    parser.add_argument("--quick", action="store_true", help="two small networks, one round, short calls")
    parser.add_argument("--verify", action="store_true", help="compare losses and weights, and time nothing")
    parser.add_argument("--networks", type=names_of(NETWORKS), help="some of " + ", ".join(NETWORKS))
    parser.add_argument("--libraries", type=names_of(LIBRARIES), help="some of " + ", ".join(LIBRARIES))
    parser.add_argument("--optimizers", type=names_of(OPTIMIZERS), help="some of " + ", ".join(OPTIMIZERS))
    parser.add_argument("--rounds", type=int, help="how often to go through all libraries (3)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every reading to this file")
    parser.add_argument("--write", action="store_true", help=f"write the tables to bench/{RESULTS.name}")
    options = parser.parse_args()
    options.networks = options.networks or list(QUICK if options.quick or options.verify else NETWORKS)
    options.libraries = options.libraries or list(LIBRARIES)
    options.optimizers = options.optimizers or list(OPTIMIZERS)
    options.rounds = options.rounds or (1 if options.quick else 3)
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
