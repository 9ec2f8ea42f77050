"""The surface of the built-in scene, textured, as a file: it looks as the scene does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from skimage.measure import marching_cubes
from torch import Tensor

from polyfield.cameras import Cameras
from polyfield.datasets.procedural import procedural_scene, procedural_truth
from polyfield.datasets.scene import Scene
from polyfield.export.meshes import Mesh
from polyfield.export.meshes.glb import write as write_mesh_glb
from polyfield.export.meshes.texture import textured
from polyfield.renderers.mesh import MeshRenderer
from polyfield.renderers.render import Render

CELLS = 80


class Remembered(torch.nn.Module):
    """Knows the photos themselves, and nothing from anywhere else."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def image(self, cameras: Cameras, i: int, *_: Any, appearance: Tensor | None = None) -> Render:
        photo = torch.from_numpy(self.scene.images[i].astype(np.float32) / 255)
        opacity = photo[..., 3]
        return Render(photo[..., :3] * opacity[..., None], opacity, torch.zeros_like(opacity))


def surface_of(scene: Scene) -> Mesh:
    """By marching cubes over exact distances."""
    axis = torch.linspace(-1, 1, CELLS + 1)
    places = torch.cartesian_prod(axis, axis, axis)
    distances = procedural_truth(scene).signed_distance(places).view((CELLS + 1,) * 3)
    spacing = (2 / CELLS,) * 3
    vertices, faces, _, _ = marching_cubes(distances.numpy(), 0.0, spacing=spacing)
    return Mesh((vertices - 1).astype(np.float32), faces.astype(np.int32))


def test_a_textured_file_looks_like_the_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xatlas")
    scene = procedural_scene(n_train=30, n_test=4, size=100)
    remembered = Remembered(scene)
    task: Any = SimpleNamespace(renderer=remembered, scene=scene, module=remembered, code=None)
    monkeypatch.setattr("polyfield.export.meshes.bake.SHARPER", 1.0)  # photos are what they are
    mesh = surface_of(scene)
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume > 0
    out = tmp_path / "scene.glb"

    write_mesh_glb(textured(mesh, task), out, np.array([0, 0, 1]))

    read = trimesh.load(out, process=False, force="mesh")
    x, y, z = np.asarray(read.vertices).T
    renderer = MeshRenderer(
        np.stack([x, -z, y], axis=1),
        np.asarray(read.faces),
        uvs=np.asarray(read.visual.uv),
        texture=np.array(read.visual.material.baseColorTexture)[..., :3],
    )
    for i in scene.splits["test"].tolist():
        photo = scene.images[i].astype(np.float32) / 255
        alpha = photo[..., 3:]
        shown = renderer.image(scene.cameras, i, torch.ones(3)).rgb.numpy()
        error = shown - (photo[..., :3] * alpha + 1 - alpha)
        assert -10 * np.log10((error**2).mean()) > 25
