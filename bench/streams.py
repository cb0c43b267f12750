"""Training on a Parquet file of 2 GB that is read part after part, beside training on rows in memory."""

import os
import tempfile

from processes import WorkerError, run_worker

ROWS, QUICK_ROWS = 5_450_000, 400_000  # of 100 columns in float32 and a target: 2 GB
IN_MEMORY = 500_000
SETTINGS = (("64", 32), ("64", 256), ("256", 256), ("256-256", 256))  # hidden units and rows a step


def time_streams(thread_counts, rounds, quick, progress):
    """One reading for each (hidden, batch size, task, threads, round), and what failed. Deletes the file."""
    readings, failures = [], []
    rows = QUICK_ROWS if quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.parquet")
        progress.show("streams", f"writing {rows:,} rows")
        try:
            run_worker("workers.stream", {"task": "write", "file": file, "rows": rows})
        except WorkerError as error:
            return [], [f"writing the file to stream: {error}"]
        size = os.path.getsize(file)
        for turn in range(rounds):
            for hidden, batch_size in SETTINGS[1:2] if quick else SETTINGS:
                for threads in thread_counts:
                    for task in ("memory", "stream"):
                        progress.show(f"streams, 100-{hidden}-1, batches of {batch_size}", task)
                        key = {"hidden": hidden, "batch_size": batch_size, "task": task}
                        job = key | {"file": file, "rows": min(IN_MEMORY, rows)}
                        try:
                            answer = run_worker("workers.stream", job, threads)
                        except WorkerError as error:
                            failures.append(f"{task}, 100-{hidden}-1: {error}")
                            progress.note(failures[-1])
                            continue
                        readings.append(key | answer | {"threads": threads, "round": turn, "bytes": size})
    return readings, failures
