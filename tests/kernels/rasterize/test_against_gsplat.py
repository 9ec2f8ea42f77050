"""The reference against gsplat's plain torch (Ye et al. 2024): values and gradients.

Of gsplat only what runs on a CPU is called. Which pixels a Gaussian is seen in is found by its CUDA
kernels, and its sums along pixels are nerfacc's, so the few lines of both are here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from polyfield.kernels.rasterize.gsplat_found import package_obstacle
from polyfield.kernels.rasterize.projection_reference import Gaussians, project
from polyfield.kernels.rasterize.records import LEAST_ALPHA, MOST_ALPHA, OPAQUE, PinholeView
from polyfield.kernels.rasterize.reference import rasterize_reference

if package_obstacle() is not None:
    pytest.skip("pip install --no-deps 'gsplat==1.5.*'", allow_module_level=True)
from gsplat.cuda import _torch_impl as theirs

pytestmark = pytest.mark.usefixtures("nerfacc")

K = (0, 3, 8, 15)  # harmonics beyond the first, by degree
BACKGROUND = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)


def tensors(g: Gaussians) -> list[Tensor]:
    """Means, quaternions, scales, opacities, harmonics: leaves."""
    return [getattr(g, field.name) for field in fields(g)]


def random_gaussians(n: int, opacity: float, degree: int = 3, spread: float = 1.5) -> Gaussians:
    """Before and around the camera of `random_view`, quaternions of all lengths.

    Args:
        opacity: the logits' mean.
    """
    generator = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    means = normal(n, 3) * spread
    scales = 0.5 * normal(n, 3) - 2
    logits = normal(n) + opacity
    g = Gaussians(means, normal(n, 4), scales, logits, normal(n, 3), 0.3 * normal(n, K[degree], 3))
    return Gaussians(*(tensor.requires_grad_() for tensor in tensors(g)))


def random_view(width: int = 61, height: int = 37) -> PinholeView:
    """Turned about all axes, its centre not in the middle."""
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    turn = turn * torch.det(turn)
    shift = torch.tensor([[0.2], [-0.1], [4.0]], dtype=torch.float64)
    intrinsics = (0.8 * width, 0.9 * width, 0.55 * width, 0.4 * height)
    return PinholeView(torch.cat([turn, shift], dim=1), intrinsics, width, height)


def garden(path: Any, which: int, n: int, smaller: int) -> tuple[Gaussians, PinholeView]:
    """Some points of a real scene as Gaussians, and one of its cameras."""
    with np.load(path, allow_pickle=False) as scene:
        generator = torch.Generator().manual_seed(which)
        some = torch.randperm(len(scene["means3d"]), generator=generator)[:n].numpy()
        means = torch.from_numpy(scene["means3d"][some]).double()
        colors = torch.from_numpy(scene["colors"][some]).double() / 255
        pose = torch.from_numpy(scene["viewmats"][which]).double()[:3]
        k = scene["Ks"][which].astype(np.float64) / smaller
        width, height = int(scene["width"]) // smaller, int(scene["height"]) // smaller
    view = PinholeView(pose, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]), width, height)
    generator = torch.Generator().manual_seed(n)
    quats = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    scales = 0.5 * torch.randn(n, 3, generator=generator, dtype=torch.float64) - 3
    rest = 0.1 * torch.randn(n, 15, 3, generator=generator, dtype=torch.float64)
    logits = torch.randn(n, generator=generator, dtype=torch.float64)
    g = Gaussians(means, quats, scales, logits, (colors - 0.5) / 0.28209479177387814, rest)
    return Gaussians(*(tensor.requires_grad_() for tensor in tensors(g))), view


@dataclass
class Theirs:
    """What gsplat makes of n Gaussians, and its camera."""

    radii: Tensor
    centers: Tensor
    z: Tensor
    conics: Tensor
    opacities: Tensor
    colors: Tensor


def projected_by_gsplat(g: Gaussians, view: PinholeView, degree: int, antialiased: bool) -> Theirs:
    """Gaussians in a picture; radius 0 for those that are not in it."""
    covariances, _ = theirs._quat_scale_to_covar_preci(
        g.quats, g.log_scales.exp(), compute_preci=False
    )
    fx, fy, cx, cy = view.intrinsics
    k = g.means.new_tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    pose = torch.eye(4, dtype=g.means.dtype)
    pose = torch.cat([view.camera_from_world, pose[3:]])
    radii, centers, z, conics, compensation = theirs._fully_fused_projection(
        g.means, covariances, pose[None], k[None], view.width, view.height,
        calc_compensations=antialiased,
    )  # fmt: skip
    opacities = torch.sigmoid(g.opacity_logits)
    if antialiased:
        opacities = opacities * compensation[0]
    directions = g.means + pose[:3, :3].T @ pose[:3, 3]
    coefficients = torch.cat([g.sh_dc[:, None], g.sh_rest], dim=1)
    colors = theirs._spherical_harmonics(degree, directions, coefficients)
    colors = (colors + 0.5).clamp(min=0)
    return Theirs(radii[0], centers[0], z[0], conics[0], opacities, colors)


def rendered_by_gsplat(p: Theirs, view: PinholeView, channels: Tensor) -> tuple[Tensor, Tensor]:
    """Sums [c,h,w] over Gaussians of weight times channels [n,c], and opacity [h,w]."""
    pixels, gaussians = seen(p, view)
    sums, opacity = theirs.accumulate(
        p.centers[None], p.conics[None], p.opacities[None], channels[None],
        gaussians, pixels, torch.zeros_like(pixels), view.width, view.height,
    )  # fmt: skip
    return sums[0].permute(2, 0, 1), opacity[0, :, :, 0]


@torch.no_grad()
def seen(p: Theirs, view: PinholeView) -> tuple[Tensor, Tensor]:
    """Pairs of a pixel and a Gaussian seen in it, by pixel, then from front to back.

    Nothing fainter than 1/255, and nothing behind the one that ends a pixel's transmittance: their
    kernels leave that one out too.
    """
    order = torch.argsort(p.z, stable=True)
    order = order[(p.radii > 0).all(dim=1)[order]]
    y, x = torch.meshgrid(torch.arange(view.height), torch.arange(view.width), indexing="ij")
    away = torch.stack([x.flatten(), y.flatten()], dim=1)[:, None] + 0.5 - p.centers[order]
    a, b, c = p.conics[order].unbind(dim=1)
    square = a * away[..., 0] ** 2 + 2 * b * away[..., 0] * away[..., 1] + c * away[..., 1] ** 2
    alpha = (p.opacities[order] * torch.exp(-0.5 * square)).clamp(max=MOST_ALPHA)
    drawn = alpha >= LEAST_ALPHA
    through = torch.where(drawn, 1 - alpha, 1.0)
    before = torch.cumprod(through, dim=1) / through
    pixels, places = torch.nonzero(drawn & (before >= OPAQUE), as_tuple=True)
    return pixels, order[places]


def close(ours: Tensor, right: Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(ours, right, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("degree", range(4))
def test_projections_and_colours_agree(degree: int, antialiased: bool) -> None:
    g, view = random_gaussians(500, 0.0, spread=2.5), random_view()
    right = projected_by_gsplat(g, view, degree, antialiased)
    before = (right.z > 0.01).nonzero()[:, 0]
    assert 400 < len(before) < 500  # some behind the camera
    ours = project(g[before], view, degree, antialiased)
    for name in ("centers", "z", "conics", "opacities", "colors"):
        close(getattr(ours, name), getattr(right, name)[before])
    outside = right.radii[before].eq(0).any(dim=1)
    assert 20 < int(outside.sum()) < 400  # of the picture, where slopes are those of its edge


def test_covariances_agree() -> None:
    """In the picture: the inverse of theirs is a conic."""
    g, view = random_gaussians(200, 0.0, spread=0.5), random_view()
    ours = project(g, view, 0, antialiased=False)
    right = projected_by_gsplat(g, view, 0, antialiased=False)
    a, b, c = right.conics.unbind(dim=1)
    area = a * c - b * b
    close(ours.covariances, torch.stack([c, -b, a], dim=1) / area[:, None])


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("degree", range(4))
def test_pictures_and_gradients_agree(degree: int, antialiased: bool) -> None:
    """Of Gaussians through which one can see, so that where a pixel ends does not matter."""
    g, view = random_gaussians(200, -1.0), random_view()
    ours = rasterize_reference(
        *tensors(g), view, background=BACKGROUND, degree=degree, antialiased=antialiased,
        wants=("z_depth",),
    )  # fmt: skip
    p = projected_by_gsplat(g, view, degree, antialiased)
    sums, opacity = rendered_by_gsplat(p, view, torch.cat([p.colors, p.z[:, None]], dim=1))
    right = [sums[:3] + (1 - opacity) * BACKGROUND[:, None, None], opacity, sums[3]]
    assert 0.8 < float(opacity.detach().max()) < 1 - OPAQUE
    generator = torch.Generator().manual_seed(0)
    totals = []
    for picture, its in zip([ours.rgb, ours.opacity, ours.z_depth], right, strict=True):
        assert picture is not None
        close(picture, its)
        weights = torch.randn(its.shape, generator=generator, dtype=torch.float64)
        totals.append([(picture * weights).sum(), (its * weights).sum()])
    ours_total, right_total = (sum(column) for column in zip(*totals, strict=True))
    found = torch.autograd.grad(ours_total, tensors(g), retain_graph=True)
    for gradient, its in zip(found, torch.autograd.grad(right_total, tensors(g)), strict=True):
        assert its.any() or degree == 0
        close(gradient, its, atol=1e-9 * float(its.abs().max()))
    assert ours.visible is not None
    assert not (ours.visible & p.radii.eq(0).any(dim=1)).any()


def test_opaque_pictures_agree() -> None:
    g, view = random_gaussians(1500, 2.0), random_view()
    ours = rasterize_reference(*tensors(g), view)
    p = projected_by_gsplat(g, view, 3, antialiased=False)
    sums, opacity = rendered_by_gsplat(p, view, p.colors)
    assert float((opacity > 1 - OPAQUE).double().mean()) > 0.5
    close(ours.opacity, opacity)
    close(ours.rgb, sums)


@pytest.mark.parametrize("which", range(3))
def test_pictures_of_a_real_scene_agree(which: int, shared_data) -> None:  # type: ignore[no-untyped-def]
    g, view = garden(shared_data("garden_sample") / "test_garden.npz", which, n=1500, smaller=6)
    ours = rasterize_reference(*tensors(g), view, background=BACKGROUND)
    p = projected_by_gsplat(g, view, 3, antialiased=False)
    sums, opacity = rendered_by_gsplat(p, view, p.colors)
    assert float(opacity.detach().mean()) > 0.2
    close(ours.opacity, opacity)
    close(ours.rgb, sums + (1 - opacity) * BACKGROUND[:, None, None])
