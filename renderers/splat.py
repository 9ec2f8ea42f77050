"""Whole pictures of Gaussians.

Letters: h, w pixels; z along the optical axis, t along a ray.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.cameras.rays import Rays
from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians
from polyfield.kernels.rasterize.backends import check_backend
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import NEAR, PinholeView, Rasterized, ScreenStatistics
from polyfield.renderers.image import SURFACE, check_modes
from polyfield.renderers.render import Render

WANTED = {"normal": "normals", "median": "median"}  # by mode, what the rasteriser calls it


class SplatRenderer(nn.Module):
    """Gaussians laid one behind the other, from the nearest to the farthest.

    Args:
        field: the Gaussians.
        near: least distance along the optical axis of a centre, world units.
        backend: who draws, see `rasterize`: "auto", "own" or "gsplat".
    """

    whole = True  # what reaches over an edge of a picture is drawn less exactly: no parts of one

    def __init__(self, field: Gaussians, near: float = NEAR, backend: str = "auto") -> None:
        super().__init__()
        check_backend(backend)
        if not 0 < near < float("inf"):
            raise InputError(field="renderer.near", found=near, expected="a distance above 0")
        if not isinstance(field, Gaussians):
            found = f"splat, and {type(field).__name__}"
            raise InputError(field="renderer", found=found, expected="field=gaussians")
        self.field, self.near, self.backend = field, near, backend
        self.picture_box: Tensor | None = None  # [2,3] corners in the world of what pictures show

    def forward(self, rays: Rays, background: Tensor | None = None, **_: Any) -> Render:
        """Refused: what a ray meets is known of whole pictures alone.

        Raises:
            InputError: always.
        """
        raise InputError(
            "Gaussians are drawn as whole pictures",
            field="renderer",
            found="rays",
            expected="a camera: `image`",
        )

    def surface_normals(self, rays: Rays, depth: Tensor) -> Tensor:
        """Refused as `forward`; `image` knows normals."""
        return self(rays).rgb

    def draw(
        self,
        view: PinholeView,
        background: Float[Tensor, "3"] | None = None,
        wants: Collection[str] = (),
        statistics: ScreenStatistics | None = None,
    ) -> Rasterized:
        """A picture with gradients; see `kernels.rasterize`."""
        field = self.field
        return rasterize(
            **self._drawn_tensors(),
            view=view,
            background=background,
            degree=int(field.active),
            antialiased=field.antialiased,
            near=self.near,
            wants=wants,
            statistics=statistics,
            primitive=field.primitive,
            backend=self.backend,
        )

    def _drawn_tensors(self) -> dict[str, Tensor]:
        """The parameters by name, of Gaussians in `picture_box` alone where there is one."""
        tensors: dict[str, Tensor] = dict(self.field.tensors)
        if self.picture_box is None:
            return tensors
        lower, upper = self.picture_box.to(self.field.means)
        means = self.field.means
        inside = ((means >= lower) & (means <= upper)).all(dim=1)
        return {name: tensor[inside] for name, tensor in tensors.items()}

    @torch.no_grad()
    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Float[Tensor, "3"] | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Float[Tensor, " a"] | None = None,
    ) -> Render:
        """The whole picture of camera i, [h, w, ...].

        Opacity is 1 - the transmittance behind all; depth the mean distance along the ray of the
        centres, of surfels of where the ray meets them, weighed as colours are.

        Args:
            background: sRGB behind everything; None for black.
            modes: what the picture is for, of `image.MODES`.
            appearance: an exposure, [12], of the Gaussians and not of the background: see
                `exposed`; None for none.

        Raises:
            InputError: for a mode that there is not, or a camera with a distorting lens.
        """
        check_modes(modes)
        view = view_of(cameras, i, like=self.field.means)
        wants = ["z_depth"] + [WANTED[mode] for mode in modes if mode in WANTED]
        drawn = self.draw(view, background if appearance is None else None, wants)
        assert drawn.z_depth is not None
        rgb = drawn.rgb
        if appearance is not None:
            rgb = exposed(drawn, appearance.view(3, 4), background)
        hit = drawn.opacity > 0
        cosines, median = axis_cosines(view), drawn.median_z_depth
        depth = drawn.z_depth / drawn.opacity.clamp(min=1e-10) / cosines
        extras = {"n_samples": 0 if drawn.visible is None else int(drawn.visible.sum())}
        return Render(
            rgb=rgb.permute(1, 2, 0).clamp(0, 1).contiguous(),
            opacity=drawn.opacity,
            depth=torch.where(hit, depth, 0.0),
            median_depth=None if median is None else median / cosines,
            normals=None if drawn.normals is None else _unit(drawn.normals, drawn.opacity),
            extras=extras,
        )

    def update(self, step: int, generator: torch.Generator | None = None) -> None:
        """Nothing is refreshed between steps."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Those of the Gaussians."""
        return self.field.parameter_groups()

    def regularization(self) -> Tensor:
        """That of the Gaussians."""
        return self.field.regularization()


def view_of(
    cameras: Cameras,
    i: int,
    like: Tensor,
    camera_from_world: Float[Tensor, "3 4"] | None = None,
) -> PinholeView:
    """Camera i as the rasteriser takes it.

    Args:
        like: of the type and on the device that the pose is to have.
        camera_from_world: in the place of the camera's own pose.

    Raises:
        InputError: for a camera that is no pinhole.
    """
    i = range(len(cameras))[i]
    model = Model(int(cameras.model[i]))
    straight = model == Model.OPENCV and not bool(cameras.distortion[i].any())
    if not (model == Model.PINHOLE or straight):
        raise InputError(
            field=f"camera {i}: model",
            found=model.name + (" with distortion" if model == Model.OPENCV else ""),
            expected="a pinhole camera, where Gaussians are drawn",
            hint="photos are undistorted by dataset.undistort=true, as field=gaussians has it",
        )
    if camera_from_world is None:
        camera_from_world = inverse_pose(cameras.world_from_camera[i])
    fx, fy, cx, cy = cameras.intrinsics[i].tolist()
    width, height = cameras.size[i].tolist()
    return PinholeView(camera_from_world.to(like), (fx, fy, cx, cy), width, height)


def inverse_pose(pose: Float[Tensor, "3 4"]) -> Float[Tensor, "3 4"]:
    """World from camera as camera from world, and the reverse."""
    turn = pose[:, :3].T
    return torch.cat([turn, -turn @ pose[:, 3:]], dim=1)


def axis_cosines(view: PinholeView) -> Float[Tensor, "h w"]:
    """Cosines between the rays of pixel centres and the optical axis: z = t times this."""
    fx, fy, cx, cy = view.intrinsics
    like = view.camera_from_world.detach()
    u = (torch.arange(view.width).to(like) + 0.5 - cx) / fx
    v = (torch.arange(view.height).to(like) + 0.5 - cy) / fy
    return (1 + u[None, :] ** 2 + v[:, None] ** 2).rsqrt()


def exposed(
    drawn: Rasterized, exposure: Float[Tensor, "3 4"], background: Float[Tensor, "3"] | None = None
) -> Float[Tensor, "3 h w"]:
    """A picture in other light: of what it shows, colours c become A c + b; what is behind stays.

    The background is what a picture is laid on, not what a photo saw: photos with alpha are laid on
    it as it is, and what is exported in this light has none.

    Args:
        drawn: on black.
        exposure: [A | b].
        background: sRGB, to be laid behind; None for black.
    """
    mapped = torch.einsum("ij,jhw->ihw", exposure[:, :3], drawn.rgb)
    mapped = mapped + exposure[:, 3, None, None] * drawn.opacity
    if background is None:
        return mapped
    return mapped + background[:, None, None] * (1 - drawn.opacity)


def _unit(normals: Float[Tensor, "3 h w"], opacity: Float[Tensor, "h w"]) -> Tensor:
    """[h,w,3] of unit length, zero where no surface was met."""
    unit = torch.nn.functional.normalize(normals, dim=0) * (opacity > SURFACE)
    return unit.permute(1, 2, 0).contiguous()
