"""RESULTS.md: a book of records as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from polyfield.benchmarks.book import Book, Values, psnr_at, seconds_to, sooner
from polyfield.benchmarks.targets import LEGO_MINUTE, TENSORF, targets

HEAD = """\
# Results

Written by `polyfield bench` from the records of its measurements; not edited by hand. Times are the
best of interleaved repetitions, so that what is compared was measured side by side. Seconds of
training count steps alone: not loading, compiling, evaluating, saving.
"""
LEVELS = (25, 28, 30, 31, 32, 33, 34)
SECONDS = (5, 10, 20, 30, 60, 120, 300, 600)
NOTHING = "–"

Row = list[str]
Rows = Iterator[Row]


def results(book: Book) -> str:
    """The document."""
    parts = [HEAD, measured_on(book)]
    for title, note, columns, rows in SECTIONS:
        made = [[row[0], *row[1:]] for row in rows(book)]
        if made:
            parts.append("\n\n".join(p for p in (f"## {title}", note, table(columns, made)) if p))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Markdown: the first column flush left, the others flush right; short rows are filled up."""
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    for row in rows:
        lines.append("| " + " | ".join([*row, *[""] * (len(columns) - len(row))]) + " |")
    return "\n".join(lines)


def measured_on(book: Book) -> str:
    """The machines, and which commits and days."""
    lines = []
    for record in book.records.values():
        facts = record["machine"]
        line = (
            f"- {facts.get('processor')}, {facts.get('cores')} cores ({facts.get('vectors')}), "
            f"{facts.get('memory')} of memory, {facts.get('system')}; torch {facts.get('torch')}, "
            f"numba {facts.get('numba')} on {facts.get('threads')} threads; polyfield "
            f"{record['version']}, commit {record['commit']}"
        )
        if line not in lines:
            lines.append(line)
    return "Measured on:\n\n" + "\n".join(sorted(lines)) if lines else "Nothing measured yet."


def target_rows(book: Book) -> Rows:
    """What must be reached."""
    for target in targets(book):
        values = book.values(target.cell)
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g} {target.unit}"
        if values is None:
            yield [target.text, bound, book.missing(target.cell)]
            continue
        value = target.value(values)
        if value is None:
            yield [target.text, bound, "not reached or not measured", "no"]
            continue
        shown = f"{value:.{target.digits}f} {target.unit}"
        yield [target.text, bound, shown, "yes" if target.met(value) else "**no**"]


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


def training_rows(book: Book) -> Rows:
    """Trainings: quality, speed, memory."""

    def row(values: Values) -> Row:
        peak, first = values["peak_memory"], values["first_step_seconds"]
        resolution = values["resolution"]
        return [
            "x".join(map(str, resolution)) if resolution else "several",
            f"{values['psnr']:.2f}",
            f"{values['ssim']:.4f}",
            f"{values['steps']:,}",
            f"{values['milliseconds_per_step']:.2f}",
            f"{values['frame_milliseconds']:.1f}",
            NOTHING if peak is None else f"{peak / 1e6:,.0f}",
            NOTHING if first is None else f"{first:.1f}",
            f"{values['compiling_seconds']:.1f}",
        ]

    yield from _trainings(book, row)


def level_rows(book: Book) -> Rows:
    """Seconds to a PSNR."""

    def row(values: Values) -> Row:
        times = [seconds_to(values["looks"], level) for level in LEVELS]
        return [NOTHING if time is None else f"{time:.1f}" for time in times]

    yield from _trainings(book, row)


def time_rows(book: Book) -> Rows:
    """PSNR after seconds."""

    def row(values: Values) -> Row:
        scores = [psnr_at(values["looks"], seconds) for seconds in SECONDS]
        return [NOTHING if score is None else f"{score:.2f}" for score in scores]

    yield from _trainings(book, row)


def _trainings(book: Book, row: Callable[[Values], Row]) -> Rows:
    for name in book.names("train-"):
        scene, field, seconds = name.removeprefix("train-").rsplit("-", 2)
        title = f"{scene}, {field}, {seconds.removesuffix('s')} s"
        values = book.values(name)
        yield [title, book.missing(name)] if values is None else [title, *row(values)]


def peer_rows(book: Book) -> Rows:
    """Seconds to a PSNR beside TensoRF's."""
    if not book.names("peer-"):
        return
    ours, theirs = book.values(LEGO_MINUTE), book.values(TENSORF)
    if theirs is None or ours is None:
        yield ["TensoRF, lego_200", book.missing(TENSORF if theirs is None else LEGO_MINUTE)]
        return
    for level in (25, 28, 29, 30, 31, 31.5, 32):
        times = [seconds_to(values["looks"], level) for values in (ours, theirs)]
        ratio = sooner(ours["looks"], theirs["looks"], level)
        numbers = [NOTHING if number is None else f"{number:.1f}" for number in (*times, ratio)]
        yield [f"lego_200, {level:g} dB", *numbers]
    ends = [f"{values['psnr']:.2f} after {values['seconds']:.0f} s" for values in (ours, theirs)]
    yield ["lego_200, at the end", *ends]


def startup_rows(book: Book) -> Rows:
    """Waiting."""
    values = book.values("help")
    shown = [f"{values['seconds']['median']:.2f}"] if values else [book.missing("help")]
    yield ["`polyfield --help`", *shown]
    for name in book.names("first-step-"):
        title, values = f"`polyfield train`, {name.removeprefix('first-step-')}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
        else:
            yield [title, f"{values['warm']['median']:.1f}", f"{values['cold']:.1f}"]


def record_rows(book: Book) -> Rows:
    """Where each number comes from."""
    for name in book.names(""):
        record = book.records.get(name)
        if record is None:
            yield [name, book.missing(name)]
            continue
        load = record["machine"].get("load")
        yield [
            name,
            record["commit"],
            record["date"][:16].replace("T", " "),
            f"{record['seconds']:.0f}",
            NOTHING if load is None else f"{load:.1f}",
            record["hash"],
        ]


def _milliseconds(times: Any, phases: Sequence[str]) -> Row:
    return [f"{times[phase]['best']:.1f}" for phase in phases]


SECTIONS: tuple[tuple[str, str, tuple[str, ...], Callable[[Book], Rows]], ...] = (
    (
        "What it must reach",
        "Bounds are for two cores.",
        ("", "bound", "measured", "met"),
        target_rows,
    ),
    (
        "Hash grid",
        "Milliseconds at 262,144 random points, 16 levels x 2 features, 2^19 entries. `torch`: all\n"
        "levels and corners at once, one gather, the gradient by autograd's `index_add`; `torch,\n"
        "tuned`: in chunks, by `embedding_bag`, with a gradient written by hand; `torch.compile`: of\n"
        "the first.",
        ("", "forward", "backward", "both", "times ours"),
        hash_grid_rows,
    ),
    (
        "Operations",
        "Milliseconds beside the fastest of plain torch, and beside what moving the bytes of inputs\n"
        "and outputs once would take at the speed of copying a large array.",
        ("", "ours ms", "torch ms", "ratio", "MB", "bound ms", "copy GB/s", "of bound"),
        operation_rows,
    ),
    (
        "Render step",
        "Milliseconds of one training batch on lego_200, forward and backward, after a short\n"
        "training. The difference is that of the two gradients, of the largest entry.",
        (
            *("", "rays", "samples", "fused forward", "fused backward", "fused"),
            *("modular", "modular / fused", "difference"),
        ),
        step_rows,
    ),
    (
        "Frames",
        "Milliseconds of a test view of lego_200 after a short training.",
        ("", "mean ms", "slowest ms", "PSNR dB"),
        frame_rows,
    ),
    (
        "Training",
        "On all held-out views at the end. The first step counts from the start of the process,\n"
        "compiling is what numba compiled in all, 0 when everything was in its cache.",
        (
            *("", "views", "PSNR dB", "SSIM", "steps", "ms/step", "frame ms", "peak MB"),
            *("first step s", "compiling s"),
        ),
        training_rows,
    ),
    (
        "Seconds to a PSNR",
        "All held-out views, linear between evaluations. The learning rate falls over the whole of a\n"
        "run, so a longer one is behind a shorter one at the same time.",
        ("", *(f"{level} dB" for level in LEVELS)),
        level_rows,
    ),
    (
        "PSNR after seconds",
        "",
        ("", *(f"{seconds} s" for seconds in SECONDS)),
        time_rows,
    ),
    (
        "Beside others",
        "Seconds of steps of TensoRF's public code on the same cores, photos and test views (64^3 to\n"
        "128^3, 1024 rays, 2000 steps; its evaluations do not count either).",
        ("", "ours s", "TensoRF s", "ratio"),
        peer_rows,
    ),
    (
        "Starting",
        "Seconds of wall clock from the start of the process; cold is with nothing compiled.",
        ("", "warm", "cold"),
        startup_rows,
    ),
    (
        "Records",
        "Load is that of the machine before, in processes that want to run.",
        ("cell", "commit", "date (UTC)", "seconds", "load", "settings"),
        record_rows,
    ),
)
