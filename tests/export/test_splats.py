"""Gaussians of a task as a file: which task, which light, what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import polyfield
from polyfield.cameras.similarity import random_rotation
from polyfield.datasets.procedural import procedural_scene
from polyfield.errors import InputError
from polyfield.export.splats import export_splats, exposed, splats_of, up_of
from polyfield.kernels.rasterize.records import Rasterized
from polyfield.renderers.splat import exposed as exposed_picture
from polyfield.splats import Splats
from polyfield.splats.formats import read_splats


@pytest.fixture(scope="module")
def scene() -> polyfield.Scene:
    """Photos whose frame is turned, moved and twice as large as the world."""
    made = procedural_scene(n_train=4, n_test=1, size=16)
    made.source_from_world = torch.eye(4, dtype=torch.float64)
    made.source_from_world[:3, :3] = 2 * random_rotation(3)
    made.source_from_world[:3, 3] = torch.tensor([1.0, -4, 9])
    return made


def task_of(scene: polyfield.Scene, *words: str) -> polyfield.training.splatting.SplattingTask:
    """A task of 200 opaque Gaussians in the middle, each of a colour of its own."""
    config = polyfield.configuration(
        "data=procedural", "field=gaussians", "densify=none", "task.init_count=9", *words
    )
    task = polyfield.build_task(config, scene)
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator}
    task.field.place(
        {
            "means": 0.3 * torch.randn(200, 3, **draw),
            "quats": torch.randn(200, 4, **draw),
            "log_scales": -2 + 0.3 * torch.randn(200, 3, **draw),
            "opacity_logits": torch.full((200,), 9.0),
            "sh_dc": 0.3 * torch.randn(200, 3, **draw),
            "sh_rest": 0.05 * torch.randn(200, 3, 3, **draw),
        }
    )
    return task


def test_up_is_where_the_world_has_it(scene: polyfield.Scene) -> None:
    task = task_of(scene)
    source, world = splats_of(task), splats_of(task, "world")
    highest = world.means[:, 2].argmax()
    assert (source.means @ up_of(task)).argmax() == highest
    assert up_of(task, "world").tolist() == [0, 0, 1]
    np.testing.assert_allclose(np.linalg.norm(up_of(task)), 1)
    np.testing.assert_allclose(
        source.means.std(axis=0).sum() ** 2, 4 * world.means.std(axis=0).sum() ** 2, rtol=0.2
    )


def test_the_light_of_the_pictures_is_in_the_file(scene: polyfield.Scene) -> None:
    task = task_of(scene, "task.exposure=true", "field.degree_every=0")
    mix = torch.tensor([[0.8, 0.1, 0, 0.03], [0, 0.9, 0, -0.02], [0.1, 0, 0.7, 0.05]])
    with torch.no_grad():
        task.codes.maps[scene.splits["train"]] = mix
    plain = task_of(scene, "field.degree_every=0")
    lit = task_of(scene, "field.degree_every=0")
    written = splats_of(task, "world")
    lit.field.place({name: torch.from_numpy(getattr(written, name)) for name in lit.field.tensors})
    behind = torch.tensor([0.2, 0.9, 0.5])
    its = lit.renderer.image(scene.cameras, 0, behind)
    ours = task.renderer.image(scene.cameras, 0, behind, appearance=task.code)
    unlit = plain.renderer.image(scene.cameras, 0, behind)
    assert (its.opacity > 0.99).sum() > 20
    assert (its.opacity < 0.9).sum() > 20
    assert (ours.rgb - its.rgb).abs().max() < 0.01
    assert (ours.rgb - unlit.rgb).abs().max() > 0.05


def test_light_on_one_color() -> None:
    one = np.ones
    splats = Splats(one((1, 3)), one((1, 4)), one((1, 3)), one(1), one((1, 3)), one((1, 3, 3)))
    mix = np.array([[0.5, 0.1, 0, 0.1], [0, 2, 0, 0], [0, 0, 1, -0.1]], np.float32)
    found = exposed(splats, mix)
    color = torch.tensor(0.5 + 0.28209479177387814 * splats.sh_dc[0]).reshape(3, 1, 1)
    opaque = Rasterized(color.float(), torch.ones(1, 1))
    expected = exposed_picture(opaque, torch.from_numpy(mix)).flatten()
    np.testing.assert_allclose(0.5 + 0.28209479177387814 * found.sh_dc[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found.sh_rest[0, 0], [0.6, 2, 1], rtol=1e-6)


def test_what_is_of_no_use_is_counted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0).normal
    means, logits = draw(size=(20, 3)), np.ones(20)
    means[0, 0], logits[5:9] = np.inf, -7
    shapes = ((20, 4), (20, 3))
    parts = [means, *(draw(size=shape) for shape in shapes), logits, draw(size=(20, 3))]
    splats = Splats(*parts, sh_rest=draw(size=(20, 15, 3)))
    out = tmp_path / "a.ply"
    kept, dropped = export_splats(splats, out, degree=2)
    assert dropped == {"not finite": 1, "nearly transparent": 4}
    assert len(kept) == len(read_splats(out)) == 15
    assert read_splats(out).degree == 2
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"a\.ply: is there already"):
        export_splats(splats, out)
    assert out.read_bytes() == before
    export_splats(splats, out, keep_transparent=True, overwrite=True)
    assert len(read_splats(out)) == 19
    none = Splats(*(np.zeros(s) for s in ((0, 3), (0, 4), (0, 3), 0, (0, 3), (0, 0, 3))))
    with pytest.raises(InputError, match="no Gaussian is left"):
        export_splats(none, tmp_path / "b.ply")
    assert [path.name for path in tmp_path.iterdir()] == ["a.ply"]


def test_a_run_of_something_else_is_named(scene: polyfield.Scene) -> None:
    task = polyfield.build_task(polyfield.configuration("data=procedural"), scene)
    with pytest.raises(InputError, match="runs/a: no Gaussians to write as splats, found HashGrid"):
        splats_of(task, run=Path("runs/a"))
    with pytest.raises(InputError, match=r"field=gaussians task\.init_from=runs/a"):
        splats_of(task, run=Path("runs/a"))
    with pytest.raises(InputError, match="frame: found file, expected source or world"):
        splats_of(task_of(scene), "file")
