"""Iterations a second of OpenSplat (pierotofy/OpenSplat) on a CPU, beside ours of the same size.

Nothing of it is copied here: its program is run, and the times at which it prints its steps are
taken. A clone is built against the libtorch of the torch that is installed here, with
Debian's libopencv-dev, nlohmann-json3-dev, libnanoflann-dev and libcxxopts-dev, by

    cmake -B build -DCMAKE_BUILD_TYPE=Release -DGPU_RUNTIME=CPU \\
      -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=ALWAYS \\
      -DCMAKE_PREFIX_PATH="$(python -c 'import torch; print(torch.utils.cmake_prefix_path)')"
    make -C build -j2 opensplat

Both train on the same photos and the same points, one photo a step, with as many harmonics from the
start and no Gaussian added or removed; its photos are all of them, ours all but those held out.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import NotRun
from polyfield.commands.choices import choices

PROGRAM = "build/opensplat"
WARM_UP = 5  # steps that do not count: threads start, and its degree rises by one a step
NEVER = "1000000"  # steps
STEP = re.compile(r"Step (\d+): ")


def measure(
    data: str, peer: str, downscale: int, degree: int, steps: int, repetitions: int
) -> dict[str, Any]:
    """Train with both in turn.

    Args:
        data: a COLMAP scene.
        peer: the clone, built.
        downscale: by which the photos are made smaller.
        degree: of the spherical harmonics that count.
        steps: that are timed.
        repetitions: of each; the best counts.

    Returns:
        "resolution" of the photos, by "opensplat" and "polyfield" the "best" and "median" of
        iterations a second, and in "not_run" why ours is missing.
    """
    program = Path(peer) / PROGRAM
    if not program.is_file():
        raise NotRun(f"not built: {PROGRAM}")
    rates: dict[str, list[float]] = {"opensplat": [], "polyfield": []}
    not_run: dict[str, str] = {}
    resolution: list[int] = []
    for _ in range(repetitions):
        rate, resolution = their_rate(program, data, downscale, degree, steps)
        rates["opensplat"].append(rate)
        try:
            rates["polyfield"].append(our_rate(data, downscale, degree, steps))
        except NotRun as reason:
            not_run["polyfield"] = str(reason)
    summary = {
        name: {"best": max(found), "median": statistics.median(found)}
        for name, found in rates.items()
        if found
    }
    return {**summary, "resolution": resolution, "steps": steps, "not_run": not_run}


def their_rate(
    program: Path, data: str, downscale: int, degree: int, steps: int
) -> tuple[float, list[int]]:
    """Iterations a second of OpenSplat, and width and height of its first photo.

    Args:
        program: that was built.

    Raises:
        NotRun: when it ends before its last step.
    """
    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        command = [str(program), data, "--cpu", f"--output={folder}/splat.ply"]
        command += [f"--num-iters={WARM_UP + steps}", f"--downscale-factor={downscale}"]
        command += ["--num-downscales=0", f"--refine-every={NEVER}", f"--warmup-length={NEVER}"]
        # Its help asks for a degree above 0, but it trains with 0 as well.
        command += [f"--sh-degree={degree}", "--sh-degree-interval=1"]
        at: dict[int, float] = {}
        last = ""
        with subprocess.Popen(
            command,
            env={key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if step := STEP.match(line):
                    at[int(step[1])] = time.perf_counter()
                last = line.strip() or last
        if child.returncode != 0 or WARM_UP + steps not in at:
            raise NotRun(f"it ended with status {child.returncode} after: {last}")
        camera = json.loads(Path(folder, "cameras.json").read_text(encoding="utf-8"))[0]
    rate = steps / (at[WARM_UP + steps] - at[WARM_UP])
    return rate, [camera["width"], camera["height"]]


def our_rate(data: str, downscale: int, degree: int, steps: int) -> float:
    """Iterations a second of `polyfield train field=gaussians`.

    Raises:
        NotRun: without that field.
    """
    if "gaussians" not in choices("field"):
        raise NotRun("no field=gaussians")
    from polyfield.commands.schema import configuration
    from polyfield.datasets.load import load_scene
    from polyfield.training.assembly import build_trainer
    from polyfield.training.preparation import prepared_task
    from polyfield.training.trainer import Trainer

    config = configuration(
        f"data={data}",
        f"dataset.downscale={downscale}",
        "field=gaussians",
        f"field.degree={degree}",
        "field.degree_every=0",
        "densify=none",
        "task.init=points",
        f"trainer.max_steps={WARM_UP + steps}",
        "trainer.log_every=0",
    )
    scene = load_scene(**config["dataset"])
    task, settled, _ = prepared_task(config, scene)
    at: dict[int, float] = {}

    def look(trainer: Trainer) -> None:
        at[trainer.step] = trainer.elapsed

    with tempfile.TemporaryDirectory(prefix="polyfield-bench-") as folder:
        outcome = build_trainer(settled, task, Path(folder), on_step=[look]).train()
    if outcome.interrupted:
        raise KeyboardInterrupt
    return steps / (at[WARM_UP + steps] - at[WARM_UP])
