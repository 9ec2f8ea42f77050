"""Sections of RESULTS.md on the suite of kernels. Milliseconds are the best of the repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polyfield.benchmarks.book import Book
from polyfield.benchmarks.sections import Row, Rows, Section


def hash_grid_rows(book: Book) -> Rows:
    """Contenders of the hash grid."""
    values = book.values("hash-grid")
    if values is None:
        yield ["hash grid", book.missing("hash-grid")]
        return
    ours = values["times"]["polyfield"]["total"]["best"]
    for name, times in values["times"].items():
        both = times["total"]["best"]
        yield [name, *_milliseconds(times, ("forward", "backward", "total")), f"{both / ours:.1f}"]
    for name, reason in values["not_run"].items():
        yield [name, f"not run: {reason}"]


def operation_rows(book: Book) -> Rows:
    """March, composite, Adam."""
    values = book.values("operations")
    if values is None:
        yield ["march, composite, Adam", book.missing("operations")]
        return
    for row in values["rows"]:
        times = {name: contender["total"]["best"] for name, contender in row["times"].items()}
        ours = times["polyfield"]
        theirs = min(time for name, time in times.items() if name != "polyfield")
        least = row["bytes"] / row["bandwidth"] / 1e6
        yield [
            f"{row['operation']}: {row['of']}",
            f"{ours:.2f}",
            f"{theirs:.2f}",
            f"{theirs / ours:.1f}",
            f"{row['bytes'] / 1e6:.1f}",
            f"{least:.2f}",
            f"{row['bandwidth']:.1f}",
            f"{least / ours:.0%}",
        ]


def step_rows(book: Book) -> Rows:
    """Fused and modular render steps."""
    for name in book.names("step-"):
        title, values = name.removeprefix("step-"), book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        fused, modular = values["times"]["fused"], values["times"]["modular"]
        yield [
            title,
            f"{values['rays']:,}",
            f"{values['samples']:,}",
            *_milliseconds(fused, ("forward", "backward", "total")),
            *_milliseconds(modular, ("total",)),
            f"{modular['total']['best'] / fused['total']['best']:.2f}",
            f"{values['difference']:.1e}",
        ]


def frame_rows(book: Book) -> Rows:
    """Frame times."""
    for name in book.names("frames-"):
        title, values = name.removeprefix("frames-"), book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        for frame in values["frames"].values():
            width, height = frame["resolution"]
            yield [
                f"{title}, {width} x {height}",
                f"{frame['mean']:.1f}",
                f"{frame['slowest']:.1f}",
                f"{values['psnr']:.2f}",
            ]


def _milliseconds(times: Any, phases: Sequence[str]) -> Row:
    return [f"{times[phase]['best']:.1f}" for phase in phases]


SECTIONS = (
    Section(
        "Hash grid",
        "Milliseconds at 262,144 random points, 16 levels x 2 features, 2^19 entries. `torch`: all "
        "levels and corners at once, one gather, the gradient by autograd's `index_add`. `torch, "
        "tuned`: in chunks, by `embedding_bag`, with a gradient written by hand. `torch.compile`: "
        "corner by corner, which it fuses best.",
        ("", "forward", "backward", "both", "times ours"),
        hash_grid_rows,
    ),
    Section(
        "Operations",
        "Milliseconds beside the fastest of plain torch, and beside what moving the bytes of "
        "inputs and outputs once would take at the speed of copying a large array.",
        ("", "ours ms", "torch ms", "ratio", "MB", "bound ms", "copy GB/s", "of bound"),
        operation_rows,
    ),
    Section(
        "Render step",
        "Milliseconds of one training batch on lego_200, forward and backward, after a short "
        "training. The difference is that of the two gradients, relative to the largest entry.",
        (
            *("", "rays", "samples", "fused forward", "fused backward", "fused"),
            *("modular", "modular / fused", "difference"),
        ),
        step_rows,
    ),
    Section(
        "Frames",
        "Milliseconds of a test view of lego_200 after a short training.",
        ("", "mean ms", "slowest ms", "PSNR dB"),
        frame_rows,
    ),
)
