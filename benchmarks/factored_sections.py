"""Sections of RESULTS.md on factored grids."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from polyfield.benchmarks.book import Book, at_equal_steps, seconds_to, sooner
from polyfield.benchmarks.sections import NOTHING, Rows, Section, shown
from polyfield.benchmarks.targets import TENSORF

SHOWN = 500  # steps between rows of a training that is compared
SIZED = ("strivec", "vm", "hash")


def rotation_rows(book: Book) -> Rows:
    """Scores of data that lies straight and askew."""
    for name in book.names("rotation-"):
        data, field, variant = name.removeprefix("rotation-").split("-", 2)
        title, values = f"{data}, {field}, {variant}", book.values(name)
        if values is None:
            yield [title, book.missing(name)]
            continue
        digits = 2 if values["score"].startswith("psnr") else 4  # of psnr_held_out too
        turned = statistics.mean(values["turned"])
        yield [
            title,
            values["score"],
            f"{values['parameters'] / 1e6:.2f}",
            f"{values['straight']:.{digits}f}",
            f"{turned:.{digits}f}",
            f"{turned - values['straight']:+.{digits}f}",
            f"{min(values['turned']):.{digits}f} to {max(values['turned']):.{digits}f}",
        ]


def axes_rows(book: Book) -> Rows:
    """Networks along the axes against one network of all coordinates."""
    for name in book.names("axes-"):
        values, data = book.values(name), name.removeprefix("axes-")
        if values is None:
            yield [data, book.missing(name)]
            continue
        network = values["network"]
        for contender, found in values.items():
            row = [
                f"{data}, {contender}",
                "x".join(map(str, found["resolution"])),
                f"{found['parameters'] / 1e6:.2f}",
                f"{found['milliseconds_per_step']:.1f}",
                f"{found['psnr']:.2f}",
            ]
            if contender != "network":
                row.append(shown(seconds_to(found["looks"], network["psnr"]), 2))
                row.append(shown(sooner(found["looks"], network["looks"], network["psnr"])))
                row.append(f"{found['psnr'] - network['psnr']:+.2f}")
            yield row


def size_rows(book: Book) -> Rows:
    """Parameters and scores in equal steps, and what the other fields need for each score."""
    names = book.names("size-lego_200-")
    found = {name: book.values(name) for name in names}
    curves: dict[str, list[tuple[float, float]]] = {}
    for name, values in found.items():
        if values is not None:
            curve = curves.setdefault(field_of(name), [])
            curve.append((values["parameters"], values["value"]))
    for name, values in found.items():
        title = name.removeprefix("size-lego_200-")
        if values is None:
            yield [title, book.missing(name)]
            continue
        yield [
            title,
            f"{values['parameters'] / 1e6:.2f}",
            f"{values['value']:.2f}",
            f"{values['seconds']:.0f}",
            *(
                NOTHING
                if field == field_of(name)
                else needed(curves.get(field, ()), values["value"])
                for field in SIZED
            ),
        ]


def field_of(name: str) -> str:
    """The field of a cell of sizes."""
    return name.removeprefix("size-lego_200-").partition("-")[0]


def needed(curve: Sequence[tuple[float, float]], score: float) -> str:
    """The millions of parameters at which a field has a score; a bound where it was not bracketed.

    Args:
        curve: parameters and scores of the field's sizes; between them its score is linear in the
            logarithm of its parameters.
    """
    if not curve:
        return NOTHING
    rising = sorted(curve)
    for (p, low), (q, high) in pairwise(rising):
        if low <= score <= high:
            share = (score - low) / (high - low) if high > low else 0.0
            return f"{p / 1e6 * math.exp(share * math.log(q / p)):.2f}"
    best = max(high for _, high in rising)
    return f"> {rising[-1][0] / 1e6:.2f}" if score > best else f"< {rising[0][0] / 1e6:.2f}"


def tensorf_rows(book: Book) -> Rows:
    """Scores and seconds of our VM and of TensoRF's, step by step."""
    for name in book.names("equal-steps-"):
        title = name.removeprefix("equal-steps-").replace("-", ", ")
        ours, theirs = book.values(name), book.values(TENSORF)
        if ours is None or theirs is None:
            yield [title, book.missing(name if ours is None else TENSORF)]
            continue
        for mine, other in at_equal_steps(ours, theirs):
            if mine["step"] % SHOWN:
                continue
            yield [
                f"{title}, step {mine['step']:,}",
                f"{mine['psnr']:.2f}",
                f"{other['psnr']:.2f}",
                f"{mine['psnr'] - other['psnr']:+.2f}",
                f"{mine['seconds']:.1f}",
                f"{other['seconds']:.1f}",
                f"{other['seconds'] / mine['seconds']:.1f}",
            ]


SECTIONS = (
    Section(
        "Networks along the axes",
        "A picture, a volume and a video, learned by one SIREN of all coordinates (4 by 256) "
        "and by networks of single coordinates (F-INR), each for the same seconds. Last come the "
        "seconds that F-INR took to where the network ended, how many times sooner that is, and "
        "what it gained in dB at the same seconds.",
        ("", "samples", "M parameters", "ms a step", "PSNR", "s to it", "times sooner", "dB"),
        axes_rows,
    ),
    Section(
        "What quality costs in parameters",
        "lego_200 in equal steps, those in which Strivec looks for its geometry included, each "
        "field in three sizes, scaled in a way of its own: Strivec by its features, VM by its "
        "cells, the hash grid by the entries of its tables. The last columns say how many million "
        "parameters another field has at the row's PSNR, at this scaling: between two of its sizes "
        "by the logarithm of its parameters, else more than the largest or fewer than the "
        "smallest. Scaled otherwise it may need others.",
        (
            *("", "M parameters", "PSNR dB", "seconds"),
            *(f"{field} needs (at this scaling)" for field in SIZED),
        ),
        size_rows,
    ),
    Section(
        "What fields owe to the axes",
        "The same data as it lies and turned at random, at equal steps: the axis-aligned field, "
        "the same with four learned rotations (TILTED) found along the way or by a weak field "
        "first, which takes half as many steps more, and the axis-aligned field with twice the "
        "features. PSNR in dB (of pictures that of held-out pixels), intersection over "
        "union of shapes; of turned data the mean over the orientations. Steps bound these cells, "
        "so that they may be measured beside other work; their seconds say nothing.",
        ("", "score", "M parameters", "straight", "turned", "cost", "range"),
        rotation_rows,
    ),
    Section(
        "VM beside TensoRF's code",
        "Our VM and TensoRF's public code by one schedule (64^3 to 128^3 cells, 1024 rays, box and "
        "rays cut to what is there, 2000 steps), on the same cores, photos and test views: PSNR in "
        "dB of all of them, and seconds of steps.",
        ("", "ours dB", "TensoRF dB", "", "ours s", "TensoRF s", "ratio"),
        tensorf_rows,
    ),
)
