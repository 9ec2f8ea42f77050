"""The compiled rasteriser is the reference: pictures, gradients, and whatever is degenerate."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.gradients import direct_gradients
from polyfield.kernels.rasterize.arguments import check_pairs
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import (
    LEAST_ALPHA,
    OPAQUE,
    PinholeView,
    Rasterized,
    ScreenStatistics,
)
from polyfield.kernels.rasterize.reference import rasterize_reference

F64 = torch.float64
INTRINSICS = (34.0, 37.0, 21.0, 14.5)
PICTURES = ("rgb", "opacity", "z_depth", "median_z_depth", "normals")
NAMES = ("means", "quats", "log_scales", "opacity_logits")
EVERYTHING = ("z_depth", "median", "normals")


def turned(angle: float = 0.3) -> Tensor:
    """A camera's pose, off the axes."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0, s, 0.1], [0, 1, 0, -0.05], [-s, 0, c, 0.2]], dtype=F64)


def several(n: int, seed: int = 0, k: int = 15, sharp: float = 1.0) -> list[Tensor]:
    """The parameters of Gaussians of all shapes, most of them before the camera."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    means = normal(n, 3) * torch.tensor([1.0, 0.8, 1.2]) + torch.tensor([-0.8, 0, 2.6])
    scales, opacities = normal(n, 3) * 0.5 - 2.0 - sharp, normal(n) * 1.5 + 0.5
    return [means, normal(n, 4), scales, opacities, normal(n, 3) * 0.6, normal(n, k, 3) * 0.2]


def drawn(
    rasterizer: Callable[..., Rasterized],
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
    found, gradients, seen = drawn(rasterize, parameters, **options)
    wanted, expected, looked = drawn(rasterize_reference, parameters, **options)
    assert found.keys() == wanted.keys()
    for name, picture in wanted.items():
        torch.testing.assert_close(found[name], picture, rtol=tolerance, atol=10 * tolerance)
    for gradient, value in zip(gradients, expected, strict=True):
        close(gradient, value, tolerance)
    for name in ("gradients", "absolute"):
        close(getattr(seen, name), getattr(looked, name), tolerance)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("wants", [(), ("z_depth", "median"), ("normals",), EVERYTHING])
def test_it_is_the_reference_in_double_precision(antialiased: bool, wants: tuple[str, ...]) -> None:
    same(several(150), wants=wants, antialiased=antialiased)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_it_is_the_reference_at_every_degree(degree: int) -> None:
    same(several(60), degree=degree)
    same(several(60, k=(degree + 1) ** 2 - 1))


def test_it_is_the_reference_in_single_precision() -> None:
    parameters = [p.float() for p in several(150)]
    found, gradients, _ = drawn(rasterize, parameters)
    wanted, expected, _ = drawn(rasterize_reference, [p.double() for p in parameters])
    for name, picture in wanted.items():
        # Single pixels may lie on either side of a cut-off.
        close = (found[name] - picture).abs() < 1e-4
        assert close.double().mean() > 0.999, name
    for gradient, value in zip(gradients, expected, strict=True):
        error = (gradient - value).abs().max() / value.abs().max()
        assert error < 2e-2


@settings(max_examples=25, deadline=None)
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
    same(several(n, seed, sharp=sharp), size=(width, height), tolerance=1e-11)


def test_opaque_layers_end_the_walk() -> None:
    parameters = several(400, sharp=-0.5)
    parameters[3] = parameters[3] + 4
    found, _, _ = drawn(rasterize, parameters)
    assert (found["opacity"] > 1 - OPAQUE).double().mean() > 0.3
    same(parameters, tolerance=1e-11)


def test_equal_depths_keep_their_order() -> None:
    parameters = several(50)
    parameters[0][:] = torch.tensor([-0.3, 0.0, 2.5])
    same(parameters)


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, math.nan), (0, math.inf), (1, 0.0), (1, math.nan), (2, math.inf), (2, math.nan),
     (3, math.nan), (3, -30.0), (4, math.nan), (5, math.inf)],
)  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(column: int, value: float) -> None:
    parameters = several(30)
    parameters[column][7] = value
    kept = [torch.cat([p[:7], p[8:]]) for p in parameters]
    found, gradients, seen = drawn(rasterize, parameters)
    wanted, expected, _ = drawn(rasterize, kept)
    for name, picture in wanted.items():
        assert torch.equal(found[name], picture), name
    assert seen.radii is not None
    assert seen.radii[7] == 0
    for gradient, value_of in zip(gradients[:6], expected[:6], strict=True):
        assert not gradient[7].any()
        assert torch.equal(torch.cat([gradient[:7], gradient[8:]]), value_of)


@pytest.mark.parametrize("z", [-1.0, 0.0, 0.01])
def test_centres_behind_or_in_the_camera_plane_are_left_out(z: float) -> None:
    parameters = several(1, sharp=-2.0)
    parameters[0][:] = torch.tensor([0.01, 0.0, z])
    pose = torch.eye(4, dtype=F64)[:3]
    found, gradients, _ = drawn(rasterize, parameters, pose=pose)
    assert not found["opacity"].any()
    assert all(not gradient.any() for gradient in gradients[:7])


def test_extreme_shapes_are_the_reference() -> None:
    parameters = several(40)
    parameters[2][:10] = torch.tensor([2.0, -6.0, -6.0])  # needles across the picture
    parameters[2][10:20] = -12.0  # points
    parameters[2][20:30] = 2.5  # all over the place
    parameters[0][30:] *= torch.tensor([30.0, 30.0, 1.0])  # beside the picture
    same(parameters, tolerance=1e-7)


@pytest.mark.parametrize("away", [0.0, 1.0])
@pytest.mark.parametrize("length", [1e2, 3e3, 1e5])
def test_needles_are_the_reference_in_single_precision(length: float, away: float) -> None:
    """Lines a pixel wide and many pictures long, from their middle or from one deviation beside."""
    angle = 0.7
    place = torch.tensor([math.cos(angle), math.sin(angle), 0]) * away * length / 1000
    needle = [
        place[None] + torch.tensor([0.003, 0.002, 1.0]),
        torch.tensor([[math.cos(angle / 2), 0, 0, math.sin(angle / 2)]]),
        torch.tensor([[length / 1000, 1e-6, 1e-6]]).log(),
        torch.tensor([4.0]),
        torch.ones(1, 3),
        torch.zeros(1, 0, 3),
    ]
    view = PinholeView(torch.eye(4)[:3], (1000, 1000, 32, 24), 64, 48)
    exact = PinholeView(torch.eye(4, dtype=F64)[:3], *(view.intrinsics, view.width, view.height))
    leaves = [p.clone().requires_grad_() for p in needle]
    truths = [p.double().requires_grad_() for p in needle]
    found = rasterize(*leaves, view).opacity
    expected = rasterize_reference(*truths, exact).opacity
    assert expected.max() > 0.5
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.03)
    slope = torch.randn(found.shape, generator=torch.Generator().manual_seed(0))
    (found * slope).sum().backward()
    (expected * slope).sum().backward()
    for name, leaf, truth in zip(NAMES[:4], leaves, truths, strict=False):
        assert leaf.grad is not None
        assert truth.grad is not None
        error = (leaf.grad - truth.grad).norm() / truth.grad.norm()
        assert error < 0.1, name


def test_a_second_derivative_is_refused() -> None:
    leaves = [p.requires_grad_() for p in several(5)]
    view = PinholeView(turned(), INTRINSICS, 20, 10)
    (first,) = torch.autograd.grad(
        rasterize(*leaves, view).rgb.square().sum(), leaves[0], create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_parameters_of_other_numbers_are_refused() -> None:
    parameters = several(20)
    parameters[1] = parameters[1][:10]
    with pytest.raises(InputError, match="quats"):
        rasterize(*parameters, PinholeView(turned(), INTRINSICS, 20, 10))


def test_an_empty_scene_is_its_background() -> None:
    found, gradients, _ = drawn(rasterize, several(0))
    expected = torch.tensor([0.2, 0.5, 0.7], dtype=F64)[:, None, None].expand(3, 35, 45)
    assert torch.equal(found["rgb"], expected)
    assert not found["opacity"].any()
    assert gradients[7].any()


def test_parameters_need_not_be_contiguous() -> None:
    parameters = several(30)
    strided = [torch.stack([p, p], dim=-1)[..., 0] for p in parameters]
    assert not strided[0].is_contiguous()
    view = PinholeView(turned(), INTRINSICS, 45, 35)
    assert torch.equal(rasterize(*strided, view).rgb, rasterize(*parameters, view).rgb)


def test_gradients_go_straight_to_parameters_that_have_some() -> None:
    parameters = several(30)
    view = PinholeView(turned(), INTRINSICS, 45, 35)
    plain = [p.clone().requires_grad_() for p in parameters]
    rasterize(*plain, view).rgb.sum().backward()
    kept = [p.clone().requires_grad_() for p in parameters]
    places = []
    for p in kept:
        p.grad = torch.ones_like(p)
        places.append(p.grad.data_ptr())
    with direct_gradients():
        rasterize(*kept, view).rgb.sum().backward()
    for p, q, place in zip(plain, kept, places, strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert q.grad.data_ptr() == place
        torch.testing.assert_close(q.grad, 1 + p.grad)


def test_pictures_do_not_depend_on_the_number_of_threads() -> None:
    parameters = several(200)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone, gradients, _ = drawn(rasterize, parameters)
        numba.set_num_threads(before)
        together, others, _ = drawn(rasterize, parameters)
    finally:
        numba.set_num_threads(before)
    assert all(torch.equal(alone[name], together[name]) for name in alone)
    for gradient, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(gradient, other)


def test_radii_are_those_of_the_ellipses() -> None:
    parameters = several(1, sharp=0.0)
    parameters[0][:] = torch.tensor([0.0, 0.0, 3.0])
    pose = torch.eye(4, dtype=F64)[:3]
    found, _, seen = drawn(rasterize, parameters, pose=pose, size=(60, 50), wants=())
    y, x = np.nonzero((found["opacity"] >= LEAST_ALPHA).numpy())
    far = np.hypot(x + 0.5 - INTRINSICS[2], y + 0.5 - INTRINSICS[3]).max()
    assert seen.radii is not None
    assert far <= float(seen.radii[0]) < far + 1.5


@pytest.mark.parametrize(
    ("options", "field"),
    [({"degree": 4}, "degree"), ({"degree": -1}, "degree"), ({"wants": ("colour",)}, "wants")],
)
def test_what_there_is_not_is_refused(options: dict[str, Any], field: str) -> None:
    view = PinholeView(turned(), INTRINSICS, 45, 35)
    with pytest.raises(InputError, match=field):
        rasterize(*several(3), view, **options)


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="0 x 5"):
        rasterize(*several(3), PinholeView(turned(), INTRINSICS, 0, 5))


def test_more_pairs_than_memory_should_hold_are_refused() -> None:
    check_pairs(3, 100, (45, 35), most=100)
    with pytest.raises(InputError, match="101 tiles of a picture of 45 x 35"):
        check_pairs(3, 101, (45, 35), most=100)
