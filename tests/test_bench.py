"""What the bench does with its reports; what it measures is its own affair."""

import importlib
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
OLD = "# Bench\n\nbefore\n\n## Steps\n\nold\n\n### Adam\n\n1\n\n## Memory\n\n2\n"


@pytest.fixture
def renewed(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module("report").renewed


def test_a_part_takes_its_own_place_in_an_earlier_report(renewed):
    assert renewed(OLD, OLD) == OLD
    part = "# Bench\n\nnow\n\n## Steps\n\nnew\n"
    assert renewed(OLD, part) == "# Bench\n\nnow\n\n## Steps\n\nnew\n\n## Memory\n\n2\n"
    assert renewed(part, OLD) == OLD
