"""Sections of RESULTS.md on Gaussians."""

from __future__ import annotations

from polyfield.benchmarks.book import Book, psnr_at
from polyfield.benchmarks.sections import Rows, Section, shown

CONVERT = "splat-files-convert-"


def rate_rows(book: Book) -> Rows:
    """Iterations a second beside OpenSplat's."""
    for name in book.names("opensplat-"):
        data, size, degree = name.removeprefix("opensplat-").rsplit("-", 2)
        title = f"{data}, {size}, degree {degree.removeprefix('degree')}"
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        theirs = values["opensplat"]["best"]
        if "polyfield" not in values:
            reason = values["not_run"]["polyfield"]
            yield [title, f"not run: {reason}", f"{theirs:.2f}"]
            continue
        ours = values["polyfield"]["best"]
        yield [title, f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.1f}"]


def format_rows(book: Book) -> Rows:
    """Reading and writing files, by format."""
    for name in book.names("splat-files-"):
        if name.startswith(CONVERT):
            continue
        title, values = f".{name.removeprefix('splat-files-')}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        times = [values[what][of] for what in ("read", "write") for of in ("seconds", "cpu")]
        yield [title, *(f"{time:.2f}" for time in times), f"{values['bytes']:.1f}"]


def convert_rows(book: Book) -> Rows:
    """The verb, from its start to its end."""
    for name in book.names(CONVERT):
        source, out = name.removeprefix(CONVERT).split("-")
        title, values = f".{source} to .{out}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        found = values["convert"]
        yield [title, f"{found['seconds']:.2f}", f"{found['cpu']:.2f}", f"{values['bytes']:.1f}"]


def training_rows(book: Book) -> Rows:
    """Trainings of Gaussians."""
    for name in book.names("splats-"):
        scene, _, seconds = name.removeprefix("splats-").rpartition("-")
        title = f"{scene.replace('-', ', ')}, {seconds.removesuffix('s')} s"
        values = book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        looks = [psnr_at(values["looks"], at) for at in (10, 30, 60)]
        yield [
            title,
            "x".join(map(str, values["resolution"])),
            *(shown(psnr, 2) for psnr in looks),
            f"{values['psnr']:.2f}",
            f"{values['ssim']:.4f}",
            f"{values['gaussians']:,}",
            f"{values['steps']:,}",
            f"{values['milliseconds_per_step']:.2f}",
        ]


def frame_rows(book: Book) -> Rows:
    """A picture of many Gaussians."""
    for name in book.names("splat-frame"):
        values = book.values(name)
        if values is None:
            yield ["800 x 800", book.missing(name)]
            continue
        memory = values["memory"]
        size = " x ".join(map(str, values["resolution"]))
        used = shown(None if memory is None else memory / 1e6, 0)
        yield [size, f"{values['milliseconds']:.0f}", used]


SECTIONS = (
    Section(
        "Trainings of Gaussians",
        "Held-out PSNR, dB, of `polyfield train field=gaussians` with its own defaults, one photo "
        "a step, from COLMAP's points where there are some and random Gaussians where not. The cup "
        "of 267x200 holds out its first photo alone, the others every eighth. No more than 40,000 "
        "Gaussians in trainings of two minutes, so that both ways of densifying have as many.",
        ("", "size", "10 s", "30 s", "60 s", "PSNR", "SSIM", "Gaussians", "steps", "ms a step"),
        training_rows,
    ),
    Section(
        "A picture of many Gaussians",
        "Milliseconds for 500,000 made-up Gaussians of degree 3, and the memory, MB, that drawing "
        "them took beside what they take themselves.",
        ("", "ms", "MB"),
        frame_rows,
    ),
    Section(
        "Files of Gaussians",
        "Seconds for 500,000 made-up Gaussians of degree 3, which no format can make as small as "
        "learned ones: by the clock, writing until the disk has them, and of the processors.",
        ("", "read s", "read CPU s", "write s", "write CPU s", "bytes a Gaussian"),
        format_rows,
    ),
    Section(
        "Converting files of Gaussians",
        "Seconds of `polyfield convert` with the same, from the start of its process to the end.",
        ("", "seconds", "CPU s", "bytes a Gaussian"),
        convert_rows,
    ),
    Section(
        "Gaussians beside OpenSplat",
        "Iterations a second of OpenSplat's CPU build on the same cores, photos and points, one "
        "photo an iteration, with harmonics of that degree from the start and no Gaussian added or "
        "removed: the best of turns, each as many iterations as there are photos.",
        ("", "ours", "OpenSplat", "ratio"),
        rate_rows,
    ),
)
