"""The reference rasteriser is what its formulas say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from polyfield.cameras.poses import quaternion_from_rotation, rotation_from_axis_angle
from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import (
    BLUR,
    LEAST_ALPHA,
    NEAR,
    OPAQUE,
    PinholeView,
    ScreenStatistics,
)
from polyfield.kernels.rasterize.reference import rasterize_reference

F64 = torch.float64
POSE = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=F64)
VIEW = PinholeView(POSE, (50.0, 45.0, 16.0, 12.0), 32, 24)
NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh_dc", "sh_rest")


def one(z: float = 4.0, sigma: float = 0.2, opacity: float = 0.6) -> dict[str, Tensor]:
    """A round Gaussian on the axis, of colour (0.7, 0.5, 0.2)."""
    colour = torch.tensor([[0.7, 0.5, 0.2]], dtype=F64)
    return {
        "means": torch.tensor([[0.0, 0.0, z]], dtype=F64),
        "quats": torch.tensor([[1.0, 0, 0, 0]], dtype=F64),
        "log_scales": torch.full((1, 3), math.log(sigma), dtype=F64),
        "opacity_logits": torch.tensor([math.log(opacity / (1 - opacity))], dtype=F64),
        "sh_dc": (colour - 0.5) / 0.28209479177387814,
        "sh_rest": torch.zeros(1, 0, 3, dtype=F64),
    }


def several(n: int, k: int = 3, seed: int = 0) -> dict[str, Tensor]:
    """Gaussians of all shapes before the camera."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    means = normal(n, 3) * 0.4 + torch.tensor([0, 0, 4.0], dtype=F64)
    return {
        "means": means,
        "quats": normal(n, 4),
        "log_scales": normal(n, 3) * 0.4 - 1.5,
        "opacity_logits": normal(n),
        "sh_dc": normal(n, 3) * 0.3 + 0.5,
        "sh_rest": normal(n, k, 3) * 0.1,
    }


def stacked(*parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in NAMES}


def test_a_round_gaussian_has_the_closed_form() -> None:
    picture = rasterize_reference(**one(), view=VIEW, wants=("z_depth", "median"))
    y, x = torch.meshgrid(
        torch.arange(24, dtype=F64) + 0.5 - 12,
        torch.arange(32, dtype=F64) + 0.5 - 16,
        indexing="ij",
    )
    xx, yy = (50 * 0.2 / 4) ** 2 + BLUR, (45 * 0.2 / 4) ** 2 + BLUR
    alpha = 0.6 * torch.exp(-0.5 * (x * x / xx + y * y / yy))
    alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0.0)
    assert torch.allclose(picture.opacity, alpha, atol=1e-12)
    colour = torch.tensor([0.7, 0.5, 0.2], dtype=F64)
    assert torch.allclose(picture.rgb, colour[:, None, None] * alpha, atol=1e-12)
    assert picture.z_depth is not None
    assert picture.median_z_depth is not None
    assert torch.allclose(picture.z_depth, 4 * alpha)
    assert torch.equal(picture.median_z_depth, torch.where(1 - alpha <= 0.5, 4.0, 0.0).double())


def test_the_nearer_lies_in_front_whatever_the_order() -> None:
    behind, front = one(z=5.0, opacity=0.9), one(z=3.0, opacity=0.5)
    behind["sh_dc"] = behind["sh_dc"].flip(1)
    pictures = [
        rasterize_reference(**stacked(*pair), view=VIEW).rgb
        for pair in ((behind, front), (front, behind))
    ]
    assert torch.equal(*pictures)
    centre = rasterize_reference(**stacked(behind, front), view=VIEW)
    alone = [rasterize_reference(**part, view=VIEW) for part in (front, behind)]
    expected = alone[0].rgb + (1 - alone[0].opacity) * alone[1].rgb
    assert torch.allclose(centre.rgb, expected, atol=1e-12)


def test_at_equal_depth_the_first_lies_in_front() -> None:
    first, second = one(opacity=0.9), one(opacity=0.9)
    second["sh_dc"] = torch.zeros_like(second["sh_dc"])
    rgb = rasterize_reference(**stacked(first, second), view=VIEW).rgb[:, 11, 15]
    alone = rasterize_reference(**first, view=VIEW)
    expected = alone.rgb + (1 - alone.opacity) * rasterize_reference(**second, view=VIEW).rgb
    assert torch.allclose(rgb, expected[:, 11, 15], atol=1e-12)


def test_a_pixel_ends_with_the_one_that_makes_it_opaque() -> None:
    wide = one(sigma=50.0, opacity=0.9999)  # held at 0.999 all over
    layers = stacked(*({**wide, "means": wide["means"] * (1 + 0.1 * i)} for i in range(4)))
    picture = rasterize_reference(**layers, view=VIEW)
    assert torch.allclose(1 - picture.opacity, torch.tensor(1e-6, dtype=F64), atol=1e-12)
    assert 1e-6 < OPAQUE < 1e-3  # after the first it was open, after the second it was not
    layers["sh_dc"][2:] = 100.0
    assert torch.equal(rasterize_reference(**layers, view=VIEW).rgb, picture.rgb)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = several(60)
    scene["opacity_logits"] += 3
    wants = ("z_depth", "median", "normals")
    whole = rasterize_reference(**scene, view=VIEW, wants=wants)
    monkeypatch.setattr("polyfield.kernels.rasterize.composite_reference.CHUNK", 7)
    monkeypatch.setattr("polyfield.kernels.rasterize.composite_reference.TILE", 5)
    parts = rasterize_reference(**scene, view=VIEW, wants=wants)
    for name in ("rgb", "opacity", "z_depth", "median_z_depth", "normals"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), atol=1e-10), name


@pytest.mark.parametrize("antialiased", [False, True])
def test_gradients(antialiased: bool) -> None:
    scene = several(5, seed=3)
    view = PinholeView(POSE, (14.0, 13.0, 4.0, 3.0), 8, 6)
    turn = rotation_from_axis_angle(torch.tensor([0.05, -0.1, 0.2], dtype=F64))
    pose = torch.cat([turn, torch.tensor([[0.1], [0.05], [0.2]], dtype=F64)], dim=1)
    scene["log_scales"] += 1.2  # wide, so that no pixel lies at the cut of faint ones

    def picture(*inputs: Tensor) -> tuple[Tensor, ...]:
        *values, pose, background = inputs
        drawn = rasterize_reference(
            *values,
            replace(view, camera_from_world=pose),
            background=background,
            antialiased=antialiased,
            wants=("z_depth", "normals"),
        )
        assert drawn.z_depth is not None
        assert drawn.normals is not None
        return drawn.rgb, drawn.opacity, drawn.z_depth, drawn.normals

    inputs = [*(scene[name] for name in NAMES), pose, torch.rand(3, dtype=F64)]
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    assert float(picture(*inputs)[1].detach().min()) > 0.1
    assert torch.autograd.gradcheck(picture, inputs, eps=1e-6, atol=1e-5, rtol=1e-4)


def test_clamped_colours_and_alphas_get_no_gradient() -> None:
    scene = one(opacity=0.9999, sigma=50.0)
    scene["sh_dc"][0, 0] = -10.0
    scene = {name: tensor.requires_grad_() for name, tensor in scene.items()}
    rasterize_reference(**scene, view=VIEW).rgb.sum().backward()
    assert scene["opacity_logits"].grad is not None
    assert scene["sh_dc"].grad is not None
    assert float(scene["opacity_logits"].grad.abs().max()) == 0
    assert float(scene["sh_dc"].grad[0, 0]) == 0
    assert float(scene["sh_dc"].grad[0, 1]) > 0


def test_turning_the_world_with_the_camera_changes_nothing() -> None:
    scene = several(40, k=0)
    turn = rotation_from_axis_angle(torch.tensor([0.3, -1.1, 2.0], dtype=F64))
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
    from_quats = torch.nn.functional.normalize(scene["quats"], dim=1)
    turned = {
        **scene,
        "means": scene["means"] @ turn.T + shift,
        "quats": 3.0 * _times(quaternion_from_rotation(turn), from_quats),
    }
    pose = torch.cat([turn.T, -(turn.T @ shift)[:, None]], dim=1)
    before = rasterize_reference(**scene, view=VIEW)
    after = rasterize_reference(**turned, view=replace(VIEW, camera_from_world=pose))
    assert torch.allclose(before.rgb, after.rgb, atol=1e-9)


def _times(p: Tensor, q: Tensor) -> Tensor:
    pw, px, py, pz = p.unbind(-1)
    w, x, y, z = q.unbind(-1)
    return torch.stack(
        [
            pw * w - px * x - py * y - pz * z,
            pw * x + px * w + py * z - pz * y,
            pw * y - px * z + py * w + pz * x,
            pw * z + px * y - py * x + pz * w,
        ],
        dim=-1,
    )


def test_colours_follow_the_direction_of_view() -> None:
    scene = one()
    scene["sh_rest"] = torch.zeros(1, 3, 3, dtype=F64)
    scene["sh_rest"][0, 2, 0] = 0.5  # red grows towards -x
    scene["means"] = torch.tensor([[-0.5, 0.0, 4.0]], dtype=F64)
    seen = rasterize_reference(**scene, view=VIEW)
    plain = rasterize_reference(**scene, view=VIEW, degree=0)
    along = 0.5 / math.sqrt(0.25 + 16)
    ratio = seen.rgb[0, 12, 9] / plain.rgb[0, 12, 9]
    assert float(ratio) == pytest.approx((0.7 + 0.4886025119029199 * 0.5 * along) / 0.7)
    assert torch.equal(seen.rgb[1:], plain.rgb[1:])


def test_a_thin_gaussian_keeps_its_light_when_antialiased() -> None:
    thin = one(sigma=0.016, opacity=0.9)
    sums = [
        float(rasterize_reference(**thin, view=VIEW, antialiased=a).opacity.sum())
        for a in (False, True)
    ]
    area = 2 * math.pi * 0.9 * (50 * 0.004) * (45 * 0.004)
    assert sums[1] == pytest.approx(area, rel=0.2)
    assert sums[0] > 8 * area


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("means", [0.0, 0.0, -4.0]),
        ("means", [0.0, 0.0, 0.0]),
        ("means", [0.0, 0.0, NEAR]),
        ("means", [math.nan, 0.0, 4.0]),
        ("quats", [0.0, 0.0, 0.0, 0.0]),
        ("log_scales", [0.0, math.inf, 0.0]),
        ("log_scales", [math.nan, 0.0, 0.0]),
        ("opacity_logits", math.nan),
        ("opacity_logits", -6.0),
        ("sh_dc", [0.0, math.inf, 0.0]),
    ],
)
def test_what_cannot_be_drawn_is_left_out(name: str, value: float | list[float]) -> None:
    good, bad = one(), one(z=3.0)
    bad[name][0] = torch.tensor(value, dtype=F64)
    scene = {key: tensor.requires_grad_() for key, tensor in stacked(bad, good).items()}
    statistics = ScreenStatistics()
    picture = rasterize_reference(**scene, view=VIEW, statistics=statistics)
    assert torch.equal(picture.rgb, rasterize_reference(**good, view=VIEW).rgb)
    assert picture.visible is not None
    assert picture.visible.tolist() == [False, True]
    assert statistics.radii is not None
    assert float(statistics.radii[0]) == 0
    picture.rgb.sum().backward()
    for tensor in scene.values():
        assert tensor.grad is not None
        assert bool(tensor.grad.isfinite().all())
        assert not bool(tensor.grad[0].any())


def test_nothing_shows_the_background() -> None:
    scene = {name: tensor[:0] for name, tensor in one().items()}
    behind = torch.tensor([0.2, 0.4, 0.6], dtype=F64, requires_grad=True)
    wants = ("z_depth", "median", "normals")
    picture = rasterize_reference(**scene, view=VIEW, background=behind, wants=wants)
    assert torch.equal(picture.rgb, behind[:, None, None].expand(3, 24, 32))
    assert not bool(picture.opacity.any())
    picture.rgb.sum().backward()
    assert behind.grad is not None
    assert behind.grad.tolist() == [24 * 32] * 3
    bare = rasterize_reference(**scene, view=VIEW)
    assert not bool(bare.rgb.any())
    assert bare.z_depth is None
    assert bare.normals is None


def test_radii_are_the_longer_half_axes_of_what_is_drawn() -> None:
    statistics = ScreenStatistics()
    picture = rasterize_reference(**one(sigma=0.3), view=VIEW, statistics=statistics)
    expected = math.sqrt(2 * math.log(255 * 0.6) * ((50 * 0.3 / 4) ** 2 + BLUR))
    assert statistics.radii is not None
    assert float(statistics.radii) == pytest.approx(expected)
    row = picture.opacity[12] > 0
    assert float(row.sum()) == pytest.approx(2 * expected, abs=2)


def test_outside_the_picture_a_gaussian_is_not_visible() -> None:
    scene = one()
    scene["means"][0, 0] = 100.0
    statistics = ScreenStatistics()
    picture = rasterize_reference(**scene, view=VIEW, statistics=statistics)
    assert statistics.radii is not None
    assert float(statistics.radii) == 0
    assert picture.visible is not None
    assert not bool(picture.visible.any())


def test_statistics_hold_the_gradients_of_centres() -> None:
    scene = {name: tensor.requires_grad_() for name, tensor in several(6, k=0).items()}
    statistics = ScreenStatistics()
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(3, 24, 32, generator=generator, dtype=F64)

    def loss(cx: float) -> Tensor:
        view = replace(VIEW, intrinsics=(50.0, 45.0, cx, 12.0))
        return (rasterize_reference(**scene, view=view, statistics=statistics).rgb * weights).sum()

    slope = float(loss(16.0 + 1e-6).detach() - loss(16.0 - 1e-6).detach()) / 2e-6
    loss(16.0).backward()
    assert statistics.gradients is not None
    assert statistics.absolute is not None
    assert float(statistics.gradients[:, 0].sum()) == pytest.approx(slope, rel=1e-3)
    assert bool((statistics.absolute >= statistics.gradients.abs()).all())
    assert float(statistics.absolute.min()) > 0


def test_normals_look_at_the_camera() -> None:
    flat = one(opacity=0.9)
    flat["log_scales"][0] = torch.log(torch.tensor([0.3, 0.3, 0.01], dtype=F64))
    turn = rotation_from_axis_angle(torch.tensor([0.4, 0.0, 0.0], dtype=F64))
    flat["quats"][0] = quaternion_from_rotation(turn)
    picture = rasterize_reference(**flat, view=VIEW, wants=("normals",))
    assert picture.normals is not None
    at = picture.normals[:, 12, 16] / picture.opacity[12, 16]
    assert torch.allclose(at, -turn[:, 2])


@pytest.mark.parametrize(("key", "value"), [("degree", 2), ("wants", ("colour",))])
def test_what_does_not_exist_is_refused(key: str, value: object) -> None:
    scene = several(2)
    with pytest.raises(InputError, match=key):
        rasterize_reference(**scene, view=VIEW, **{key: value})
