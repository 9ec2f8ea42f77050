"""Pictures of Gaussians are the same record as those of rays."""

from __future__ import annotations

import math

import pytest
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.cameras.poses import look_at
from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians
from polyfield.kernels.rasterize.records import Rasterized
from polyfield.renderers.splat import SplatRenderer, axis_cosines, exposed, inverse_pose, view_of

LOGIT = math.log(0.95 / 0.05)


def camera(
    model: Model = Model.PINHOLE, k1: float = 0.0, size: tuple[int, int] = (40, 30)
) -> Cameras:
    pose = look_at(
        torch.tensor([[0.5, -2.0, 4.0]]), torch.tensor([[0.0, 0.1, 0.0]]), torch.tensor([0, 1.0, 0])
    )
    return Cameras(
        pose,
        torch.tensor([[35.0, 33.0, 21.0, 14.0]]),
        torch.tensor([[k1]]),
        torch.tensor([int(model)]),
        torch.tensor([size]),
    )


def ball(centre: list[float], sigma: float = 0.3) -> SplatRenderer:
    field = Gaussians(degree=0)
    field.place(
        {
            "means": torch.tensor([centre]),
            "quats": torch.tensor([[1.0, 0, 0, 0]]),
            "log_scales": torch.full((1, 3), math.log(sigma)),
            "opacity_logits": torch.tensor([LOGIT]),
            "sh_dc": torch.tensor([[1.0, 0.2, -1.0]]),
            "sh_rest": torch.zeros(1, 0, 3),
        }
    )
    return SplatRenderer(field)


def test_a_gaussian_is_where_the_camera_projects_it() -> None:
    cameras, point = camera(), [0.4, 0.3, 0.2]
    render = ball(point, sigma=0.05).image(cameras, 0)
    pixel, _, valid = cameras.project(0, torch.tensor([point]))
    assert bool(valid.all())
    y, x = divmod(int(render.opacity.argmax()), 40)
    assert abs(x + 0.5 - float(pixel[0, 0])) < 1
    assert abs(y + 0.5 - float(pixel[0, 1])) < 1


def test_depth_is_along_the_ray() -> None:
    cameras, point = camera(), torch.tensor([0.6, 0.5, 0.3])
    render = ball(point.tolist()).image(cameras, 0)
    pixel, z_depth, _ = cameras.project(0, point[None])
    x, y = int(pixel[0, 0]), int(pixel[0, 1])
    rays = cameras.image_rays(0)
    assert rays.axis_cosine is not None
    along = z_depth[0] / rays.axis_cosine.view(30, 40)[y, x]
    assert float(render.depth[y, x]) == pytest.approx(float(along), rel=1e-5)
    assert float(along) > 1.01 * float(z_depth[0])
    assert not bool(render.depth[render.opacity == 0].any())


def test_the_median_is_that_of_the_gaussian_which_leaves_half() -> None:
    point = [0.1, 0.2, 0.0]
    render = ball(point).image(camera(), 0, modes=("median",))
    assert render.median_depth is not None
    hit = render.opacity > 0.5
    torch.testing.assert_close(render.median_depth[hit], render.depth[hit])
    assert not render.median_depth[~hit].any()
    assert ball(point).image(camera(), 0).median_depth is None


def test_cosines_are_those_of_the_rays() -> None:
    cameras = camera()
    view = view_of(cameras, 0, like=torch.zeros(1))
    rays = cameras.image_rays(0)
    assert rays.axis_cosine is not None
    assert torch.allclose(axis_cosines(view), rays.axis_cosine.view(30, 40), atol=1e-6)


def test_the_record_is_that_of_rays() -> None:
    render = ball([0.0, 0.0, 0.0]).image(camera(), 0, torch.ones(3), ("rgb", "normal"))
    assert render.rgb.shape == (30, 40, 3)
    assert render.opacity.shape == (30, 40)
    assert float(render.rgb.min()) >= 0
    assert float(render.rgb.max()) <= 1
    assert torch.equal(render.rgb[0, 0], torch.ones(3))
    assert float(render.opacity[0, 0]) == 0
    assert render.normals is not None
    lengths = render.normals.norm(dim=-1)
    assert torch.allclose(lengths, (render.opacity > 0.5).float(), atol=1e-5)
    assert render.extras["n_samples"] == 1
    with pytest.raises(InputError, match="modes"):
        ball([0.0, 0.0, 0.0]).image(camera(), 0, modes=("colour",))


def test_an_exposure_maps_colours() -> None:
    renderer = ball([0.0, 0.0, 0.0])
    plain = renderer.image(camera(), 0)
    halved = torch.cat([0.5 * torch.eye(3), torch.full((3, 1), 0.1)], dim=1)
    found = renderer.image(camera(), 0, appearance=halved.flatten()).rgb
    assert torch.allclose(found, 0.5 * plain.rgb + 0.1 * plain.opacity[..., None], atol=1e-6)
    swap = torch.eye(3)[[1, 0, 2]]
    rgb = torch.rand(3, 4, 5)
    mapped = exposed(Rasterized(rgb, torch.ones(4, 5)), torch.cat([swap, torch.zeros(3, 1)], dim=1))
    assert torch.allclose(mapped, rgb[[1, 0, 2]])


@pytest.mark.parametrize("color", [0.0, 0.3, 1.0])
def test_an_exposure_leaves_the_background_alone(color: float) -> None:
    renderer, behind = ball([0.0, 0.0, 0.0]), torch.tensor([color, 0.5, 1 - color])
    dark = torch.cat([0.2 * torch.eye(3), torch.full((3, 1), 0.3)], dim=1).flatten()
    same = torch.eye(3, 4).flatten()
    plain = renderer.image(camera(), 0, behind)
    assert torch.allclose(renderer.image(camera(), 0, behind, appearance=same).rgb, plain.rgb)
    found = renderer.image(camera(), 0, behind, appearance=dark)
    empty = plain.opacity == 0
    assert empty.any()
    assert torch.equal(found.rgb[empty], behind.expand(int(empty.sum()), 3))
    assert not torch.allclose(found.rgb[~empty], plain.rgb[~empty], atol=0.05)


def test_poses_invert() -> None:
    pose = camera().world_from_camera[0]
    assert torch.allclose(inverse_pose(inverse_pose(pose)), pose)


def test_a_lens_that_distorts_is_refused_by_name() -> None:
    renderer = ball([0.0, 0.0, 0.0])
    straight = renderer.image(camera(Model.OPENCV), 0)
    assert torch.equal(straight.rgb, renderer.image(camera(), 0).rgb)
    for cameras, name in (
        (camera(Model.OPENCV, 0.1), "OPENCV"),
        (camera(Model.FISHEYE), "FISHEYE"),
    ):
        with pytest.raises(InputError, match=f"{name}.*pinhole.*undistort"):
            renderer.image(cameras, 0)


def test_rays_are_refused() -> None:
    renderer, rays = ball([0.0, 0.0, 0.0]), camera().image_rays(0)
    with pytest.raises(InputError, match="whole pictures"):
        renderer(rays)
    with pytest.raises(InputError, match="whole pictures"):
        renderer.surface_normals(rays, torch.ones(len(rays)))


def test_only_degrees_that_count_are_drawn() -> None:
    field = Gaussians(degree=1)
    parts = {name: tensor.detach() for name, tensor in ball([0.0, 0.0, 0.0]).field.tensors.items()}
    field.place({**parts, "sh_rest": torch.ones(1, 3, 3)})
    renderer = SplatRenderer(field)
    before = renderer.image(camera(), 0).rgb
    assert torch.equal(before, ball([0.0, 0.0, 0.0]).image(camera(), 0).rgb)
    field.grow(0, 0.5)
    assert not torch.equal(renderer.image(camera(), 0).rgb, before)
