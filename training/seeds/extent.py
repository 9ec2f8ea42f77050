"""How large a scene is, as learning rates and densification measure it."""

from __future__ import annotations

import torch

from polyfield.datasets.scene import Scene

MARGIN = 1.1


def scene_extent(scene: Scene) -> float:
    """1.1 times the distance of the farthest training camera from their mean, world units.

    Where the cameras stand in one place that says nothing: then half the diagonal of the scene's
    box. Source: Kerbl et al. 2023.
    """
    positions = scene.cameras.positions[scene.splits["train"]].double()
    farthest = torch.linalg.vector_norm(positions - positions.mean(dim=0), dim=1)
    extent = MARGIN * float(farthest.max()) if len(positions) else 0.0
    box = 0.5 * float(torch.linalg.vector_norm((scene.bounds[1] - scene.bounds[0]).double()))
    return extent if extent > 1e-6 * box else box
