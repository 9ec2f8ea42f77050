"""Cells of Gaussians: trainings, files, pictures, compression, and beside OpenSplat."""

from __future__ import annotations

from typing import Any

from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.efforts import BUDGETS, EFFORTS
from polyfield.benchmarks.scenes import LEGO, SCENES

# Photos of the cup, by the factor that makes them so small; and all of them once.
CUP_SIZES = {"267x200": 3, "400x300": 2}
CUP_PHOTOS = 77

SPLAT_FILES = (".ply", ".compressed.ply", ".splat", ".spz", ".glb", ".sog")

# Trainings of Gaussians: scene, seconds, settings. The first hold out the first photo alone.
THUMB = ["dataset.downscale=3", "dataset.split=every:77"]
AS_MANY = "densify.most=40000"
SPLATS: dict[str, tuple[str, float, list[str]]] = {
    "cup-267x200-none": ("cup", 30, [*THUMB, "densify=none"]),
    "cup-267x200-classic": ("cup", 30, [*THUMB, "densify=classic"]),
    "cup-267x200-mcmc": ("cup", 30, [*THUMB, "densify=mcmc"]),
    "cup-400x300-mcmc": ("cup", 120, ["dataset.downscale=2", "densify=mcmc", AS_MANY]),
    "cup-400x300-classic": ("cup", 120, ["dataset.downscale=2", "densify=classic", AS_MANY]),
    "fox-mcmc": ("fox", 120, ["densify=mcmc", AS_MANY]),
    "fox-classic": ("fox", 120, ["densify=classic", AS_MANY]),
}

# Scenes of Gaussians that are written in every way: data, settings, seconds of training by budget.
COMPRESSED: dict[str, tuple[str | None, list[str], dict[str, float]]] = {
    "procedural": (None, ["task.init_count=10000", "densify.most=20000"], {"default": 60}),
    "lego_200": (LEGO, ["densify.most=40000"], {"full": 300}),
}
# Our own compression; stage after stage; it without one of its parts; and with networks alone.
NETWORKS_ALONE: dict[str, Any] = {"residuals": 0.0, "width": 32}
COMPRESSIONS: dict[str, dict[str, Any]] = {
    ".ngs": {},
    ".ngs, finest": {"residuals": 0.05},
    ".ngs, coarse": {"residuals": 0.2, "residual_degree": 1},
    ".ngs, frequency loss": {"frequency": 0.1},
    ".ngs, not trained on after pruning": {"recover_steps": 0},
    ".ngs, not pruned": {"prune": 0.0},
    ".ngs, not tuned": {"finetune_steps": 0},
    ".ngs, no importance weights": {"weighted": False},
    ".ngs, networks alone": NETWORKS_ALONE,
    ".ngs, networks alone, not tuned": {**NETWORKS_ALONE, "finetune_steps": 0},
    ".ngs, networks alone, no importance weights": {**NETWORKS_ALONE, "weighted": False},
    ".ngs, networks alone, neither": {
        **NETWORKS_ALONE, "finetune_steps": 0, "weighted": False,
    },
    ".ngs, networks alone, wide and long": {
        **NETWORKS_ALONE, "width": 64, "steps": 5000, "finetune_steps": 1000,
    },
    ".ngs, networks alone, one network": {**NETWORKS_ALONE, "clusters": 1, "width": 96},
}  # fmt: skip


def gaussians(budget: str) -> list[Cell]:
    """The suite of Gaussians: files, a frame, trainings, iterations beside OpenSplat's."""
    made = [*splat_files(budget), splat_frame(budget), *splat_compression(budget)]
    if budget != "quick":
        made += [splats(name) for name, (_, seconds, _) in SPLATS.items() if seconds < 60]
    if budget == "full":
        made += [splats(name) for name, (_, seconds, _) in SPLATS.items() if seconds >= 60]
        made += [beside_opensplat(size, degree) for size in CUP_SIZES for degree in (0, 3)]
    return made


def splats(name: str) -> Cell:
    """One training of Gaussians."""
    scene, seconds, words = SPLATS[name]
    settings: dict[str, Any] = {
        "words": ["field=gaussians", *words],
        "seconds": seconds,
        "looks": [at for at in (5, 10, 20, 30, 60) if at < seconds],
    }
    return Cell("gaussians", f"splats-{name}-{seconds:g}s", "training", settings, SCENES[scene])


def splat_frame(budget: str) -> Cell:
    """A picture of many Gaussians."""
    settings = {"gaussians": 500_000, "size": 800, "repetitions": EFFORTS[budget].repetitions}
    return Cell("gaussians", "splat-frame", "splat_frame", settings)


def splat_files(budget: str) -> list[Cell]:
    """Reading, writing and converting files of Gaussians."""
    settings = {"gaussians": 500_000, "degree": 3, "repetitions": EFFORTS[budget].repetitions}
    suffixes = [".ply", ".spz"] if budget == "quick" else SPLAT_FILES
    made = {f"splat-files-{suffix[1:]}": {"suffix": suffix} for suffix in suffixes}
    made["splat-files-convert-ply-spz"] = {"suffix": ".ply", "into": ".spz"}
    return [
        Cell("gaussians", name, "splat_files", {**which, **settings})
        for name, which in made.items()
    ]


def beside_opensplat(size: str, degree: int) -> Cell:
    """One photo of the cup a step, by both."""
    settings = {
        "downscale": CUP_SIZES[size],
        "degree": degree,
        "steps": CUP_PHOTOS,
        "repetitions": 3,
    }
    name = f"opensplat-cup-{size}-degree{degree}"
    return Cell("gaussians", name, "opensplat", settings, SCENES["cup"], "OpenSplat")


def splat_compression(budget: str) -> list[Cell]:
    """Gaussians in small files: bytes and held-out PSNR."""
    made = []
    for name, (data, words, seconds) in COMPRESSED.items():
        known = [seconds[b] for b in BUDGETS[: BUDGETS.index(budget) + 1] if b in seconds]
        if not known:
            continue
        settings: dict[str, Any] = {
            "words": ["field=gaussians", *words],
            "seconds": known[-1],
            "variants": COMPRESSIONS,
        }
        cell = f"splat-compression-{name}"
        made.append(Cell("gaussians", cell, "splat_compression", settings, data=data))
    return made
