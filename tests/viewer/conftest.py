"""What the tests of the viewer share: some Gaussians in a file, and the scene that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyfield.splats import Splats
from polyfield.splats.formats import write_splats


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 colourful Gaussians, +y down, in a file."""
    draw = np.random.default_rng(3)
    n = 200
    means = draw.uniform(-1, 1, (n, 3)) * (1.0, 0.6, 0.4)
    quats = draw.normal(size=(n, 4))
    splats = Splats(
        means.astype(np.float32),
        quats.astype(np.float32),
        np.log(draw.uniform(0.05, 0.2, (n, 3))).astype(np.float32),
        np.full(n, 3.0, np.float32),
        draw.uniform(-1.5, 1.5, (n, 3)).astype(np.float32),
        np.zeros((n, 0, 3), np.float32),
    )
    file = tmp_path_factory.mktemp("my blobs") / "blobs.ply"
    write_splats(splats, file)
    return file


@pytest.fixture(scope="session")
def viewed(blobs: Path) -> Any:
    """That file as what a viewer shows."""
    from polyfield.commands.viewing import viewed_file

    return viewed_file(blobs, {"device": "cpu", "fov": 50.0, "up": ["auto"], "run": str(blobs)})


@pytest.fixture(scope="session")
def rays() -> Any:
    """A hash field that has learned nothing yet, which is a fog."""
    from polyfield.commands.schema import configuration
    from polyfield.datasets.procedural import procedural_scene
    from polyfield.training.assembly import build_task
    from polyfield.training.catalogue import task_kind
    from polyfield.viewer.viewed import of_task

    scene = procedural_scene(n_train=4, n_test=1, size=64)
    words = ("field.levels=2", "field.log2_entries=8", "field.max_resolution=16")
    config = task_kind({}).settle(configuration("data=procedural", *words), scene)
    task: Any = build_task(config, scene)
    return of_task(task)
