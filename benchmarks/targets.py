"""What the library must reach on two cores, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from polyfield.benchmarks.book import Book, Values, psnr_at, seconds_to, sooner

LEGO_MINUTE = "train-lego_200-hash-60s"
TENSORF = "peer-tensorf-lego_200"
EQUAL_STEPS = "equal-steps-lego_200-vm"
PAGE = "web-page-100k-degree3"


@dataclass(frozen=True)
class Target:
    """A number and its bound.

    Attributes:
        text: what is measured.
        cell: where.
        value: from what the cell found; None where it found none.
        bound: in `unit`; at_least: else at most.
        digits: after the point.
    """

    text: str
    cell: str
    value: Callable[[Values], float | None]
    bound: float
    unit: str
    at_least: bool
    digits: int = 1

    def met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def targets(book: Book) -> Iterator[Target]:
    """All of them, those of fields by the cells that there are."""
    minute = book.values(LEGO_MINUTE)
    yield _reached(30, 20)
    yield _psnr(LEGO_MINUTE, "lego_200, 60 s", 32)
    yield _psnr(LEGO_MINUTE, "lego_200, 60 s: the aim", 33)
    for level in (30.0, 31.5):

        def ratio(theirs: Values, level: float = level) -> float | None:
            return sooner(minute["looks"], theirs["looks"], level) if minute else None

        text = f"lego_200, {level:g} dB: sooner than TensoRF's code"
        yield Target(text, TENSORF, ratio, 10, "times", True)
    theirs = book.values(TENSORF)
    yield Target(
        "lego_200: our VM less TensoRF's code at equal steps", EQUAL_STEPS,
        lambda v: v["psnr"] - theirs["psnr"] if theirs else None, -0.1, "dB", True, 2,
    )  # fmt: skip
    yield Target(
        "lego_200: our VM sooner than TensoRF's code at equal steps", EQUAL_STEPS,
        lambda v: theirs["seconds"] / v["seconds"] if theirs else None, 5, "times", True,
    )  # fmt: skip
    for name in book.names("step-"):
        text = f"render step, {name.removeprefix('step-')}: modular / fused"
        yield Target(text, name, _modular, 2, "times", False, 2)
    yield Target("hash grid: plain torch / ours", "hash-grid", _against_torch, 15, "times", True)
    for size, bound in (("200", 25), ("800", 350)):
        yield Target(
            f"frame of lego_200, {size} x {size}", "frames-hash", _frame(size), bound, "ms", False
        )
    yield Target(
        "first picture in the browser, hash", "view-first-hash",
        lambda v: v["seconds"]["median"], 3, "s", False,
    )  # fmt: skip
    yield Target(
        "previews of a hash field, 256 x 256", "view-previews-hash",
        lambda v: v["per_second"]["median"], 15, "a second", True,
    )  # fmt: skip
    yield Target("peak memory, fox", "train-fox-hash-300s", _memory, 1.2, "GB", False, 2)
    yield Target("polyfield --help", "help", lambda v: v["seconds"]["median"], 1, "s", False, 2)
    for scene in ("lego_200", "fox"):
        first = f"first-step-{scene}"
        text = f"first step, {scene}"
        yield Target(f"{text}, warm", first, lambda v: v["warm"]["median"], 10, "s", False)
        yield Target(f"{text}, cold", first, lambda v: v["cold"], 40, "s", False)
    yield Target(
        "500,000 Gaussians of a PLY read", "splat-files-ply",
        lambda v: v["read"]["seconds"], 2, "s", False, 2,
    )  # fmt: skip
    yield Target(
        "polyfield convert, 500,000 Gaussians, .ply to .spz", "splat-files-convert-ply-spz",
        lambda v: v["convert"]["seconds"], 5, "s", False, 2,
    )  # fmt: skip
    yield Target(
        "page of 100,000 Gaussians of degree 3", PAGE, lambda v: v["bytes"] / 1e6, 4, "MB", False, 2
    )
    yield Target(
        "the same at 512 x 512 in software: frames a second", PAGE,
        lambda v: v["fps"], 10, "a second", True,
    )  # fmt: skip
    yield _psnr(PAGE, "the same at rest, against our renderer", 30)
    for size in ("267x200", "400x300"):
        for bound, aim in ((8, ""), (10, ": the aim")):
            yield Target(
                f"cup, {size}, degree 3: iterations against OpenSplat's{aim}",
                f"opensplat-cup-{size}-degree3", _against_opensplat, bound, "times", True,
            )  # fmt: skip
    for seconds, level in ((10, 28.5), (30, 30.0)):

        def after(values: Values, seconds: int = seconds) -> float | None:
            return psnr_at(values["looks"], seconds)

        text = f"cup, 267x200, first photo held out, {seconds} s, no densification"
        yield Target(text, "splats-cup-267x200-none-30s", after, level, "dB", True, 2)
    cup = "capture-cup-shared"
    yield Target(
        "prepare, cup: photos registered", cup,
        lambda v: 100 * v["registered"] / v["photos"], 90, "%", True,
    )  # fmt: skip
    yield Target(
        "prepare, cup: mean error of poses", cup,
        lambda v: 100 * v["pose_error"]["mean"], 1, "%", False, 2,
    )  # fmt: skip
    yield from geometry_targets()
    yield _psnr("train-lego_200-hash-600s", "lego_200, 10 minutes", 34)
    yield _psnr("train-lego_400-hash-600s", "lego_400, 10 minutes", 33)
    yield _psnr("train-fox-hash-300s", "fox, 5 minutes", 24)
    yield _psnr("train-fern-hash-300s", "fern, 5 minutes", 23)


def geometry_targets() -> Iterator[Target]:
    """Of exported meshes."""
    for cell, bound in (("geometry-procedural-sdf", 0.95), ("geometry-procedural-radiance", 0.9)):
        text = f"{cell.removeprefix('geometry-')}: F-score at 1% of the diagonal"
        yield Target(text, cell, _f_score, bound, "", True, 3)
    yield Target(
        "mesh of lego_200 at 256 cells, no texture", "geometry-lego_200-radiance",
        lambda v: _default(v)["seconds"], 15, "s", False,
    )  # fmt: skip
    yield Target(
        "mesh of lego_200 at 256 cells, with texture", "geometry-lego_200-radiance",
        lambda v: v["texture"]["seconds"], 60, "s", False,
    )  # fmt: skip
    yield Target(
        "its views below those of the field", "geometry-lego_200-radiance",
        lambda v: v["texture"]["worst"], 3, "dB", False, 2,
    )  # fmt: skip


def _f_score(values: Values) -> float:
    return float(_default(values)["f_score"])


def _default(values: Values) -> Values:
    """Of the method that is taken where none is named, which is measured first."""
    found: Values = next(iter(values["meshes"].values()))
    return found


def _psnr(cell: str, text: str, bound: float) -> Target:
    return Target(text, cell, lambda v: v["psnr"], bound, "dB", True, 2)


def _reached(level: float, bound: float) -> Target:
    text = f"lego_200, seconds to {level:g} dB"
    return Target(text, LEGO_MINUTE, lambda v: seconds_to(v["looks"], level), bound, "s", False)


def _modular(values: Values) -> float:
    times = values["times"]
    return float(times["modular"]["total"]["best"] / times["fused"]["total"]["best"])


def _against_torch(values: Values) -> float:
    times = values["times"]
    return float(times["torch"]["total"]["best"] / times["polyfield"]["total"]["best"])


def _against_opensplat(values: Values) -> float | None:
    if "polyfield" not in values:
        return None
    return float(values["polyfield"]["best"] / values["opensplat"]["best"])


def _frame(size: str) -> Callable[[Values], float]:
    return lambda values: float(values["frames"][size]["mean"])


def _memory(values: Values) -> float | None:
    peak = values["peak_memory"]
    return None if peak is None else peak / 1e9
