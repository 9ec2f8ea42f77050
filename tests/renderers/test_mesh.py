"""Pictures of triangles: a ball and a wall that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from polyfield.cameras import Cameras
from polyfield.errors import InputError
from polyfield.renderers.mesh import GREY, MeshRenderer, sampled

WHITE = torch.ones(3)


def camera(size: int = 40, distance: float = 3.0) -> Cameras:
    """One that looks along +z at the origin."""
    pose = torch.eye(3, 4, dtype=torch.float64)[None].clone()
    pose[0, 2, 3] = -distance
    lens = torch.tensor([[1.5 * size, 1.5 * size, size / 2, size / 2]])
    return Cameras(pose, lens, torch.zeros(1, 0), torch.zeros(1), torch.tensor([[size, size]]))


def test_a_ball_has_the_depth_normals_and_colours_of_one() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    vertices = ball.vertices.astype(np.float32)
    renderer = MeshRenderer(vertices, ball.faces, colors=(vertices + 1) / 2, normals=vertices)
    cameras = camera()

    render = renderer.image(cameras, 0, WHITE, ("rgb", "depth", "normal"))

    rays = cameras.image_rays(0)
    o, d = rays.origins, rays.directions
    nearest = -(o * d).sum(dim=1)
    square = 1 - (o + nearest[:, None] * d).square().sum(dim=1)
    inside, outside = (square > 0.2).view(40, 40), (square < -0.2).view(40, 40)
    depth = (nearest - square.clamp(min=0).sqrt()).view(40, 40)
    points = (o + depth.view(-1, 1) * d).view(40, 40, 3)
    assert render.normals is not None
    torch.testing.assert_close(render.depth[inside], depth[inside], atol=5e-3, rtol=0)
    torch.testing.assert_close(render.normals[inside], points[inside], atol=2e-2, rtol=0)
    torch.testing.assert_close(render.rgb[inside], (points[inside] + 1) / 2, atol=1e-2, rtol=0)
    assert (render.opacity[inside] == 1).all()
    assert (render.opacity[outside] == 0).all()
    assert (render.rgb[outside] == 1).all()
    assert (render.depth[outside] == 0).all()
    assert float(render.opacity[~inside & ~outside].std()) > 0.1


def test_a_texture_stands_upright() -> None:
    # Seen along +z with +y down: the wall's upper left corner is at (-1, -1).
    vertices = np.array([[-1, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    texture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    cameras = camera(size=4, distance=3.0)  # a texel a pixel

    render = MeshRenderer(vertices, faces, uvs=uvs, texture=texture, samples=1).image(cameras, 0)

    np.testing.assert_allclose(render.rgb.numpy(), texture / 255, atol=1e-5)


def test_samples_of_a_pixel_are_averaged_with_what_is_behind() -> None:
    half = np.array([[0, -9, 0], [9, -9, 0], [9, 9, 0], [0, 9, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])

    render = MeshRenderer(half, faces, samples=4).image(camera(size=5), 0, WHITE)

    torch.testing.assert_close(render.opacity[0], torch.tensor([0, 0, 0.5, 1, 1]))
    torch.testing.assert_close(render.rgb[0, :, 0], 1 - (1 - GREY) * render.opacity[0])
    assert float(render.depth[0, 2]) == pytest.approx(float(render.depth[0, 3]), rel=0.1)


def test_filtering_is_that_of_the_grid_and_stops_at_the_border() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    rows, columns = np.meshgrid(np.arange(3), np.arange(4), indexing="ij")
    uvs = np.stack([(columns + 0.5) / 4, 1 - (rows + 0.5) / 3], axis=-1).reshape(-1, 2)

    np.testing.assert_allclose(sampled(texture, uvs), texture.reshape(-1, 3) / 255, atol=1e-6)
    between = sampled(texture, (uvs[0] + uvs[1])[None] / 2)
    np.testing.assert_allclose(between[0], texture[0, :2].mean(axis=0) / 255, atol=1e-6)
    np.testing.assert_allclose(sampled(texture, np.array([[0.0, 1.0]]))[0], texture[0, 0] / 255)
    one = np.full((1, 1, 3), 51, np.uint8)
    np.testing.assert_allclose(sampled(one, np.random.rand(5, 2)), 0.2, atol=1e-6)


def test_what_is_behind_the_camera_and_wrong_settings() -> None:
    vertices = np.array([[-1, -1, -9], [1, -1, -9], [0, 1, -9]], np.float32)
    render = MeshRenderer(vertices, np.array([[0, 1, 2]])).image(camera(), 0, WHITE)
    assert (render.rgb == 1).all()
    with pytest.raises(InputError, match="samples"):
        MeshRenderer(vertices, np.array([[0, 1, 2]]), samples=0)
    with pytest.raises(InputError, match="modes"):
        MeshRenderer(vertices, np.array([[0, 1, 2]])).image(camera(), 0, modes=("x",))
