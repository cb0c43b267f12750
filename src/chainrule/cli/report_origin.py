"""Which rows of a report's table the network was trained on, as far as its model file tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..checks import counted
from ..tables.wording import printable
from .use import Labelled, Model


@dataclass(frozen=True)
class Origin:
    """What a model file tells of the rows that its network was trained on.

    Attributes
    ----------
    table : str
        That was trained on; empty where the file does not tell.
    trained, apart : int
        Rows that were trained on, and rows that the network was tested on and had not seen.
    score : float or None
        The result on the latter.
    here : bool
        Whether the report's table is the one that was trained on: of its name, and with as many rows.
    held_back : bool
        Whether the rows of the test are some of that table.
    """

    table: str = ""
    trained: int = 0
    apart: int = 0
    score: float | None = None
    here: bool = False
    held_back: bool = False

    def sentence(self, measure: str, score: str) -> str:
        """What the report's scores are measured on; `score` is the result on the rows not seen, in words."""
        text = "Measured on all rows of the table"
        if not self.here:
            trained = f"{counted(self.trained, 'row')} of {printable(self.table)}" if self.table else "rows"
            unknown = "" if self.table else " that the model file does not name"
            return (
                f"{text}. The network was trained on {trained}{unknown}: where rows of this table are among "
                "them, it does worse on new ones."
            )
        text += f", of which {self.trained:,} were trained on"
        if not self.apart:
            return f"{text}: it may do worse on new ones."
        where = "that were held back" if self.held_back else "of another table that it was tested on"
        return f"{text}. On the {self.apart:,} {where}, {measure} is {score}."


def origin(model: Model, rows: Labelled) -> Origin:
    """Whether a report's rows were trained on, from the names of tables and the numbers of rows."""
    learned: Any = model.network.metadata.get("training")
    table: Any = model.network.metadata.get("data")
    counts = learned.get("rows") if isinstance(learned, dict) else None
    if not isinstance(counts, dict) or not isinstance(table, str):
        return Origin()
    trained, seen = counts.get("train", 0), counts.get("train", 0) + counts.get("validation", 0)
    apart = 0 if table == "xor" else counts.get("test", 0)  # none of xor's four rows is held back
    here = PurePath(rows.data).name == PurePath(table).name and rows.frame.height in (seen, seen + apart)
    score = next(iter((learned.get("test") or {}).values()), None) if apart else None
    return Origin(table, trained, apart, score, here, rows.frame.height != seen)
