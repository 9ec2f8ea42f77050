"""Which cells there are, by suite and budget.

    quick     about 3 minutes on two idle cores: does it work, and roughly how fast is it
    default   about 2 hours: 30 minutes of trainings by the clock, and 150,000 steps of others
    full      about 6 hours: 2 hours by the clock, 500,000 steps; what RESULTS.md is to be read by

A larger budget repeats more and adds cells. Names say what differs between the cells of one suite,
so that those of all budgets fit into one folder.
"""

from __future__ import annotations

from typing import Any

from polyfield.benchmarks.capture_cells import capture
from polyfield.benchmarks.cells import Cell
from polyfield.benchmarks.efforts import EFFORTS, Effort
from polyfield.benchmarks.gaussians_cells import gaussians
from polyfield.benchmarks.geometry_cells import geometry
from polyfield.benchmarks.scenes import LEGO, SCENES
from polyfield.benchmarks.viewer_cells import viewer
from polyfield.benchmarks.web_cells import web
from polyfield.commands.choices import choices

SUITES = (
    *("kernels", "radiance", "startup", "factored", "gaussians", "capture", "viewer", "web"),
    "geometry",
)

# Other decoders of the same fields, whose render step is another kernel; the plain name is its own.
DECODERS = {
    "hash-mlp": ("field=hash", "decoder.color=mlp"),
    "dense-sh": ("field=dense", "field.channels=28", "decoder.color=sh"),
    "mlp-sh": ("field=mlp", "decoder.color=sh"),
}
NETWORKS = ("siren", "finer", "wire")  # in plain torch
RASTERIZED = ("gaussians",)  # which have no step of rays
FIRST = ("hash", "dense", "mlp")  # the fields of a quick look

# What is turned to see what fields owe to the axes: data, task, and the settings that turn it.
TURNED: dict[str, tuple[str, list[str], list[list[str]]]] = {
    "lego_200": (LEGO, [], [[f"dataset.rotate={seed}"] for seed in (1, 2, 3)]),
    "kodim07": (
        "images/kodak/kodim07.png",
        ["task=image", "task.holdout=0.2"],
        [[f"task.rotation={degrees}"] for degrees in (0, 17, 30, 52)],
    ),
    "bunny": (
        "meshes/stanford-bunny.obj",
        ["task=sdf"],
        [[f"task.rotation_seed={seed}"] for seed in (1, 2, 3)],
    ),
}
TURNED_STEPS = {"default": 1500, "full": 5000}
VM, KPLANES = ("field=vm", "field.density=0"), ("field=kplanes", "field.resolution=[64,128]")
# Settings, the key of how many features, and how many.
AXIS_ALIGNED: dict[str, dict[str, tuple[tuple[str, ...], str, int]]] = {
    "lego_200": {"vm": (VM, "field.color", 96), "kplanes": (KPLANES, "field.channels", 64)},
    "kodim07": {"vm": ((*VM, "field.resolution=[128,512]"), "field.color", 32)},
    "bunny": {
        "vm": ((*VM, "field.resolution=[32,128]"), "field.color", 96),
        "kplanes": (KPLANES, "field.channels", 64),
    },
}
TILTED = "field.transforms=4"
# Settings, how many times the features, and how many times the steps: the field itself has as many
# in every variant, those that find rotations come before.
VARIANTS: dict[str, tuple[tuple[str, ...], int, float]] = {
    "axis-aligned": ((), 1, 1),
    "tilted-one-phase": ((TILTED,), 1, 1),
    "tilted-two-phase": ((TILTED, "trainer.bottleneck=0.333333"), 1, 1.5),
    "double": ((), 2, 1),
}

# Signals that are learned axis by axis: data, and settings of the task.
BY_AXES: dict[str, tuple[str | None, list[str]]] = {
    "kodim23": ("images/kodak/kodim23.png", ["task=image"]),
    "volume": (None, ["task=volume"]),
    "bunny_180p": ("video/bunny_180p", ["task=video"]),
}
AXES_SECONDS = {"quick": 3.0, "default": 60.0, "full": 300.0}
CONTENDERS = {
    "network": ["field=siren"],
    "cp": ["field=finr"],
    "tt": ["field=finr", "field.reduction=tt", "field.rank=32"],
    "tucker": ["field=finr", "field.reduction=tucker"],
}
# Fields of three sizes, to see what each needs for one quality; names begin with the field's. Each
# is made smaller or larger in its own way: by features, by cells, by entries of its tables.
SIZES: dict[str, list[str]] = {
    "strivec-small": ["field=strivec", "field.density=12", "field.color=24"],
    "strivec-medium": ["field=strivec", "field.density=18", "field.color=36"],
    "strivec-large": ["field=strivec"],
    "vm-small": ["field=vm", "field.resolution=[96]"],
    "vm-medium": ["field=vm"],
    "vm-large": ["field=vm", "field.resolution=[176]"],
    "hash-small": ["field=hash", "field.log2_entries=14"],
    "hash-medium": ["field=hash", "field.log2_entries=16"],
    "hash-large": ["field=hash", "field.log2_entries=17"],
}
TENSORF_STEPS = {"steps": 2000, "look_every": 100}
# Seconds of training after which a run is scored.
LOOKS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 90, 120, 150, 180),
    *(240, 300, 400, 500, 600),
)
FEW = (30, 60, 120, 240)  # for scenes whose views take seconds to render


def cells(suite: str, budget: str) -> list[Cell]:
    """The cells of a suite, or of all.

    Args:
        suite: one of `SUITES`, or "all".
        budget: one of `BUDGETS`.
    """
    made = {
        "kernels": kernels,
        "radiance": radiance,
        "startup": startup,
        "factored": factored,
        "gaussians": gaussians,
        "capture": capture,
        "viewer": viewer,
        "web": web,
        "geometry": geometry,
    }
    names = SUITES if suite == "all" else (suite,)
    return [cell for name in names for cell in made[name](budget)]


def kernels(budget: str) -> list[Cell]:
    """The suite of single operations and of what they come to together."""
    effort = EFFORTS[budget]
    hash_grid = {
        "points": 262144,
        "levels": 16,
        "features": 2,
        "log2_entries": 19,
        "max_resolution": 2048,
        "repetitions": effort.repetitions,
    }
    # An operation takes milliseconds; more turns cost nothing and find a quiet moment.
    operations = {
        "rays": 8192,
        "parameters": 1 << 23,
        "repetitions": 4 * effort.repetitions,
    }
    frames = {
        "words": ["field=hash"],
        "seconds": 2 * effort.seconds,
        "sizes": [200, 800],
        "views": 8,
        "repetitions": effort.repetitions,
    }
    names = [name for name in field_names(budget) if name not in RASTERIZED]
    steps = {name: [f"field={name}"] for name in names}
    if budget != "quick":
        steps.update({name: list(words) for name, words in DECODERS.items()})
    return [
        Cell("kernels", "hash-grid", "hash_grid", hash_grid),
        Cell("kernels", "operations", "operations", operations),
        *(step(name, words, effort) for name, words in sorted(steps.items())),
        Cell("kernels", "frames-hash", "frames", frames, data=LEGO),
    ]


def field_names(budget: str) -> list[str]:
    """The fields that a budget looks at: all that are compiled, but for a quick look."""
    known = [name for name in choices("field") if name not in ("custom", *NETWORKS)]
    return [name for name in known if budget != "quick" or name in FIRST]


def step(name: str, words: list[str], effort: Effort) -> Cell:
    """The render step of a field and decoder on lego_200."""
    settings = {
        "words": words,
        "seconds": effort.seconds,
        "repetitions": 2 * effort.repetitions,
    }
    return Cell("kernels", f"step-{name}", "render_step", settings, data=LEGO)


def radiance(budget: str) -> list[Cell]:
    """The suite of trainings."""
    if budget == "quick":
        return [training("lego_200", "hash", 10)]
    made = [training("lego_200", name, 60) for name in field_names(budget)]
    made.sort(key=lambda cell: "hash" not in cell.name)
    if budget == "full":
        made.append(training("lego_200", "hash", 600))
        made.append(training("lego_400", "hash", 600))
        made += [training(scene, "hash", 300) for scene in ("fox", "fern", "cup")]
        made.append(tensorf())
    return made


def training(scene: str, field: str, seconds: float) -> Cell:
    """One training, of a field with its own defaults."""
    settings: dict[str, Any] = {
        "words": [f"field={field}"],
        "seconds": seconds,
        "looks": [at for at in (LOOKS if scene == "lego_200" else FEW) if at < seconds],
    }
    name = f"train-{scene}-{field}-{seconds:g}s"
    return Cell("radiance", name, "training", settings, data=SCENES[scene])


def vm_by_tensorf() -> Cell:
    """Our VM by the schedule of TensoRF's code, at the steps and sizes of that cell."""
    settings = {"words": ["experiment=tensorf_vm_cpu"], **TENSORF_STEPS}
    return Cell("factored", "equal-steps-lego_200-vm", "by_schedule", settings, data=LEGO)


def tensorf() -> Cell:
    """TensoRF's public code on lego_200, 64^3 to 128^3, 1024 rays, 2000 steps."""
    settings = dict(TENSORF_STEPS)
    return Cell("radiance", "peer-tensorf-lego_200", "tensorf", settings, LEGO, "TensoRF")


def factored(budget: str) -> list[Cell]:
    """The suite of factored grids: askew, along the axes, what quality costs; TensoRF's VM."""
    made = [vm_by_tensorf()] if budget == "full" else []
    made += by_axes(budget)
    if budget == "quick":
        return made
    made += sizes(TURNED_STEPS[budget])
    for name, (data, task, turns) in TURNED.items():
        straight: list[list[str]] = (
            [[]] if "task=image" not in task else []
        )  # a picture is cut to a disc either way
        for field, (words, key, features) in AXIS_ALIGNED[name].items():
            decoder = [] if task else ["decoder=radiance"]
            for variant, (more, times, longer) in VARIANTS.items():
                size = f"{key}={times * features}"
                settings = {
                    "words": [*task, *words, *decoder, size, *more],
                    "turns": [*straight, *turns],
                    "steps": round(longer * TURNED_STEPS[budget]),
                }
                cell = f"rotation-{name}-{field}-{variant}"
                made.append(Cell("factored", cell, "rotation", settings, data=data))
    return made


def by_axes(budget: str) -> list[Cell]:
    """A signal by networks along its axes, and by one network."""
    seconds = AXES_SECONDS[budget]
    settings = {
        "contenders": CONTENDERS,
        "seconds": seconds,
        "looks": [at for at in (0.5, *LOOKS) if at < seconds],
    }
    return [
        Cell("factored", f"axes-{name}", "axes", {**settings, "words": task}, data=data)
        for name, (data, task) in BY_AXES.items()
        if budget != "quick" or name == "kodim23"
    ]


def sizes(steps: int) -> list[Cell]:
    """Trainings of fields of several sizes in equal steps."""
    return [
        Cell(
            "factored",
            f"size-lego_200-{name}",
            "equal_steps",
            {"words": words, "steps": steps},
            LEGO,
        )
        for name, words in SIZES.items()
    ]


def startup(budget: str) -> list[Cell]:
    """The suite of waiting: for help, and for the first step."""
    n = {"quick": 1, "default": 3, "full": 5}[budget]
    made = [
        Cell("startup", "help", "startup", {"what": "help", "repetitions": 2 * n + 1}),
        first_step("lego_200", n),
    ]
    return [*made, first_step("fox", n)] if budget == "full" else made


def first_step(scene: str, repetitions: int) -> Cell:
    """From `polyfield train` to its first step, cold and warm."""
    settings = {"what": "first step", "repetitions": repetitions}
    return Cell("startup", f"first-step-{scene}", "startup", settings, data=SCENES[scene])
