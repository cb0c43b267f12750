"""How the files of broken_cases.py are made: each is one good table with one change."""

import csv
import gzip
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars

COLUMNS = ["width", "size", "colour", "open", "day", "kind"]


def good_rows(n: int = 60) -> list[list[str]]:
    """Two numbers, a category, a truth value, a date, and a class in words that the first number decides."""
    return [
        [
            f"{i * 37 % 101 / 10}",
            str(i * 7 % 11 - 5),
            ("red", "green", "blue")[i % 3],
            ("true", "false")[i * 5 % 7 % 2],
            f"2021-{1 + i % 12:02}-{1 + i % 28:02}",
            ("wide", "narrow")[i * 37 % 101 < 50],
        ]
        for i in range(n)
    ]


def text(rows: list[list[str]], header: list[str] | None = None) -> str:
    """The CSV text, cells quoted where they must be; without `header` the good table's."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([header or COLUMNS, *rows])
    return file.getvalue()


def table(rows: list[list[str]], header: list[str] | None = None) -> bytes:
    return text(rows, header).encode()


GOOD = table(good_rows())


def cell(row: int, column: str, content: str, n: int = 60) -> bytes:
    """The good table with other content in one cell."""
    rows = good_rows(n)
    rows[row - 1][COLUMNS.index(column)] = content
    return table(rows)


def column(name: str, contents: Callable[[int], str]) -> bytes:
    """The good table with other contents in one column; `contents` is given the row's number."""
    rows = good_rows()
    for number, row in enumerate(rows, 1):
        row[COLUMNS.index(name)] = contents(number)
    return table(rows)


def raw_line(row: int, content: bytes) -> bytes:
    """The good table with the bytes of one row's line replaced."""
    lines = GOOD.split(b"\n")
    lines[row] = content
    return b"\n".join(lines)


def header(*names: str) -> bytes:
    return table(good_rows(), list(names))


def without(name: str) -> bytes:
    place = COLUMNS.index(name)
    return table([row[:place] + row[place + 1 :] for row in good_rows()], [n for n in COLUMNS if n != name])


def renamed(old: str, new: str) -> bytes:
    return header(*(new if name == old else name for name in COLUMNS))


def reordered() -> bytes:
    return table([row[::-1] for row in good_rows()], COLUMNS[::-1])


def parquet(columns: dict) -> bytes:
    file = io.BytesIO()
    polars.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def good_parquet(**changes) -> bytes:
    """The good table with types of its own; `changes` replaces columns."""
    frame = polars.read_csv(GOOD, try_parse_dates=True)
    return parquet({**frame.to_dict(as_series=True), **changes})


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def noise(size: int) -> bytes:
    """Random bytes without the first letters of any known format."""
    return b"\x93" + np.random.default_rng(7).bytes(size)


def wide(columns: int, rows: int = 24) -> bytes:
    names = [f"c{k}" for k in range(columns)]
    lines = [
        [*(str((i * 7 + k) % 5) for k in range(columns)), ("wide", "narrow")[i % 2]] for i in range(rows)
    ]
    return table(lines, [*names, "kind"])


def flipped(content: bytes, place: float) -> bytes:
    changed = bytearray(content)
    changed[int(place * (len(changed) - 1))] ^= 0x55
    return bytes(changed)


# What is not a file of its own bytes: each is given the path that it is to make.


def folder(path: Path) -> None:
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.symlink_to("gone.csv")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)  # the whole path may be longer than a socket's may


def device(path: Path) -> None:
    path.symlink_to(os.devnull)


def absent(path: Path) -> None:
    pass
