"""Losses: where they vanish, how they grow, and that their gradients point home."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from polyfield.kernels.rasterize.records import PinholeView
from polyfield.training import losses


def rays(r: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, r, 3, generator=generator, dtype=torch.float64)
    return a.requires_grad_(), b


def test_colour_losses_vanish_at_the_truth() -> None:
    rgb, _ = rays()
    assert losses.mse(rgb, rgb) == 0
    assert losses.huber(rgb, rgb) == 0


def test_huber_is_quadratic_near_and_linear_far() -> None:
    truth = torch.zeros(1, 3, dtype=torch.float64)
    near, far = torch.full_like(truth, 0.04), torch.full_like(truth, 0.5)
    assert losses.huber(near, truth).item() == pytest.approx(0.5 * 0.04**2 / 0.1)
    assert losses.huber(far, truth).item() == pytest.approx(0.5 - 0.05)


@pytest.mark.parametrize("loss", [losses.mse, losses.huber])
def test_colour_gradients_are_right(loss) -> None:
    rgb, truth = rays()
    assert gradcheck(lambda x: loss(x, truth), (rgb,))


def test_entropy_is_highest_for_a_coin() -> None:
    assert losses.opacity_entropy(torch.full((4,), 0.5)).item() == pytest.approx(math.log(2))
    assert losses.opacity_entropy(torch.tensor([0.0, 1.0])).item() < 2e-4
    opacity = torch.tensor([0.0, 0.2, 0.8, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.opacity_entropy(opacity), opacity)
    assert torch.isfinite(gradient).all()
    assert gradient[1] > 0 > gradient[2]


def test_depth_is_relative_and_knows_what_is_unknown() -> None:
    depth = torch.tensor([1.1, 11.0, 5.0], dtype=torch.float64, requires_grad=True)
    truth = torch.tensor([1.0, 10.0, 0.0], dtype=torch.float64)
    opaque = torch.ones(3, dtype=torch.float64)
    loss = losses.depth_error(depth, opaque, truth)
    assert loss.item() == pytest.approx(0.1)
    (gradient,) = torch.autograd.grad(loss, depth)
    assert gradient.tolist() == pytest.approx([0.5, 0.05, 0.0])
    assert losses.depth_error(depth, opaque, torch.zeros(3)) == 0


def test_depth_has_a_bounded_slope_where_nothing_is_hit() -> None:
    opacity = torch.tensor([1e-9, 1.0], requires_grad=True)
    distance = torch.tensor([3e-9, 3.0], requires_grad=True)  # weighted by opacity
    depth = distance / opacity.clamp(min=1e-10)
    loss = losses.depth_error(depth, opacity, torch.tensor([2.0, 2.0]))
    for gradient in torch.autograd.grad(loss, (opacity, distance)):
        assert gradient.abs().max() < 2


def test_normals_differ_by_their_cosine() -> None:
    z = torch.tensor([[0.0, 0, 1]]).repeat(3, 1)
    truth = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, 0]])
    assert losses.normal_error(z, truth).item() == pytest.approx(0.5)
    assert losses.normal_error(-z[:1], truth[:1]).item() == pytest.approx(2)


def wide_view(size: int = 32, turn: float = 0.4) -> PinholeView:
    """A camera turned in the world, at its middle."""
    c, s = math.cos(turn), math.sin(turn)
    pose = torch.tensor([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0]], dtype=torch.float64)
    return PinholeView(pose, (1.1 * size, 0.9 * size, 0.5 * size, 0.45 * size), size, size)


def rays_of(view: PinholeView) -> torch.Tensor:
    """[3,h,w] with z = 1, in the camera."""
    fx, fy, cx, cy = view.intrinsics
    y, x = torch.meshgrid(
        torch.arange(view.height) + 0.5, torch.arange(view.width) + 0.5, indexing="ij"
    )
    return torch.stack([(x - cx) / fx, (y - cy) / fy, torch.ones_like(x)]).double()


def test_normals_of_a_plane_are_those_of_its_depths() -> None:
    view = wide_view()
    facing = torch.tensor([0.3, -0.2, -1.0], dtype=torch.float64)
    facing = facing / facing.norm()
    z = -2 / torch.einsum("i,ihw->hw", facing, rays_of(view))
    opacity = torch.full_like(z, 0.7)
    world = view.camera_from_world[:, :3].T @ facing
    normals = 0.7 * world[:, None, None].expand(3, 32, 32)
    assert losses.normal_consistency(normals, z, opacity, view) < 1e-12
    inner = (30 / 32) ** 2  # the border does not count
    turned = losses.normal_consistency(-normals, z, opacity, view)
    assert turned.item() == pytest.approx(1.4 * inner)


def test_normals_of_a_sphere_are_those_of_its_depths_the_more_the_finer() -> None:
    found = []
    for size in (32, 64):
        view = wide_view(size)
        d, centre = rays_of(view), torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64)
        along, square = torch.einsum("i,ihw->hw", centre, d), d.square().sum(dim=0)
        root = along.square() - square * (9 - 1)
        opacity = (root > 0).double()
        z = ((along - root.clamp(min=0).sqrt()) / square) * opacity
        normals = (d * z - centre[:, None, None]) * opacity
        world = torch.einsum("ji,jhw->ihw", view.camera_from_world[:, :3], normals)
        found.append(float(losses.normal_consistency(world, z, opacity, view)))
    assert 0 < found[1] < 0.5 * found[0] < 0.005


def test_gradients_of_normals_and_depths_agree_with_differences() -> None:
    view, generator = wide_view(6), torch.Generator().manual_seed(0)
    normals = torch.randn(3, 6, 6, generator=generator, dtype=torch.float64)
    z = 2 + 0.1 * torch.randn(6, 6, generator=generator, dtype=torch.float64)
    opacity = torch.rand(6, 6, generator=generator, dtype=torch.float64) + 0.2
    opacity[2, 3] = 0.0
    inputs = [normals.requires_grad_(), z.requires_grad_(), opacity.requires_grad_()]
    assert gradcheck(lambda *given: losses.normal_consistency(*given, view), inputs)


def test_where_there_is_no_surface_nothing_is_asked() -> None:
    view, none = wide_view(), torch.zeros(32, 32, dtype=torch.float64, requires_grad=True)
    normals = torch.zeros(3, 32, 32, dtype=torch.float64, requires_grad=True)
    loss = losses.normal_consistency(normals, none, none, view)
    loss.backward()
    assert loss == 0
    assert none.grad is not None
    assert not none.grad.any()
