"""Published accuracies beside ours, our networks beside other methods; exits 1 if what is asked is not met.

python accuracy/run.py                     all of it
python accuracy/run.py books               the networks of books and tutorials: four minutes
python accuracy/run.py books --only xor,mitchell
python accuracy/run.py tables --quick      tables and images, two seeds of each
python accuracy/run.py tables --only adult,digits --seeds 3
python accuracy/run.py --batch-sizes       the table of docs/batch_sizes.md instead: about half a minute
"""

import argparse
import sys
from pathlib import Path

import batch_sizes
import books
import tables
from chainrule.version import __version__
from checks import CHECKS
from datasets import DATASETS
from methods import METHODS
from toolbox import SUBJECTS

RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS = {
    "books": "## Books and tutorials",
    "tables": "## Tables and images",
    **{name: f"## {subject.title}" for name, subject in SUBJECTS.items()},
}
QUICK = 2  # seeds


def main(arguments=None):
    options = parse_options(arguments)
    if options.batch_sizes:
        print(batch_sizes.report())
        return 0
    sections, met = {}, []
    for part in options.parts:
        if part in SUBJECTS:
            text, well = SUBJECTS[part].report(QUICK if options.quick else options.seeds, tell)
        else:
            text, well = {"books": of_books, "tables": of_tables}[part](options)
        if text:
            sections[part] = f"{PARTS[part]}\n\nchainrule {__version__}\n\n{text}"
            met.append(well)
    print("\n\n".join(sections.values()))
    if options.write:
        write(sections)
    return 0 if all(met) else 1


def of_books(options):
    checks = [check for check in CHECKS if check.name in options.only]
    return books.report(checks) if checks else ("", True)


def of_tables(options):
    names = [name for name in DATASETS if name in options.only]
    if not names:
        return "", True
    seeds = QUICK if options.quick else options.seeds
    results, notes = tables.run(names, options.methods, seeds, options.resume, tell)
    text, met = tables.report(results, names)
    return "\n\n".join(part for part in (text, *notes) if part), met


def tell(line):
    print(line, file=sys.stderr, flush=True)


def write(sections):
    """Put sections into the results, and leave the others as they are."""
    kept = {}
    if RESULTS.exists():
        for text in RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]:
            kept |= {
                part: f"## {text.strip()}"
                for part, title in PARTS.items()
                if title == f"## {text}".splitlines()[0]
            }
    whole = kept | sections
    parts = ["# Accuracy", *(whole[part] for part in PARTS if part in whole)]
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def parse_options(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(dict.fromkeys([*(check.name for check in CHECKS), *DATASETS]))
    parser.add_argument("parts", nargs="*", metavar="PART", help=" or ".join(PARTS))
    parser.add_argument("--only", type=names_of(names), default=names, help="some of " + ", ".join(names))
    parser.add_argument(
        "--methods", type=names_of(METHODS), default=list(METHODS), help="some of " + ", ".join(METHODS)
    )
    parser.add_argument("--seeds", type=int, help="for each set of tables and images; 10, and MNIST 3")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} seeds")
    parser.add_argument("--resume", action="store_true", help="go on where a run of tables was interrupted")
    parser.add_argument("--batch-sizes", action="store_true", help="print the table of docs/batch_sizes.md")
    parser.add_argument("--write", action="store_true", help=f"write what was run to accuracy/{RESULTS.name}")
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    options.parts = options.parts or list(PARTS)
    if options.seeds is not None and options.seeds < 2:
        parser.error("--seeds must be 2 or more: there is no standard error of one")
    return options


def names_of(known):
    """An argparse type: names from `known`, separated by commas."""

    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
