"""Record what PyTorch gives for losses and their gradients: python tests/golden/make_losses.py

Needs PyTorch (the extra `bench`). Where PyTorch has the loss, its own function is called; where it has not
(quantiles, hinge, focal, weighted means), the formula is written out with PyTorch's functions, and the
gradient is its autograd's.
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

ROWS, OUTPUTS = 6, 3
CLASS_WEIGHTS = [0.5, 2.0, 1.25]
DEFAULT_QS = [0.05, 0.5, 0.95]


def made_inputs():
    draw = torch.Generator().manual_seed(8)
    z = torch.randn(ROWS, OUTPUTS, generator=draw, dtype=torch.float64) * 1.5
    distributions = torch.rand(ROWS, OUTPUTS, generator=draw, dtype=torch.float64)
    distributions[0, 1] = distributions[3, 2] = 0
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    return {
        "z": z.round(decimals=3),
        "values": torch.randn(ROWS, OUTPUTS, generator=draw, dtype=torch.float64).round(decimals=3),
        "labels": labels,
        "yes": torch.randint(2, (ROWS, OUTPUTS), generator=draw).to(torch.float64),
        "shares": torch.rand(ROWS, OUTPUTS, generator=draw, dtype=torch.float64).round(decimals=3),
        "counts": torch.randint(6, (ROWS, OUTPUTS), generator=draw).to(torch.float64),
        "distributions": distributions / distributions.sum(dim=1, keepdim=True),
        "weights": torch.tensor([1.0, 0.0, 2.5, 0.25, 1.0, 3.0], dtype=torch.float64),
        "class_weights": torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)[labels],
    }


def pinball(q):
    return lambda z, t: torch.where(t > z, q * (t - z), (1 - q) * (z - t))


def pinballs(qs):
    """Output after output, quantiles in turn."""

    def elements(z, t):
        columns = [pinball(qs[j % len(qs)])(z[:, j], t[:, j]) for j in range(OUTPUTS)]
        return torch.stack(columns, dim=1)

    return elements


def hinge(z, t):
    return F.hinge_embedding_loss((2 * t - 1) * z, -torch.ones_like(z), reduction="none")


def focal(gamma):
    def rows(z, t):
        p = torch.softmax(z, dim=1)[range(ROWS), t]
        return (1 - p) ** gamma * F.cross_entropy(z, t, reduction="none")

    return rows


def drawn_to_half(t, smoothing):
    return (1 - smoothing) * t + smoothing / 2


def kl(z, t):
    return F.kl_div(torch.log_softmax(z, dim=1), t, reduction="none").sum(dim=1)


def cosine(z, t):
    return 1 - F.cosine_similarity(z, t, dim=1)


def bce(z, t, **settings):
    return F.binary_cross_entropy_with_logits(z, t, **settings)


def poisson(z, t, **settings):
    return F.poisson_nll_loss(z, t, log_input=True, full=False, **settings)


# name, settings, targets, the mean over a batch, its elements (whose weighted mean is taken)
CASES = [
    ("mse", {}, "values", F.mse_loss, lambda z, t: F.mse_loss(z, t, reduction="none")),
    (
        "half_sum", {}, "values",
        lambda z, t: F.mse_loss(z, t, reduction="sum") / (2 * ROWS),
        lambda z, t: F.mse_loss(z, t, reduction="none").sum(dim=1) / 2,
    ),
    ("mae", {}, "values", F.l1_loss, lambda z, t: F.l1_loss(z, t, reduction="none")),
    *[
        (
            "huber", {"delta": delta} if delta != 1 else {}, "values",
            lambda z, t, d=delta: F.huber_loss(z, t, delta=d),
            lambda z, t, d=delta: F.huber_loss(z, t, delta=d, reduction="none"),
        )
        for delta in (1.0, 0.3, 2.5)
    ],
    *[
        (
            "quantile", {"q": q} if q != 0.5 else {}, "values",
            lambda z, t, q=q: pinball(q)(z, t).mean(),
            pinball(q),
        )
        for q in (0.5, 0.1, 0.9)
    ],
    *[
        (
            "quantiles", {"qs": qs} if qs != DEFAULT_QS else {}, "values",
            lambda z, t, qs=qs: pinballs(qs)(z, t).mean(),
            pinballs(qs),
        )
        for qs in (DEFAULT_QS, [0.3], [0.01, 0.2, 0.8])
    ],
    ("poisson", {}, "counts", poisson, lambda z, t: poisson(z, t, reduction="none")),
    ("cosine", {}, "values", lambda z, t: cosine(z, t).mean(), cosine),
    ("cross_entropy", {}, "labels", F.cross_entropy, lambda z, t: F.cross_entropy(z, t, reduction="none")),
    *[
        (
            "cross_entropy", {"label_smoothing": smoothing}, "labels",
            lambda z, t, s=smoothing: F.cross_entropy(z, t, label_smoothing=s),
            lambda z, t, s=smoothing: F.cross_entropy(z, t, label_smoothing=s, reduction="none"),
        )
        for smoothing in (0.1, 0.5)
    ],
    *[
        (
            "focal", {"gamma": gamma} if gamma != 2 else {}, "labels",
            lambda z, t, g=gamma: focal(g)(z, t).mean(),
            focal(gamma),
        )
        for gamma in (2.0, 0.5, 5.0)
    ],
    (
        "categorical_hinge", {}, "labels", F.multi_margin_loss,
        lambda z, t: F.multi_margin_loss(z, t, reduction="none"),
    ),
    ("binary_cross_entropy", {}, "yes", bce, lambda z, t: bce(z, t, reduction="none")),
    ("binary_cross_entropy", {}, "shares", bce, lambda z, t: bce(z, t, reduction="none")),
    (
        "binary_cross_entropy", {"label_smoothing": 0.2}, "yes",
        lambda z, t: bce(z, drawn_to_half(t, 0.2)),
        lambda z, t: bce(z, drawn_to_half(t, 0.2), reduction="none"),
    ),
    ("hinge", {}, "yes", lambda z, t: hinge(z, t).mean(), hinge),
    (
        "kl_divergence", {}, "distributions",
        lambda z, t: F.kl_div(torch.log_softmax(z, dim=1), t, reduction="batchmean"),
        kl,
    ),
]  # fmt: skip


def recorded(value_of, z):
    z = z.clone().requires_grad_()
    value = value_of(z)
    value.backward()
    return {"value": value.item(), "slope": z.grad.tolist()}


def main():
    inputs = made_inputs()
    z, w = inputs["z"], inputs["weights"]
    cases = []

    def add(name, settings, targets, weights, value_of):
        case = {"loss": name, "settings": settings, "targets": targets, "weights": weights}
        cases.append({**case, **recorded(value_of, z)})

    for name, settings, targets, mean, elements in CASES:
        t = inputs[targets]

        def weighted(z, elements=elements, t=t):
            return (elements(z, t).reshape(ROWS, -1).mean(dim=1) * w).sum() / w.sum()

        add(name, settings, targets, None, lambda z, mean=mean, t=t: mean(z, t))
        add(name, settings, targets, "weights", weighted)
    t = inputs["values"]
    add("sum", {}, "values", None, lambda z: F.mse_loss(z, t, reduction="sum"))
    add("sum", {}, "values", "weights", lambda z: (w[:, None] * F.mse_loss(z, t, reduction="none")).sum())
    by_class = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
    t = inputs["labels"]
    add("cross_entropy", {}, "labels", "class_weights", lambda z: F.cross_entropy(z, t, weight=by_class))
    numbers = {
        "source": f"PyTorch {torch.__version__.partition('+')[0]}, written by make_losses.py",
        "inputs": {name: values.tolist() for name, values in inputs.items()},
        "cases": cases,
    }
    lines = [f'"{key}": {json.dumps(numbers[key])}' for key in ("source", "inputs")]
    listed = ",\n  ".join(json.dumps(case) for case in cases)
    text = "{\n" + ",\n".join(lines) + f',\n"cases": [\n  {listed}\n]\n}}\n'
    Path(__file__).with_name("losses.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
