"""Do all libraries compute the same? The same weights and rows for a few steps, and then the same losses."""

import numpy as np
from numpy.linalg import norm

from networks import NETWORKS, OPTIMIZERS, QUICK, RULE_NETWORKS, make_weights
from processes import LIBRARIES, WorkerError, run_worker

EPOCHS = 8
LOSS_TOLERANCE = 1e-4
# Root mean square, as a part of the weights' change. Float32 sums in another order differ by 1e-5 or less;
# the rest is for scikit-learn's and Keras's Adam, whose epsilon stands elsewhere and counts for gradients of
# about 1e-7.
WEIGHT_TOLERANCE = 1e-2


def verify(libraries, networks, optimizers, progress):
    """Compare every library with plain NumPy by hand; in other rules with PyTorch, or else with Keras.

    Returns lines to print and whether all agree.
    """
    lines, all_agree = [], True
    for name in networks:
        # Other rules are compared where they are timed: in a wide network some gradients lie within rounding
        # of 0, and rules that go by the sign take such a weight one way or the other.
        rules = [x for x in optimizers if x in OPTIMIZERS or name in (*QUICK, *RULE_NETWORKS)]
        runs = {}
        for library in libraries:
            progress.show(f"verify  {name}", LIBRARIES[library][0])
            if library == "sklearn" and NETWORKS[name].sizes[-1] == 2:
                lines.append(f"{name}: scikit-learn makes one logistic output of two classes: left out")
                continue
            arguments = {"network": name, "optimizers": rules, "epochs": EPOCHS}
            try:
                runs[library] = run_worker(
                    f"workers.with_{library}", {"do": "verify", "arguments": arguments}
                )
            except WorkerError as error:
                lines.append(f"{name}: {LIBRARIES[library][0]} failed: {error}")
                all_agree = False
        for optimizer in rules:
            found = {library: run[optimizer] for library, run in runs.items() if optimizer in run}
            reference = next((library for library in ("numpy", "torch", "keras") if library in found), None)
            if reference is None or len(found) < 2:
                lines.append(f"{name}, {optimizer}: nothing to compare with")
                continue
            losses = found[reference]["losses"]
            lines.append(f"{name}, {optimizer}: loss {losses[0]:.5f} to {losses[-1]:.5f}")
            all_agree &= losses[-1] < losses[0]
            start = flat(make_weights(NETWORKS[name]))
            changes = {library: flat(run["weights"]) - start for library, run in found.items()}
            for library, run in found.items():
                loss_difference = abs(np.subtract(run["losses"], losses)).max()
                weight_difference = norm(changes[library] - changes[reference]) / norm(changes[reference])
                agrees = loss_difference < LOSS_TOLERANCE and weight_difference < WEIGHT_TOLERANCE
                all_agree &= bool(agrees)
                lines.append(
                    f"    {LIBRARIES[library][0]:14} losses differ by {loss_difference:.1e}, "
                    f"weights by {weight_difference:.1e} of their change{'' if agrees else '   DISAGREES'}"
                )
    return lines, all_agree


def flat(layers):
    """All weights of [(W, b), ...] in one vector."""
    return np.concatenate([np.ravel(array) for layer in layers for array in layer])
