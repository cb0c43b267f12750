"""`chainrule report`: all that is to be known of a model, on one page of HTML that needs nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..checks import counted
from ..explain.pages.page import Section, cards, page
from ..tables.model import versions
from ..tables.text import checked_separator
from ..tables.wording import printable
from ..training.storage import write_whole
from .building import spoken
from .health import diagnosed
from .outputs import check_outputs
from .report_origin import origin
from .report_parts import R2, code, data, health, network, results, running, score_text, trace, training
from .report_wrong import Judged, judged, wrong
from .sets import BUILT_IN
from .settings import Settings
from .use import Labelled, Model, labelled, load_model, measured


def report(
    path: Path, data: str, output: Path, target: str | None, as_json: bool, separator: str | None
) -> None:
    """Write the report of a model on the rows of a table."""
    check_outputs({"--output": output}, [path, None if data in BUILT_IN else data])
    letter = checked_separator(separator)
    model = load_model(path)
    rows = labelled(model, data, target, letter, "reported on")
    with spoken(Settings()):
        text, result = written(model, rows)
    write_whole(output, text.encode())
    size = f"{len(text.encode()) / 1e6:.1f} MB"
    if as_json:
        print(json.dumps({**result, "report": str(output)}))
    else:
        print(f"Report of {printable(str(path))} on {printable(data)}: {printable(str(output))} ({size})")


def written(model: Model, rows: Labelled) -> tuple[str, dict[str, Any]]:
    """The report's page, and what it says for programs."""
    result = measured(model, rows)
    found, each = diagnosed(model, rows), judged(model, rows)
    kept = model.network.metadata.get("training")
    learned: dict[str, Any] = kept if isinstance(kept, dict) else {}
    sections = [
        Section("data", "Data", data(model, rows)),
        Section("network", "Network", network(model)),
        Section("training", "Training", training(model, learned)),
        Section("results", "Results", results(model, rows, result)),
        Section("wrong", "Rows it is most wrong about", wrong(model, rows, each), "Most wrong"),
        Section("health", "Training health", health(found), "Health"),
        Section("trace", "One row, step by step", trace(model, rows, int(each.order[0])), "Trace"),
        Section("source", "The training step as Python", code(model), "Source"),
        Section("versions", "Versions", running(model, versions())),
    ]
    name = f"{model.path.name} on {rows.data}"
    lead = cards(_facts(model, rows, result, each, len(found)))
    note = f"Written by chainrule {versions()['chainrule']}. This page loads nothing and runs nothing."
    return page(f"Report: {name}", lead, sections, note), {**result, "findings": found.kinds}


def _facts(
    model: Model, rows: Labelled, result: dict[str, Any], each: Judged, findings: int
) -> list[tuple[str, str, str]]:
    """The key figures."""
    score = next(iter(result["test"]))
    name, digits = (R2, ".3f") if score == "r2" else ("Accuracy", ".1%")
    always = "the mean" if score == "r2" else "the most frequent class"
    known, facts = origin(model, rows), []
    if known.here and known.score is not None:
        told = score_text(known.score, digits)
        facts.append((f"{name} on rows not trained on", told, f"on {counted(known.apart, 'row')}"))
    remark = f"on {counted(rows.frame.height, 'row')}"
    if known.here:
        trained = "all" if known.trained == rows.frame.height else f"{known.trained:,}"
        remark += f", {trained} of them trained on"
    facts.append((name, score_text(result["test"][score], digits), remark))
    facts.append(
        (f"{name} of always {always}", score_text(result["baseline"][score], digits), "the least to beat")
    )
    linear = f"linear_{score}"
    if linear in result["baseline"]:
        facts.append(
            (
                f"{name} of a linear model",
                score_text(result["baseline"][linear], digits),
                "on the same inputs",
            )
        )
    weights = sum(value.size for value in model.network.parameters.values())
    facts.append(("Weights", f"{weights:,}", f"in {counted(len(model.network.layers), 'layer')}"))
    facts.append(("Mean loss", f"{each.losses.mean():.4g}", model.network.loss))
    facts.append(
        ("Training health", counted(findings, "finding") if findings else "no findings", "see below")
    )
    return facts
