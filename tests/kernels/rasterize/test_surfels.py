"""The compiled surfels are the reference: pictures, gradients, and whatever is degenerate."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.cameras.poses import quaternion_from_rotation, rotation_from_axis_angle
from polyfield.errors import InputError
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import OPAQUE, PinholeView, Rasterized, ScreenStatistics
from polyfield.kernels.rasterize.surfels_reference import rasterize_surfels_reference

F64 = torch.float64
INTRINSICS = (34.0, 37.0, 21.0, 14.5)
PICTURES = ("rgb", "opacity", "z_depth", "median_z_depth", "normals", "distortion")
EVERYTHING = ("z_depth", "median", "normals", "distortion")


def turned(angle: float = 0.3) -> Tensor:
    """A camera's pose, off the axes."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0, s, 0.1], [0, 1, 0, -0.05], [-s, 0, c, 0.2]], dtype=F64)


def several(n: int, seed: int = 0, k: int = 15, sharp: float = 1.0) -> list[Tensor]:
    """The parameters of disks of all shapes, most of them before the camera."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    means = normal(n, 3) * torch.tensor([1.0, 0.8, 1.2]) + torch.tensor([-0.8, 0, 2.6])
    scales, opacities = normal(n, 3) * 0.5 - 2.0 - sharp, normal(n) * 1.5 + 0.5
    return [means, normal(n, 4), scales, opacities, normal(n, 3) * 0.6, normal(n, k, 3) * 0.2]


def compiled(*args: Any, **options: Any) -> Rasterized:
    return rasterize(*args, primitive="surfels", **options)


def drawn(
    rasterizer: Any,
    parameters: list[Tensor],
    size: tuple[int, int] = (45, 35),
    pose: Tensor | None = None,
    wants: Collection[str] = EVERYTHING,
    **options: Any,
) -> tuple[dict[str, Tensor], list[Tensor], ScreenStatistics]:
    """A picture, gradients of a random sum of it, and what was seen of it."""
    dtype = parameters[0].dtype
    pose = (turned() if pose is None else pose).to(dtype).requires_grad_()
    leaves = [p.detach().clone().requires_grad_() for p in parameters]
    behind = torch.tensor([0.2, 0.5, 0.7], dtype=dtype, requires_grad=True)
    statistics = ScreenStatistics()
    view = PinholeView(pose, INTRINSICS, *size)
    render = rasterizer(
        *leaves, view, background=behind, wants=wants, statistics=statistics, **options
    )
    pictures = {name: getattr(render, name) for name in PICTURES}
    pictures = {name: value for name, value in pictures.items() if value is not None}
    assert len(pictures) == 2 + len(wants)
    generator = torch.Generator().manual_seed(1)
    terms = [
        (torch.randn(value.shape, generator=generator, dtype=F64).to(dtype) * value).sum()
        for value in pictures.values()
    ]
    inputs = [*leaves, pose, behind]
    gradients = torch.autograd.grad(sum(terms, torch.zeros(())), inputs, allow_unused=True)
    filled = [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, gradients)]
    return {name: value.detach() for name, value in pictures.items()}, filled, statistics


def close(a: Tensor, b: Tensor, tolerance: float) -> None:
    """Equal to within what sums over a picture lose of their largest terms."""
    largest = float(b.abs().max()) if b.numel() else 0.0
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance * (1 + 20 * largest))


def same(parameters: list[Tensor], tolerance: float = 1e-12, **options: Any) -> None:
    """Both twins give the same pictures, gradients and statistics."""
    found, gradients, seen = drawn(compiled, parameters, **options)
    wanted, expected, looked = drawn(rasterize_surfels_reference, parameters, **options)
    assert found.keys() == wanted.keys()
    for name, picture in wanted.items():
        torch.testing.assert_close(found[name], picture, rtol=tolerance, atol=10 * tolerance)
    for gradient, value in zip(gradients, expected, strict=True):
        close(gradient, value, tolerance)
    for name in ("gradients", "absolute"):
        close(getattr(seen, name), getattr(looked, name), tolerance)


@pytest.mark.parametrize(
    "wants", [(), ("z_depth", "median"), ("normals", "distortion"), EVERYTHING]
)
def test_it_is_the_reference_in_double_precision(wants: tuple[str, ...]) -> None:
    same(several(150), wants=wants)


@pytest.mark.parametrize("degree", [0, 2])
def test_it_is_the_reference_at_other_degrees(degree: int) -> None:
    same(several(60), degree=degree)
    same(several(60, k=(degree + 1) ** 2 - 1))


def test_it_is_the_reference_in_single_precision() -> None:
    parameters = [p.float() for p in several(150)]
    found, gradients, _ = drawn(compiled, parameters)
    wanted, expected, _ = drawn(rasterize_surfels_reference, [p.double() for p in parameters])
    for name, picture in wanted.items():
        # Single pixels may lie on either side of a cut-off.
        assert ((found[name] - picture).abs() < 1e-4).double().mean() > 0.998, name
    for gradient, value in zip(gradients, expected, strict=True):
        error = (gradient - value).abs().max() / value.abs().max()
        assert error < 2e-2


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(0, 40),
    width=st.integers(1, 50),
    height=st.integers(1, 40),
    seed=st.integers(0, 1000),
    sharp=st.sampled_from([-1.5, 0.0, 1.0, 4.0]),
)
def test_it_is_the_reference_at_any_size(
    n: int, width: int, height: int, seed: int, sharp: float
) -> None:
    same(several(n, seed, sharp=sharp), size=(width, height), tolerance=1e-10)


def test_opaque_layers_end_the_walk() -> None:
    parameters = several(400, sharp=-0.5)
    parameters[3] = parameters[3] + 4
    found, _, _ = drawn(compiled, parameters)
    assert (found["opacity"] > 1 - OPAQUE).double().mean() > 0.3
    same(parameters, tolerance=1e-11)


@pytest.mark.parametrize("tilt", [1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 0.0])
def test_at_grazing_angles_it_is_the_reference(tilt: float) -> None:
    """The gradient of what is almost edge-on has no bound; it agrees all the same."""
    parameters = several(20, sharp=-0.5)
    pose = torch.eye(4, dtype=F64)[:3]
    parameters[0] = parameters[0].abs() + torch.tensor([-0.6, -0.5, 1.5])
    for i, mean in enumerate(parameters[0]):
        along = torch.nn.functional.normalize(mean, dim=0)
        across = torch.linalg.cross(along, torch.tensor([0.3, 1.0, 0.1], dtype=F64))
        across = torch.nn.functional.normalize(across, dim=0)
        axes = torch.stack([along, torch.linalg.cross(across, along), across], dim=1)
        turn = rotation_from_axis_angle(tilt * axes[:, 1])
        parameters[1][i] = quaternion_from_rotation(turn @ axes)
    found, gradients, _ = drawn(compiled, parameters, pose=pose)
    assert found["opacity"].max() > 0.5  # the low-pass keeps them
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    # Exactly edge-on, which side looks at the camera is a matter of rounding.
    same(parameters, pose=pose, wants=EVERYTHING if tilt else ("z_depth", "median"), tolerance=1e-9)


def test_a_far_disk_is_as_wide_as_the_low_pass() -> None:
    parameters = several(1, sharp=8.0, k=0)
    parameters[0][:] = torch.tensor([0.0, 0.0, 3.0])
    parameters[3][:] = 1.0
    view = PinholeView(torch.eye(4, dtype=F64)[:3], (30.0, 30.0, 10.5, 10.5), 21, 21)
    opacity = compiled(*parameters, view).opacity
    y, x = torch.meshgrid(torch.arange(21) - 10, torch.arange(21) - 10, indexing="ij")
    alpha = torch.sigmoid(parameters[3]) * torch.exp(-(x * x + y * y).double())
    assert torch.allclose(opacity, torch.where(alpha >= 1 / 255, alpha, 0.0), atol=1e-9)


def test_a_disk_across_the_view_has_the_closed_form() -> None:
    """Facing the camera: a Gaussian of the plane at its depth."""
    parameters = several(1, k=0)
    parameters[0][:] = torch.tensor([0.0, 0.0, 2.0])
    parameters[1][:] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    parameters[2][:] = torch.tensor([0.4, 0.2, 7.0], dtype=F64).log()
    parameters[3][:] = 1.0
    view = PinholeView(torch.eye(4, dtype=F64)[:3], (30.0, 30.0, 10.5, 10.5), 21, 21)
    picture = compiled(*parameters, view, wants=EVERYTHING)
    y, x = torch.meshgrid(torch.arange(21) - 10, torch.arange(21) - 10, indexing="ij")
    rho = (x / (15 * 0.4)) ** 2 + (y / (15 * 0.2)) ** 2
    alpha = torch.sigmoid(parameters[3]) * torch.exp(-0.5 * rho.double())
    alpha = torch.where(alpha >= 1 / 255, alpha, 0.0)
    assert torch.allclose(picture.opacity, alpha, atol=1e-9)
    assert picture.z_depth is not None
    assert torch.allclose(picture.z_depth, 2 * alpha, atol=1e-9)
    assert picture.normals is not None
    assert torch.allclose(picture.normals[2], -alpha, atol=1e-9)
    assert not bool(picture.distortion.any())  # type: ignore[union-attr]


def test_depths_are_those_of_the_plane() -> None:
    """A large tilted disk: every pixel's depth is where its ray meets the plane."""
    turn = rotation_from_axis_angle(torch.tensor([0.5, 0.4, 0.0], dtype=F64))
    parameters = several(1, k=0)
    parameters[0][:] = torch.tensor([0.1, 0.2, 4.0])
    parameters[1][:] = quaternion_from_rotation(turn)
    parameters[2][:] = 3.0
    parameters[3][:] = 5.0
    pose = torch.eye(4, dtype=F64)[:3]
    picture = compiled(*parameters, PinholeView(pose, INTRINSICS, 45, 35), wants=EVERYTHING)
    assert picture.z_depth is not None
    assert picture.median_z_depth is not None
    y, x = torch.meshgrid(torch.arange(35) + 0.5, torch.arange(45) + 0.5, indexing="ij")
    fx, fy, cx, cy = INTRINSICS
    rays = torch.stack([(x - cx) / fx, (y - cy) / fy, torch.ones_like(x)], dim=-1).double()
    z = (turn[:, 2] @ parameters[0][0]) / (rays @ turn[:, 2])
    assert torch.allclose(picture.z_depth / picture.opacity, z)
    assert torch.allclose(picture.median_z_depth, z)


def test_distortion_is_the_sum_over_pairs_and_free_of_scale() -> None:
    """Of layers across the view, whose order is the same everywhere."""
    parameters = several(5, sharp=-4.0, k=0)
    parameters[0] = torch.tensor([[0.0, 0.0, 2.0 + 0.7 * i] for i in range(5)], dtype=F64)
    parameters[1][:] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    parameters[3][:] = -1.0
    view = PinholeView(torch.eye(4, dtype=F64)[:3], INTRINSICS, 20, 10)
    picture = compiled(*parameters, view, wants=("z_depth", "distortion"))
    alphas = [compiled(*(p[i : i + 1] for p in parameters), view).opacity for i in range(5)]
    light, weights = torch.ones_like(alphas[0]), []
    for alpha in alphas:
        weights.append(alpha * light)
        light = light * (1 - alpha)
    assert picture.z_depth is not None
    r = picture.z_depth.sum() / picture.opacity.sum()
    m = 1 - r / parameters[0][:, 2]
    expected = sum(
        weights[i] * weights[j] * (m[i] - m[j]).abs() for i in range(5) for j in range(5)
    )
    assert picture.distortion is not None
    assert torch.allclose(picture.distortion, torch.as_tensor(expected), atol=1e-9)
    parameters[0], parameters[2] = 10 * parameters[0], parameters[2] + math.log(10)
    larger = compiled(*parameters, view, wants=("distortion",)).distortion
    assert torch.allclose(picture.distortion, torch.as_tensor(larger))


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, math.nan), (0, math.inf), (1, 0.0), (1, math.nan), (2, math.inf), (2, math.nan),
     (3, math.nan), (3, -30.0), (4, math.nan), (5, math.inf)],
)  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(column: int, value: float) -> None:
    parameters = several(30)
    parameters[column][7] = value
    kept = [torch.cat([p[:7], p[8:]]) for p in parameters]
    wanted, expected, _ = drawn(compiled, kept)
    for rasterizer in (compiled, rasterize_surfels_reference):
        found, gradients, seen = drawn(rasterizer, parameters)
        for name, picture in wanted.items():
            torch.testing.assert_close(found[name], picture, rtol=0, atol=1e-10)
        assert seen.radii is not None
        assert seen.radii[7] == 0
        for gradient, value_of in zip(gradients[:6], expected[:6], strict=True):
            assert not gradient[7].any()
            close(torch.cat([gradient[:7], gradient[8:]]), value_of, 1e-10)


@pytest.mark.parametrize("value", [math.nan, math.inf, -100.0])
def test_the_third_scale_counts_for_nothing(value: float) -> None:
    parameters = several(20)
    found, gradients, _ = drawn(compiled, parameters)
    parameters[2][:, 2] = value
    other, others, _ = drawn(compiled, parameters)
    assert all(torch.equal(found[name], other[name]) for name in found)
    assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))
    assert not gradients[2][:, 2].any()
    same(parameters)


@pytest.mark.parametrize("z", [-1.0, 0.0, 0.01])
def test_centres_behind_or_in_the_camera_plane_are_left_out(z: float) -> None:
    parameters = several(1, sharp=-2.0)
    parameters[0][:] = torch.tensor([0.01, 0.0, z])
    pose = torch.eye(4, dtype=F64)[:3]
    found, gradients, _ = drawn(compiled, parameters, pose=pose)
    assert not found["opacity"].any()
    assert all(not gradient.any() for gradient in gradients[:7])


@pytest.mark.parametrize("near", [0.01, 1.0])
def test_disks_through_the_camera_plane_are_the_reference(near: float) -> None:
    parameters = several(12, sharp=-3.5)
    parameters[0][:, 2] = parameters[0][:, 2].abs() + 1.01
    found, _, _ = drawn(compiled, parameters, near=near)
    assert found["opacity"].mean() > 0.5
    same(parameters, near=near, tolerance=1e-9)


def test_extreme_shapes_are_the_reference() -> None:
    parameters = several(40)
    parameters[2][:10] = torch.tensor([2.0, -6.0, -6.0])  # needles across the picture
    parameters[2][10:20] = -12.0  # points
    parameters[2][20:30] = 2.5  # all over the place
    parameters[2][30:33] = -40.0  # too small for a ray to meet
    parameters[0][33:] *= torch.tensor([30.0, 30.0, 1.0])  # beside the picture
    same(parameters, tolerance=1e-7)


def test_what_surfels_cannot_do_is_refused() -> None:
    view = PinholeView(turned(), INTRINSICS, 45, 35)
    with pytest.raises(InputError, match="antialiased"):
        compiled(*several(3), view, antialiased=True)
    with pytest.raises(InputError, match="discs"):
        rasterize(*several(3), view, primitive="discs")
    with pytest.raises(InputError, match="distortion"):
        rasterize(*several(3), view, wants=("distortion",))
