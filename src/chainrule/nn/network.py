"""A network's graph: forward pass, losses, and the programs that train and differentiate."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ..autodiff.gradient import gradient
from ..emit.numpy_source import numpy_source
from ..errors import NotFittedError, ParameterError
from ..graph.program import Program
from ..graph.tensor import Tensor, placeholder, size, topological
from ..ops import where
from ..optim.base import state_like
from ..optim.rules import SGD, Optimizer, find_optimizer
from .accumulation import accumulated
from .layers import Context
from .mixup import Mixing, mixing, partners
from .structure import Structure
from .wiring import numbered

Array = np.ndarray[Any, Any]
AVERAGE = "average"  # before the parameters' names, in those of their averages


@dataclass(frozen=True)
class Graph:
    """The nodes that programs are made of.

    Attributes
    ----------
    xs, ts : list of Tensor
        Places for a batch's inputs and targets.
    weights, lr, average_share, seed, step, last_part : Tensor
        Places for the rows' weights, shape (n,), and for the learning rate, the share of a step's weights in
        their average, the fit's seed, the number of the step, and whether it is on the last part of a batch
        (0 or 1), each one number.
    mixing : Mixing or None
        What training makes of a batch's rows and targets.
    parameters : dict of str to Tensor
        Leaves by the names hidden1.W, hidden1.b, ...
    trained_values : list of Tensor
        In training, the result of every use of a layer, shape (n, columns).
    trained_outputs, outputs : list of Tensor
        The results that targets are for, in training and in prediction.
    predictions : list of Tensor
        The outputs, or the probabilities of a classifier.
    losses : list of Tensor
        Of each output in prediction.
    loss : Tensor
        The losses' weighted sum; without penalties.
    changes : dict of Tensor to Tensor
        New values of leaves that training changes without a gradient.
    """

    xs: list[Tensor]
    ts: list[Tensor]
    weights: Tensor
    lr: Tensor
    average_share: Tensor
    seed: Tensor
    step: Tensor
    last_part: Tensor
    mixing: Mixing | None
    parameters: dict[str, Tensor]
    trained_values: list[Tensor]
    trained_outputs: list[Tensor]
    outputs: list[Tensor]
    predictions: list[Tensor]
    losses: list[Tensor]
    loss: Tensor
    changes: dict[Tensor, Tensor]


class BaseNetwork(Structure):
    """A network's structure with the graph that it makes."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self.optimizer: Optimizer | None = None
        self._graph: Graph | None = None
        self._graph_frozen: list[frozenset[str]] = []  # what was frozen when the graph was made
        self._programs: dict[Any, Program] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or pickle takes along: no graph and nothing compiled; these are made again."""
        return {**self.__dict__, "_graph": None, "_programs": {}}

    def reset(self) -> None:
        """Forget the weights: the next fit draws them again, and takes those given to layers from there."""
        super().reset()
        if not self._sizes:
            self._forget_graph()

    def _values(self, program: Program | None = None) -> dict[Tensor, Array]:
        """The weights by their leaves; those that a program has, if one is given."""
        weights = self.parameters
        known = None if program is None else set(program.variables)
        leaves = self.graph.parameters.items()
        return {leaf: weights[name] for name, leaf in leaves if known is None or leaf in known}

    @property
    def graph(self) -> Graph:
        """The forward pass and the loss; raises NotFittedError before the number of inputs is known."""
        if not self._sizes:
            raise NotFittedError(
                "the network does not know its number of inputs yet. Call fit, or build(inputs, seed=0)."
            )
        frozen = [layer.frozen for layer in self.layers]
        if self._graph is None or self._graph_frozen != frozen:
            self._forget_graph()
            self._graph, self._graph_frozen = self._make_graph(), frozen
        return self._graph

    def _make_graph(self) -> Graph:
        wiring = self._wiring
        xs = [
            placeholder(("n", size), self.dtype, wiring.inputs[i][1] or numbered("x", i, len(wiring.inputs)))
            for i, size in enumerate(self._sizes[: len(wiring.inputs)])
        ]
        leaves = [
            {
                parameter: placeholder(shape, self.dtype, f"{parameter}{tag}")
                for parameter, shape in layer.shapes(inputs).items()
            }
            for (layer, inputs), tag in zip(self._with_inputs(), self._tags(), strict=True)
        ]
        seed, step = (placeholder((), "int64", name) for name in ("seed", "step_number"))
        changes: dict[Tensor, Tensor] = {}
        values = trained = self._forward(xs, leaves, False, seed, step, {})
        mixed = mixing(self.mixup, seed, step, self.dtype) if self.mixup else None
        if self.two_modes:
            rows = xs if mixed is None else [mixed.rows(x) for x in xs]
            trained = self._forward(rows, leaves, True, seed, step, changes)
        outputs = [values[i] for i in wiring.outputs]
        ts = [
            placeholder(("n",), "int64", name)
            if loss.target == "classes"
            else placeholder(("n", z.shape[1]), self.dtype, name)
            for loss, z, name in zip(self._losses, outputs, self._target_names(), strict=True)
        ]
        predictions = [loss.prediction(z) for loss, z in zip(self._losses, outputs, strict=True)]
        for k, (p, z) in enumerate(zip(predictions, outputs, strict=True)):
            if p is not z:
                p.name = numbered("p", k, len(outputs))
        losses = self._each_loss(outputs, ts)
        parameters = {
            f"{name}.{parameter}": leaf
            for name, own in zip(self.names, leaves, strict=True)
            for parameter, leaf in own.items()
        }
        return Graph(
            xs=xs,
            ts=ts,
            weights=placeholder(("n",), self.dtype, "w"),
            lr=placeholder((), self.dtype, "lr"),
            average_share=placeholder((), self.dtype, "average_share"),
            seed=seed,
            step=step,
            last_part=placeholder((), "int64", "last_part"),
            mixing=mixed,
            parameters=parameters,
            trained_values=trained[len(xs) :],
            trained_outputs=[trained[i] for i in wiring.outputs],
            outputs=outputs,
            predictions=predictions,
            losses=losses,
            loss=self._total(losses),
            changes=changes,
        )

    def _forward(
        self,
        xs: list[Tensor],
        leaves: list[dict[str, Tensor]],
        training: bool,
        seed: Tensor,
        step: Tensor,
        changes: dict[Tensor, Tensor],
        keep: Tensor | None = None,
    ) -> list[Tensor]:
        """All values; what training changes without a gradient is entered into `changes`."""
        values, tags, uses = list(xs), self._tags(), [0] * len(self.layers)
        for call in self._wiring.calls:
            i = call.layer
            uses[i] += 1
            tag = tags[i] if uses[i] == 1 else f"{tags[i]}_{uses[i]}"
            context = Context(tag, i, training, seed, step, changes, uses[i], keep)
            values.append(self.layers[i].join([values[k] for k in call.sources], leaves[i], context))
        return values

    def _target_names(self) -> list[str]:
        return [numbered("t", k, len(self._losses)) for k in range(len(self._losses))]

    def _each_loss(
        self, outputs: list[Tensor], ts: list[Tensor], weights: Tensor | None = None
    ) -> list[Tensor]:
        return [loss(z, t, weights) for loss, z, t in zip(self._losses, outputs, ts, strict=True)]

    def trained_losses(self, weights: Tensor | None = None) -> list[Tensor]:
        """The losses of all outputs in training.

        With mixup, the loss for each row's own target counts as much as the row does, and that for its
        partner's target as much as the partner.
        """
        g = self.graph
        each = self._each_loss(g.trained_outputs, g.ts, weights)
        if g.mixing is None:
            return each
        theirs = None if weights is None else partners(weights)
        others = self._each_loss(g.trained_outputs, [partners(t) for t in g.ts], theirs)
        for part in (*each, *others):
            part.name = None
        return [g.mixing.loss(own, other) for own, other in zip(each, others, strict=True)]

    def _total(self, parts: list[Tensor]) -> Tensor:
        """The losses of all outputs together."""
        if self._loss_weights == [1.0]:
            return parts[0]
        for k, part in enumerate(parts):
            part.name = f"loss{k + 1}"
        pairs = zip(parts, self._loss_weights, strict=True)
        total = reduce(operator.add, (part if factor == 1 else factor * part for part, factor in pairs))
        total.name = "loss"
        return total

    def _training_loss(self, weighted: bool) -> Tensor:
        g, penalties = self.graph, self._penalties()
        if not weighted and not penalties and not self.two_modes:
            return g.loss
        loss = self._total(self.trained_losses(g.weights if weighted else None))
        if penalties:
            loss.name = "data_loss"
            if self.penalties == "per_row":
                share = reduce(operator.add, penalties) / self._rows(weighted)
                share.name = "penalty_per_row"
                penalties = [share]
            loss = reduce(operator.add, penalties, loss)
            loss.name = "loss"
        return loss

    def _penalties(self) -> list[Tensor]:
        """What the layers add to the loss in training."""
        found = []
        for name, layer in zip(self.names, self.layers, strict=True):
            start = f"{name}."
            leaves = self.graph.parameters.items()
            penalty = layer.penalty({p.removeprefix(start): x for p, x in leaves if p.startswith(start)})
            if penalty is not None:
                penalty.name = f"penalty_{name}"
                found.append(penalty)
        return found

    def _rows(self, weighted: bool) -> Tensor:
        """The batch's rows, or the sum of their weights; 1 where that is 0."""
        if not weighted:
            return size(self.graph.xs[0].shape[0], self.dtype)
        whole = self.graph.weights.sum()
        return where(whole > 0, whole, 1)

    def _tags(self) -> list[str]:
        """What the names of each layer's nodes end with: its number, or _ and its name."""
        tags, number = [], 0
        kinds = [layer.kind for layer in self.layers]
        for layer, name in zip(self.layers, self.names, strict=True):
            number += layer.numbered
            own = str(number) if layer.numbered else f"_{name}"
            if layer.suffix and kinds.count(layer.kind) == 1:
                own = layer.suffix
            tags.append(f"_{layer.name}" if layer.name else own)
        return tags

    def program(
        self,
        optimizer: Optimizer | str | None = None,
        *,
        weighted: bool = False,
        accumulate: bool = False,
    ) -> Program:
        """The training step: inputs x, t and lr, output loss, updates of the weights and the rule's state.

        With several inputs or outputs there are x1, x2, ... and t1, t2, ...; with layers that draw random
        numbers also the seed and the step's number.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            Plain gradient descent where none is given. Its learning rate is no part of the program.
        weighted : bool
            Whether rows have weights, a further input w.
        accumulate : bool
            Whether a step is on a part of a batch, whose gradients are summed up; a further input, last_part,
            is 1 for its last part, after which the weights are changed, and else 0.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        rule = find_optimizer(SGD() if optimizer is None else optimizer).rule
        if rule.whole_batch:
            raise ParameterError(
                f"{type(rule).__name__} takes no steps that could be printed: SciPy makes them from the "
                "gradients. Name another optimizer."
            )
        g, leaves = self.graph, self.trained_leaves()
        key = (rule, weighted, accumulate, frozenset(leaves))
        if key not in self._programs:
            loss = self._training_loss(weighted)
            if accumulate:
                made = accumulated(self, rule, leaves, weighted)
            else:
                made = self.new_values(rule, leaves, rule.slopes(loss, leaves))
            updates = {leaf: made.pop(leaf) for leaf in leaves} | g.changes | made
            inputs = [*self._inputs_of([loss, *updates.values()]), g.lr]
            self._programs[key] = Program(inputs, {"loss": loss}, updates)
        return self._programs[key]

    def new_values(
        self, rule: Optimizer, leaves: Sequence[Tensor], gradients: Sequence[Tensor]
    ) -> dict[Tensor, Tensor]:
        """New values of parameters, as the rule makes them and their layers allow them, and of what the rule
        remembers; averages of the parameters are part of that."""
        g = self.graph
        made = rule.new_values(leaves, gradients, g.lr)
        for name, leaf in g.parameters.items():
            if leaf in made:
                layer, _, parameter = name.partition(".")
                made[leaf] = self[layer].constrained(parameter, made[leaf], leaf.name or "")
        if rule.averaging is not None:
            for leaf in leaves:
                made[leaf].name = f"new_{leaf.name}"
                average = state_like(leaf, AVERAGE)
                made[average] = average + g.average_share * (made[leaf] - average)
        return made

    def statistics_program(self) -> Program | None:
        """Takes a batch into the running statistics of batch normalisation; None where there are none.

        Its last input, keep, is the share of what came before: for k rows before and n in the batch
        k / (k + n) makes the statistics those of all rows, each batch normalised by its own.
        """
        g = self.graph
        if not g.changes:
            return None
        keep, changes = placeholder((), self.dtype, "keep"), dict[Tensor, Tensor]()
        self._forward(g.xs, self._leaves(), True, g.seed, g.step, changes, keep)
        used = set(topological(changes.values()))
        drawn = [x for x in (g.seed, g.step) if x in used]
        return Program([*g.xs, *drawn, keep], {}, changes, name="statistics")

    def _leaves(self) -> list[dict[str, Tensor]]:
        """The leaves of each layer's parameters."""
        found: dict[str, dict[str, Tensor]] = {name: {} for name in self.names}
        for name, leaf in self.graph.parameters.items():
            layer, _, parameter = name.partition(".")
            found[layer][parameter] = leaf
        return list(found.values())

    def gradient_program(self, *, weighted: bool = False) -> Program:
        """The loss and its slopes by what is trained (slope0, slope1, ...), without an update.

        Raises
        ------
        ParameterError
            If a layer does another thing in training than in prediction.
        """
        for layer in self.layers:
            if layer.two_modes:
                raise ParameterError(
                    f"{type(layer).__name__} changes from step to step, which an optimizer that works on all "
                    "rows at once cannot follow. Leave it out, or use e.g. Adam."
                )
            if layer.max_norm is not None:
                raise ParameterError(
                    f"{type(layer).__name__}: max_norm changes weights after each step, which an optimizer "
                    "that works on all rows at once cannot follow. Leave it out, or use e.g. Adam."
                )
        if self.mixup:
            raise ParameterError(
                "Network: mixup changes from step to step, which an optimizer that works on all rows at once "
                "cannot follow. Leave it out, or use e.g. Adam."
            )
        leaves = self.trained_leaves()
        key = ("gradient", weighted, frozenset(leaves))
        if key not in self._programs:
            loss = self._training_loss(weighted)
            slopes = {f"slope{k}": g for k, g in enumerate(gradient(loss, leaves))}
            inputs = self._inputs_of([loss, *slopes.values()])
            self._programs[key] = Program(inputs, {"loss": loss, **slopes}, name="slopes")
        return self._programs[key]

    def _inputs_of(self, roots: Sequence[Tensor]) -> list[Tensor]:
        """The inputs that a program of these roots takes, the learning rate apart."""
        g, used = self.graph, set(topological(roots))
        others = (g.weights, g.seed, g.step, g.last_part, g.average_share)
        return [*g.xs, *g.ts, *(x for x in others if x in used)]

    def trained_leaves(self) -> list[Tensor]:
        """The leaves of the parameters that training changes by their gradients."""
        found = []
        for name, leaf in self.graph.parameters.items():
            layer, _, parameter = name.partition(".")
            if parameter in self[layer].trained and parameter not in self[layer].frozen:
                found.append(leaf)
        return found

    def _forget_graph(self) -> None:
        self._graph = None
        self._programs = {}

    def summary(self) -> str:
        """A table of the layers: shapes, parameters, operations and memory, at most 80 columns wide.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        from .summary import summary

        return summary(self)

    def source(self, optimizer: Optimizer | str | None = None) -> str:
        """The training step as Python that a person would have written, and that runs with NumPy alone.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            Whose update is printed: that of the last fit where none is given, or plain gradient descent.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        return numpy_source(self.program(optimizer or self.optimizer))
