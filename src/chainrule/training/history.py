"""What a fit leaves behind: its losses, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..nn.checks import counted


@dataclass
class History:
    """The course of a fit.

    Attributes
    ----------
    loss : list of float
        For each epoch the mean over its batches, each taken before its update.
    val_loss : list of float
        For each epoch the loss on the validation data, after its last update; empty without such data.
    val_accuracy : list of float
        For each epoch the share of the validation rows classified correctly; empty without classes.
    interrupted : bool
        Whether Ctrl-C ended it; an epoch that was not finished is not listed.
    engine : str
        The engine that ran it.
    seconds : float
        How long the epochs took, compilation apart.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    interrupted: bool = False
    engine: str = ""
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.loss)

    def __repr__(self) -> str:
        if not self.loss:
            return "<History of 0 epochs>"
        parts = [f"loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g}"]
        if self.val_loss:
            parts.append(f"val_loss {self.val_loss[-1]:.4g}")
        if self.val_accuracy:
            parts.append(f"val_accuracy {self.val_accuracy[-1]:.4f}")
        if self.interrupted:
            parts.append("interrupted")
        return f"<History of {counted(self.epochs, 'epoch')}: {', '.join(parts)}>"
