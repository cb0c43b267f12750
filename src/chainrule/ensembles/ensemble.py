"""Ensemble: trained networks as one model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..graph.tensor import tensor
from ..model.network import Network
from ..nn.losses import Poisson
from ..training.metrics import Measures
from ..training.storage import write_model
from ..training.stored import attached_tensors, require_json
from .agreement import checked_networks, require_agreement
from .combining import Combined

if TYPE_CHECKING:
    from ..training.history import History

Array = np.ndarray[Any, Any]
HEADER = "ensemble"  # of a model file's header


class Ensemble(Combined, Measures):
    """Trained networks that predict together, better than most of them do alone, and with a spread.

    `DeepEnsemble`, `Bagging`, `SnapshotEnsemble` and `Committee` are ensembles that train their members.

    Parameters
    ----------
    networks : sequence of Network
        Trained, with one output each. They may have other layers, losses and types, but must take the same
        inputs and predict the same.
    combine : {"mean", "vote"}
        What is predicted for classes: the one whose mean probability is largest, or the second of two from
        the members' threshold on, where they have one; or the one that most members predict, and among
        several such the one of the largest mean probability (the first in order, where a loss gives no
        probabilities). Values are always means.

    Attributes
    ----------
    members : list of Network
    histories : list of History
        Of the members' fits, where the ensemble has trained them.
    kind : str
        How members were made: "networks", "seeds", "bagging", "snapshot" or "committee".
    metadata : dict
        Anything that JSON can hold; saved along.
    attachments : dict of str to bytes
        Whatever else belongs to the model, such as what prepares its inputs; saved along, and never opened.

    Raises
    ------
    ParameterError
        If they are no networks, do not agree (the differences are listed), or cannot be combined so.
    NotFittedError
        If one has no weights.

    References
    ----------
    Hansen and Salamon (1990), Neural network ensembles. Krogh and Vedelsby (1995), Neural network ensembles,
    cross validation, and active learning.

    Examples
    --------
    >>> import chainrule as cr
    >>> X = [[0.0], [1.0], [2.0]]
    >>> nets = [cr.Network([cr.Dense(1, weights=[[w]], bias=[0.0])], loss="mse") for w in (0.5, 1.5)]
    >>> both = cr.Ensemble(nets)
    >>> both.predict(X)[:, 0].tolist(), both.predict_spread(X)[:, 0].tolist()
    ([0.0, 1.0, 2.0], [0.0, 0.5, 1.0])
    """

    kind = "networks"

    def __init__(self, networks: Sequence[Network], combine: str = "mean") -> None:
        self._start(combine)
        listed = checked_networks(networks)
        require_agreement(listed, combine)
        self.members = listed

    def _start(self, combine: str) -> None:
        super().__init__(combine)
        self.histories: list[History] = []
        self.metadata: dict[str, Any] = {}
        self.attachments: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, k: int) -> Network:
        """A member, counted from 0."""
        return self.members[k]

    def __iter__(self) -> Iterator[Network]:
        return iter(self.members)

    def __repr__(self) -> str:
        if not self.members:
            return f"<{type(self).__name__}, not trained yet>"
        made = "" if self.kind == "networks" else f", made by {self.kind}"
        return f"<{type(self).__name__} of {counted(len(self), 'network')}{made}; the first: {self._first!r}>"

    # measures ---------------------------------------------------------------------------------

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """The loss of the ensemble on rows and their targets, and for classes the accuracy.

        The loss is the first member's, without penalties, of the mean of what all predict: for cross_entropy
        of the mean of their probabilities, for mse of that of their values. Where a loss for classes gives no
        probabilities, it is the mean of the members' losses.

        Parameters
        ----------
        X, y : array-like
            As for a member.

        Returns
        -------
        dict of str to float
            "loss", and "accuracy" for classes.
        """
        tables = self._first._tables(X)
        ts, codings = self._first._targets(y, tables, self._codings)
        t, classes = ts[0], codings[0].classes
        if self._losses[0].target == "values" or self._without_probabilities() is None:
            exact = t if t.dtype.kind == "i" else t.astype(np.float64)
            loss = float(self._losses[0](tensor(self._outputs(X)), tensor(exact)).numpy())
        else:
            loss = float(np.mean([network.calculate_loss(X, y) for network in self.members]))
        measured = {"loss": loss}
        if classes is not None:
            right = self.predict(X) == classes[t.reshape(len(t), -1)[:, 0].astype(np.int64)]
            measured["accuracy"] = float(right.mean())
        return measured

    def calculate_loss(self, X: Any, y: Any) -> float:
        """The loss on rows and their targets; X and y as for a member."""
        return self.evaluate(X, y)["loss"]

    def _outputs(self, X: Any) -> Array:
        """Outputs, float64, that the first member's loss takes for the ensemble's predictions."""
        loss = self._losses[0]
        if loss.probabilities:
            log_p = self._log_mixture(X)
            z = log_p[..., 1] - log_p[..., 0] if loss.target == "binary" else log_p
        else:
            z = self.predict_members(X).mean(axis=0, dtype=np.float64)
            if isinstance(loss, Poisson):
                z = np.log(z)
        return z.reshape(len(z), -1)

    # a student --------------------------------------------------------------------------------

    def distill(
        self,
        student: Network,
        X: Any,
        y: Any = None,
        *,
        temperature: float | None = None,
        hard: float = 0.0,
        **settings: Any,
    ) -> Network:
        """A single network that has learned to predict what the ensemble predicts.

        Probabilities tell a student more than labels do: which wrong classes are near. With the members'
        logits divided by a temperature T, the mean of their probabilities is q; with its own logits divided
        by T the student's are p, and its loss is (1 - hard) * T**2 * KL(q, p) + hard * the one on labels.
        Values are learned from the means of the members' values, by the student's own loss.

        Parameters
        ----------
        student : Network
            As small as it is to be, with outputs and a loss as for the ensemble's targets. It is left as it
            is; what is returned starts from its weights, or from drawn ones.
        X : array-like
            Rows to learn on; they need no labels, and may be others than the ensemble was trained on.
        y : array-like, optional
            Their labels or values, needed where `hard` is above 0.
        temperature : float, optional
            Above 0; 2 where none is given. The larger, the more do unlikely classes count.
        hard : float
            The share of the labels in the loss, from 0 to below 1.
        **settings
            Of `Network.fit`: optimizer, batch_size, epochs, seed, callbacks, ...; of validation_data, a pair,
            the ensemble tells the targets too.

        Returns
        -------
        Network
            Trained; predicts labels as the ensemble does.

        Raises
        ------
        NotFittedError
            If there are no members yet.
        ParameterError
            If the student cannot predict what the ensemble predicts, or settings contradict each other.
        ShapeError, DTypeError, DataError
            As for `Network.fit`.

        References
        ----------
        Buciluă, Caruana and Niculescu-Mizil (2006), Model compression. Hinton, Vinyals and Dean (2015),
        Distilling the knowledge in a neural network, section 2.
        """
        from .distillation import distill

        return distill(self, student, X, y, temperature, hard, settings)[0]

    # files ------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members to one file, whole or not at all; `chainrule.load` gives the ensemble back.

        The file is safetensors, with all else as JSON in its header. Histories are not kept.

        Parameters
        ----------
        path : path-like
            By habit something.chainrule.

        Raises
        ------
        NotFittedError
            If there are no members yet.
        ParameterError
            If `metadata` holds what JSON cannot, or `attachments` anything but bytes by names.
        ModelFileError
            If the file cannot be written, is write-protected, or is a folder or a device.
        """
        self._first  # noqa: B018  raises where there are no members
        headers, tensors = [], attached_tensors(self.attachments)
        for k, network in enumerate(self.members):
            header, own = network.file_content()
            headers.append(header)
            tensors |= {f"{k}:{name}": value for name, value in own.items()}
        about = {"kind": self.kind, "combine": self.combine, "members": headers}
        whole = {HEADER: about, "metadata": self.metadata}
        require_json(whole)
        write_model(path, whole, tensors)
