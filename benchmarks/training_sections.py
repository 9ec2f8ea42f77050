"""Sections of RESULTS.md on trainings, on other people's code and on starting up."""

from __future__ import annotations

from collections.abc import Callable

from polyfield.benchmarks.book import Book, Values, psnr_at, seconds_to, sooner
from polyfield.benchmarks.sections import Row, Rows, Section, shown
from polyfield.benchmarks.targets import LEGO_MINUTE, TENSORF

LEVELS = (25, 28, 30, 31, 32, 33, 34)
SECONDS = (5, 10, 20, 30, 60, 120, 300, 600)
PEER_LEVELS = (25, 28, 29, 30, 31, 31.5, 32)


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
            shown(None if peak is None else peak / 1e6, 0),
            shown(first),
            f"{values['compiling_seconds']:.1f}",
        ]

    yield from _trainings(book, row)


def level_rows(book: Book) -> Rows:
    """Seconds to a PSNR."""

    def row(values: Values) -> Row:
        times = [seconds_to(values["looks"], level) for level in LEVELS]
        return [shown(time) for time in times]

    yield from _trainings(book, row)


def time_rows(book: Book) -> Rows:
    """PSNR after seconds."""

    def row(values: Values) -> Row:
        scores = [psnr_at(values["looks"], seconds) for seconds in SECONDS]
        return [shown(score, 2) for score in scores]

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
    for level in PEER_LEVELS:
        times = [seconds_to(values["looks"], level) for values in (ours, theirs)]
        ratio = sooner(ours["looks"], theirs["looks"], level)
        least = "> " if ratio and times[1] is None else ""
        yield [f"lego_200, {level:g} dB", *map(shown, times), least + shown(ratio)]
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


SECTIONS = (
    Section(
        "Training",
        "Scores of all held-out views at the end. The first step counts from the start of the "
        "process; compiling is what numba compiled in all, 0 when everything was in its cache.",
        (
            *("", "views", "PSNR dB", "SSIM", "steps", "ms/step", "frame ms", "peak MB"),
            *("first step s", "compiling s"),
        ),
        training_rows,
    ),
    Section(
        "Seconds to a PSNR",
        "Of all held-out views, linear between evaluations. The learning rate falls over the whole "
        "of a run, so a longer one is behind a shorter one at the same time.",
        ("", *(f"{level} dB" for level in LEVELS)),
        level_rows,
    ),
    Section(
        "PSNR after seconds",
        "dB, as above.",
        ("", *(f"{seconds} s" for seconds in SECONDS)),
        time_rows,
    ),
    Section(
        "Beside others",
        "Seconds of steps of TensoRF's public code on the same cores, photos and test views (64^3 "
        "to 128^3, 1024 rays, 2000 steps; its evaluations do not count either).",
        ("", "ours s", "TensoRF s", "ratio"),
        peer_rows,
    ),
    Section(
        "Starting",
        "Seconds of wall clock from the start of the process; cold is with nothing compiled.",
        ("", "warm", "cold"),
        startup_rows,
    ),
)
