"""`chainrule train` with its options. What it does is loaded late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    Command,
    DataArgument,
    JsonOption,
    SeparatorOption,
    TargetOption,
    app,
    examples_of,
    option_of,
    pairs_of,
    single,
)

Text = str | None
Pairs = list[str] | None
NETWORK, TRAINING, OPTIMIZER, SCHEDULE = "Network", "Training", "Optimizer", "Schedule"
IMAGES = "Images"


@app.command(
    cls=Command,
    epilog=examples_of(
        "train digits --model digits.chainrule",
        "train iris --hidden 32,16 --activation relu,tanh --l2 0.0001",
        "train houses.csv --target price --loss huber",
        "train people.csv --target income --column zip=category",
        "train wine --optimizer adamw --option weight_decay=0.1",
        "train wine --learning-rate 0.01 --schedule cosine",
        "train digits --early-stopping 10 --epochs 500",
        "train wine --stop cross-validated --epochs 200",
        "train digits --ensemble 5 --model five.chainrule",
        "train digits --epochs 500 --checkpoint runs --resume",
        "train breast-cancer --sampling balanced --threshold f1",
        "train digits --find-rate",
        "train digits --log runs.csv",
        "train digits --config net.toml",
        "train large.parquet --target price --stream",
        "train digits --augment rotate=10,zoom=0.1 --contact-sheet seen.png",
        "train flowers --image-size 32x32 --augment flip=horizontal",
    ),
)
def train(
    context: typer.Context,
    data: DataArgument,
    target: TargetOption = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to save the network.")] = None,
    config: Annotated[
        Text,
        typer.Option(
            metavar="FILE",
            help="A TOML file with settings in [network], [training], [optimizer], [schedule], [average] "
            "and [images]. What it states and an option states otherwise is refused.",
        ),
    ] = None,
    test: Annotated[
        Text, typer.Option(metavar="FILE", help="A table to test on, in place of rows held back.")
    ] = None,
    split: Annotated[
        Text, typer.Option(metavar="COLUMN", help="It says of each row: train, validation or test.")
    ] = None,
    column: Annotated[
        Pairs,
        typer.Option(
            metavar="NAME=KIND",
            help="What a column is: number, category, boolean, date, or ignore; may be given several "
            "times. [default: told from its cells]",
        ),
    ] = None,
    separator: SeparatorOption = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Read the file part after part, for tables larger than memory; a sample says what its "
            "columns are.",
        ),
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the learning curves: .png or .svg.")
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw which classes were taken for which: .png or .svg."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the training there after each epoch, and each minute."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in that folder, if there is one.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add a line for each epoch there: .csv or .jsonl."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the training there for TensorBoard.")
    ] = None,
    mlflow: Annotated[
        Text,
        typer.Option(metavar="EXPERIMENT", help="Log the training to MLflow, to MLFLOW_TRACKING_URI."),
    ] = None,
    find_rate: Annotated[
        bool,
        typer.Option(
            "--find-rate", help="Train nothing; show the loss as the learning rate rises, and suggest one."
        ),
    ] = False,
    overfit_batch: Annotated[
        bool,
        typer.Option(
            "--overfit-batch", help="Train nothing; see whether a copy can learn one batch by heart."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Train and write nothing; check everything, and tell what it would take."
        ),
    ] = False,
    as_json: JsonOption = False,
    hidden: Annotated[
        Text,
        option_of(NETWORK, "SIZES", "Units of the hidden layers, as 64,32; '' for none. [default: 128,64]"),
    ] = None,
    activation: Annotated[
        Text,
        option_of(
            NETWORK,
            "NAMES",
            "Of the hidden layers: one for all, or one for each with commas between. [default: relu] "
            "There are {activations}; 'logistic(flat_spot=0.1)' and 'tanh(slope=0.5)' have another "
            "derivative.",
        ),
    ] = None,
    dropout: Annotated[
        Text,
        option_of(
            NETWORK, "RATE", "Share of each hidden layer's outputs dropped in training. [default: 0.2]"
        ),
    ] = None,
    pieces: Annotated[
        Text,
        option_of(
            NETWORK,
            "N",
            "How many pieces a number of many values is cut into, so that each can count differently; 0 for "
            "none. [default: 16, fewer where there are many columns]",
        ),
    ] = None,
    batch_norm: Annotated[
        bool | None, option_of(NETWORK, None, "Normalise each hidden layer's outputs.", "--batch-norm")
    ] = None,
    l1: Annotated[Text, option_of(NETWORK, "FACTOR", "Penalty on the weights' absolute values.")] = None,
    l2: Annotated[Text, option_of(NETWORK, "FACTOR", "Penalty on the weights' squares.")] = None,
    max_norm: Annotated[
        Text, option_of(NETWORK, "NORM", "The largest norm of each hidden unit's incoming weights.")
    ] = None,
    input_noise: Annotated[
        Text,
        option_of(
            NETWORK, "STD", "Normal noise added to the inputs in training, in their standard deviations."
        ),
    ] = None,
    mixup: Annotated[
        Text,
        option_of(NETWORK, "ALPHA", "Mix rows and their targets with others, by Beta(ALPHA, ALPHA)."),
    ] = None,
    loss: Annotated[
        Text,
        option_of(
            NETWORK,
            "NAME",
            "What is to become small; it says whether the target is classes or values. "
            "[default: cross_entropy or mse] There are {losses}.",
        ),
    ] = None,
    loss_option: Annotated[Pairs, pairs_of(NETWORK, "--loss-option", "the loss")] = None,
    init: Annotated[
        Text,
        option_of(
            NETWORK,
            "NAME",
            "How weights are drawn. [default: what suits the activation] There are {inits}, lsuv.",
        ),
    ] = None,
    init_option: Annotated[Pairs, pairs_of(NETWORK, "--init-option", "the drawing of weights")] = None,
    epochs: Annotated[
        Text,
        option_of(
            TRAINING,
            "N",
            "How often each row is seen. [default: 20, or more until there are 500 steps]",
        ),
    ] = None,
    batch_size: Annotated[
        Text, option_of(TRAINING, "N", "Rows a step: 1, a number, or all. [default: 32 to 512, by the rows]")
    ] = None,
    early_stopping: Annotated[
        Text,
        option_of(
            TRAINING,
            "PATIENCE",
            "Stop when the validation loss, or --monitor, has not become better for so many epochs, and "
            "keep the best weights; or off. [default: off]",
        ),
    ] = None,
    monitor: Annotated[
        Text,
        option_of(
            TRAINING,
            "MEASURE",
            "What early stopping goes by: loss, or a scorer of scikit-learn's, as f1_macro. [default: loss]",
        ),
    ] = None,
    stop: Annotated[
        Text,
        option_of(
            TRAINING,
            "cross-validated",
            "Train for as many epochs as were best in the mean of a cross-validation's folds, and on all "
            "rows; --epochs is the most.",
        ),
    ] = None,
    folds: Annotated[
        Text, option_of(TRAINING, "N", "Of the cross-validation of --stop. [default: 10]")
    ] = None,
    jobs: Annotated[
        Text,
        option_of(
            TRAINING, "N", "Folds or members trained at once; -1 for as many as processors. [default: 1]"
        ),
    ] = None,
    ensemble: Annotated[
        Text, option_of(TRAINING, "N", "Train so many networks that predict together, saved as one model.")
    ] = None,
    ensemble_kind: Annotated[
        Text,
        option_of(
            TRAINING,
            "KIND",
            "How these differ: seeds (other starts), bagging (rows drawn with replacement), snapshot (one "
            "training whose rate starts again), or committee (each leaves out a fold). [default: seeds]",
        ),
    ] = None,
    distill: Annotated[
        Text,
        option_of(
            TRAINING,
            "SIZES",
            "Save a single network with hidden layers of these sizes instead, which learns what the ensemble "
            "predicts.",
        ),
    ] = None,
    validation_size: Annotated[
        Text,
        option_of(
            TRAINING,
            "SHARE",
            "Of the rows to train on, held apart to measure after each epoch. "
            "[default: 0.1 with early stopping, --threshold or --calibrate, else none]",
        ),
    ] = None,
    test_size: Annotated[
        Text, option_of(TRAINING, "SHARE", "Of all rows, held back for the test. [default: 0.2]")
    ] = None,
    class_weight: Annotated[
        Text,
        option_of(
            TRAINING,
            "WEIGHTS",
            "How much each class counts: balanced, for all the same, or by label as yes=5,no=1.",
        ),
    ] = None,
    sampling: Annotated[
        Text,
        option_of(
            TRAINING,
            "SHARES",
            "Draw the rows of an epoch by their classes: balanced, or shares as yes=0.3,no=0.7.",
        ),
    ] = None,
    resample: Annotated[
        Text,
        option_of(
            TRAINING,
            "WAY",
            "Make the classes of the rows to train on equal: over repeats rows, under leaves some out, smote "
            "makes new ones; by imbalanced-learn.",
        ),
    ] = None,
    threshold: Annotated[
        Text,
        option_of(
            TRAINING,
            "MEASURE",
            "Of two classes, say the second from the probability on that is best by a measure, as f1, on "
            "rows held apart; or the probability itself.",
        ),
    ] = None,
    calibrate: Annotated[
        Text,
        option_of(
            TRAINING,
            "METHOD",
            "Make probabilities come true on rows held apart: temperature, or bias_corrected after class "
            "weights or sampling.",
        ),
    ] = None,
    task: Annotated[
        Text,
        option_of(TRAINING, "TASK", "classification or regression. [default: told from loss and target]"),
    ] = None,
    seed: Annotated[
        Text,
        option_of(TRAINING, "N", "Of held-back rows, initial weights and the order of rows. [default: 0]"),
    ] = None,
    engine: Annotated[Text, option_of(TRAINING, "NAME", "auto, numpy or numba. [default: auto]")] = None,
    optimizer: Annotated[
        Text,
        option_of(
            OPTIMIZER,
            "NAME",
            "How weights are changed. [default: adamw, weight_decay=0.3] There are {optimizers}.",
        ),
    ] = None,
    learning_rate: Annotated[
        Text,
        option_of(
            OPTIMIZER,
            "RATE",
            "[default: 0.005; of an --optimizer its own, and of sgd in a regression 0.01 / the target's "
            "variance]",
        ),
    ] = None,
    clip_norm: Annotated[
        Text, option_of(OPTIMIZER, "NORM", "Scale the gradients down where their norm is larger.")
    ] = None,
    option: Annotated[Pairs, pairs_of(OPTIMIZER, "--option", "the optimizer")] = None,
    schedule: Annotated[
        Text,
        option_of(
            SCHEDULE,
            "NAME",
            "How the learning rate changes. [default: one_cycle; with an --optimizer not at all] "
            "There are {schedules}.",
        ),
    ] = None,
    schedule_option: Annotated[Pairs, pairs_of(SCHEDULE, "--schedule-option", "the schedule")] = None,
    augment: Annotated[
        Text,
        option_of(
            IMAGES,
            "CHANGES",
            "How images are changed anew in each epoch, as rotate=10,zoom=0.1,elastic=26: shift in pixels, "
            "rotate in degrees, zoom as a share, flip=horizontal, vertical or both, elastic with sigma, "
            "erase as a probability with erase_area=0.02:0.2, noise, fill.",
        ),
    ] = None,
    contact_sheet: Annotated[
        Path | None,
        option_of(IMAGES, "FILE", "Draw images and what the network will see of them: .png or .svg."),
    ] = None,
    image_size: Annotated[
        Text, option_of(IMAGES, "SIZE", "Of a folder's images, height x width. [default: 28x28]")
    ] = None,
    color: Annotated[
        bool | None, option_of(IMAGES, None, "Take a folder's images in red, green and blue.", "--color")
    ] = None,
    corrupt: Annotated[
        Text,
        option_of(
            IMAGES, "POLICY", "Of a folder's images that cannot be read: refuse or skip. [default: refuse]"
        ),
    ] = None,
    average: Annotated[
        Text,
        option_of(
            OPTIMIZER,
            "NAME",
            "Keep an average of the weights along the training: ema or swa.",
        ),
    ] = None,
    average_option: Annotated[Pairs, pairs_of(OPTIMIZER, "--average-option", "the average")] = None,
    accumulate: Annotated[
        Text,
        option_of(
            TRAINING, "N", "Change weights after so many batches, as for one of all their rows. [default: 1]"
        ),
    ] = None,
    sam: Annotated[
        Text,
        option_of(
            OPTIMIZER,
            "RHO",
            "Take gradients so far from the weights, where the loss grows fastest: looks for a minimum with "
            "wide surroundings, in twice the time. 0.05 is usual. [default: off]",
        ),
    ] = None,
) -> None:
    """Train a network and test it on rows held back."""
    from .preparing import Request
    from .train import train as run
    from .trying import Tracking, trial_of

    tracking = Tracking(log, tensorboard, mlflow)
    trials = {"--find-rate": find_rate, "--overfit-batch": overfit_batch, "--dry-run": dry_run}
    written = {
        "--model": model,
        "--plot": None if find_rate else plot,
        "--confusion": confusion,
        "--checkpoint": checkpoint,
        "--contact-sheet": contact_sheet,
        **dict.fromkeys(tracking.stated, True),
    }
    kinds = tuple(column or ())
    request = Request(
        data=data,
        target=single(target),
        test=test,
        split=split,
        separator=separator,
        columns=kinds,
        config=config,
        model=model,
        plot=plot,
        confusion=confusion,
        as_json=as_json,
        checkpoint=checkpoint,
        resume=resume,
        contact_sheet=contact_sheet,
        tracking=tracking,
        trial=trial_of(trials, written),
        stream=stream,
    )
    run(request, context.params)
