"""The adapter of gsplat against the reference, over gsplat's plain torch; on a GPU over gsplat."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.rasterize import gsplat_found
from polyfield.kernels.rasterize.gsplat_adapter import rasterize_gsplat
from polyfield.kernels.rasterize.records import PinholeView, Rasterized, ScreenStatistics
from polyfield.kernels.rasterize.reference import rasterize_reference

WIDTH, HEIGHT = 41, 29
NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")
WANTS = ((), ("z_depth",), ("normals",), ("normals", "z_depth"))


def scene(n: int = 120, logit: float = -1.0, **like: Any) -> tuple[list[Tensor], PinholeView]:
    """Leaves: Gaussians of all kinds around a turned camera, some behind it, and its pose."""
    generator = torch.Generator().manual_seed(n)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    leaves = [1.6 * normal(n, 3), normal(n, 4), 0.5 * normal(n, 3) - 1.7, normal(n) + logit]
    leaves += [normal(n, 3), 0.3 * normal(n, 15, 3)]
    turn = torch.linalg.qr(normal(3, 3))[0]
    shift = torch.tensor([[0.2], [-0.1], [3.0]], dtype=torch.float64)
    leaves.append(torch.cat([turn * torch.det(turn), shift], dim=1))
    leaves.append(torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64))
    like = {"dtype": torch.float64, **like}
    leaves = [leaf.to(**like).requires_grad_() for leaf in leaves]
    intrinsics = (0.8 * WIDTH, 0.9 * WIDTH, 0.55 * WIDTH, 0.4 * HEIGHT)
    return leaves, PinholeView(leaves[6], intrinsics, WIDTH, HEIGHT)


def total_of(drawn: Rasterized) -> Tensor:
    """All of a picture with random weights."""
    generator = torch.Generator().manual_seed(1)
    parts = [drawn.rgb, drawn.opacity, drawn.z_depth, drawn.normals]
    total = drawn.rgb.new_zeros(())
    for part in parts:
        if part is not None:
            weights = torch.randn(part.shape, generator=generator, dtype=torch.float64)
            total = total + (part * weights.to(part)).sum()
    return total


def check_alike(ours: Rasterized, right: Rasterized, **within: float) -> None:
    for name in ("rgb", "opacity", "z_depth", "normals", "visible"):
        one, other = getattr(ours, name), getattr(right, name)
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one, other, **within)


def both(
    leaves: list[Tensor], view: PinholeView, **options: Any
) -> list[tuple[Rasterized, list[Tensor], ScreenStatistics]]:
    """Picture, gradients and statistics of the adapter and of the reference."""
    found = []
    for draw in (rasterize_gsplat, rasterize_reference):
        statistics = ScreenStatistics()
        drawn = draw(*leaves[:6], view, background=leaves[7], statistics=statistics, **options)
        slopes = torch.autograd.grad(total_of(drawn), leaves)
        found.append((drawn, list(slopes), statistics))
    return found


def check_slopes(ours: list[Tensor], right: list[Tensor], within: float) -> None:
    for one, other in zip(ours, right, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=within * float(other.abs().max()))


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("wants", WANTS)
def test_values_gradients_and_statistics_are_the_references(
    gsplat_on_cpu: list[SimpleNamespace], wants: tuple[str, ...], antialiased: bool
) -> None:
    leaves, view = scene()
    options = {"wants": wants, "antialiased": antialiased, "near": 0.3}
    (ours, slopes, found), (right, right_slopes, known) = both(leaves, view, **options)
    check_alike(ours, right, rtol=1e-9, atol=1e-9)
    check_slopes(slopes, right_slopes, 1e-9)
    assert all(slope.any() for slope in slopes)
    for name in ("radii", "gradients", "absolute"):
        torch.testing.assert_close(getattr(found, name), getattr(known, name))
    assert found.absolute is not None
    assert found.gradients is not None
    assert (found.absolute > found.gradients.abs() + 1e-9).any()
    assert ours.rgb.is_contiguous()
    call = gsplat_on_cpu[0]
    assert (call.near_plane, call.eps2d, call.radius_clip) == (0.3, 0.3, 0)
    assert len(call.means) == int(known.radii.count_nonzero()) < 120  # type: ignore[union-attr]


@pytest.mark.parametrize("degree", range(4))
def test_harmonics_that_count(gsplat_on_cpu: list[SimpleNamespace], degree: int) -> None:
    leaves, view = scene()
    (ours, slopes, _), (right, right_slopes, _) = both(leaves, view, degree=degree)
    check_alike(ours, right, rtol=1e-9, atol=1e-9)
    check_slopes(slopes, right_slopes, 1e-9)
    counted = (degree + 1) ** 2 - 1
    assert not slopes[5][:, counted:].any()
    with pytest.raises(InputError, match="degree: found 4"):
        rasterize_gsplat(*leaves[:6], view, degree=4)


def test_gsplat_is_given_numbers_alone(gsplat_on_cpu: list[SimpleNamespace]) -> None:
    leaves, view = scene()
    with torch.no_grad():
        for leaf, value in zip(leaves[:6], (torch.nan, 0.0, torch.inf, torch.nan, 1e31, torch.nan)):
            leaf[:3] = value
            leaf.data = leaf.roll(3, dims=0)
    (ours, slopes, _), (right, right_slopes, _) = both(leaves, view, wants=WANTS[3])
    check_alike(ours, right, rtol=1e-9, atol=1e-9)
    check_slopes(slopes, right_slopes, 1e-9)
    call = gsplat_on_cpu[0]
    for given in (call.means, call.quats, call.scales, call.opacities, call.colors):
        assert given.isfinite().all()


@pytest.mark.parametrize("n", [0, 5])
def test_none_that_show(gsplat_on_cpu: list[SimpleNamespace], n: int) -> None:
    leaves, view = scene(n)
    with torch.no_grad():
        leaves[3].fill_(-9)
    statistics = ScreenStatistics()
    options: dict[str, Any] = {"background": leaves[7], "wants": WANTS[3]}
    drawn = rasterize_gsplat(*leaves[:6], view, **options, statistics=statistics)
    check_alike(drawn, rasterize_reference(*leaves[:6], view, **options))
    assert torch.equal(torch.autograd.grad(drawn.rgb.sum(), leaves[7])[0], leaves[7] * 0 + 41 * 29)
    assert statistics.radii is not None
    assert statistics.radii.shape == (n,)
    assert not gsplat_on_cpu


def test_only_pixels_that_end_differ(gsplat_on_cpu: list[SimpleNamespace]) -> None:
    """Where gsplat leaves the last one out: its transmittance before it is a tenth at most."""
    leaves, view = scene(600, logit=4.0)
    ours = rasterize_gsplat(*leaves[:6], view)
    right = rasterize_reference(*leaves[:6], view)
    ends = right.opacity > 1 - 1e-4
    assert 0.2 < float(ends.double().mean()) < 0.999
    torch.testing.assert_close(ours.rgb[:, ~ends], right.rgb[:, ~ends])
    missing = (right.opacity - ours.opacity)[ends]
    assert 0 < float(missing.detach().max()) <= 0.1


def test_magnitudes_are_not_made_where_nobody_asks(gsplat_on_cpu: list[SimpleNamespace]) -> None:
    leaves, view = scene()
    statistics = ScreenStatistics(magnitudes=False)
    rasterize_gsplat(*leaves[:6], view, statistics=statistics).rgb.sum().backward()
    assert statistics.absolute is None
    assert statistics.gradients is not None
    assert statistics.gradients.any()
    assert not gsplat_on_cpu[0].absgrad


def test_medians_are_refused(gsplat_on_cpu: list[SimpleNamespace]) -> None:
    leaves, view = scene()
    with pytest.raises(InputError, match="wants: found median, expected z_depth, normals"):
        rasterize_gsplat(*leaves[:6], view, wants=("median",))


@pytest.fixture
def on_cuda() -> Callable[..., tuple[list[Tensor], PinholeView]]:
    """Scenes on a GPU that gsplat works on."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    obstacle = gsplat_found.package_obstacle() or gsplat_found.extension_obstacle()
    if obstacle is not None:
        pytest.skip(f"gsplat: {obstacle}")
    return lambda *args: scene(*args, device="cuda", dtype=torch.float32)


@pytest.mark.cuda
@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("wants", WANTS)
def test_gsplat_itself_agrees(on_cuda: Callable, wants: tuple[str, ...], antialiased: bool) -> None:
    leaves, view = on_cuda()
    options = {"wants": wants, "antialiased": antialiased}
    (ours, slopes, found), (right, right_slopes, known) = both(leaves, view, **options)
    check_alike(ours, right, rtol=1e-3, atol=1e-3)
    check_slopes(slopes, right_slopes, 5e-3)
    torch.testing.assert_close(found.radii, known.radii, rtol=1e-4, atol=1e-3)
    check_slopes([found.gradients, found.absolute], [known.gradients, known.absolute], 5e-3)  # type: ignore[list-item]


@pytest.mark.cuda
def test_auto_is_gsplat_on_cuda(on_cuda: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    import gsplat

    from polyfield.kernels.rasterize.rasterize import rasterize

    monkeypatch.delenv("POLYFIELD_KERNELS", raising=False)
    leaves, view = on_cuda()
    calls, real = [], gsplat.rasterization
    monkeypatch.setattr(gsplat, "rasterization", lambda *a, **k: calls.append(1) or real(*a, **k))
    rasterize(*leaves[:6], view).rgb.sum().backward()
    rasterize(*leaves[:6], view, backend="own")
    rasterize(*leaves[:6], view, wants=("median",))  # which gsplat has not
    assert calls == [1]
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves[:7])
