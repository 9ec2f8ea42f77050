"""Pictures of triangles with colours or a texture: what a mesh that was exported shows.

Letters: h, w pixels; n vertices, m triangles, s x s samples a pixel; t distance along a ray.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.errors import InputError
from polyfield.kernels.mesh_raster import Seen, mesh_raster
from polyfield.renderers.image import check_modes
from polyfield.renderers.render import Render
from polyfield.renderers.splat import axis_cosines, inverse_pose, view_of

GREY = 0.7  # of a surface that has no colours


class MeshRenderer:
    """A surface as pictures, its colours as they are: without any light.

    Args:
        vertices: world.
        faces: corners.
        colors: sRGB of the vertices in [0, 1].
        uvs: of the vertices, (0, 0) the lower left corner of the texture.
        texture: sRGB, the upper row first; with `uvs`, and in the place of colours.
        normals: unit, of the vertices; those of the triangles where there are none.
        samples: s, an axis: a pixel is the mean of s x s.
    """

    def __init__(
        self,
        vertices: Float[np.ndarray, "n 3"],
        faces: Int[np.ndarray, "m 3"],
        *,
        colors: Float[np.ndarray, "n 3"] | None = None,
        uvs: Float[np.ndarray, "n 2"] | None = None,
        texture: UInt8[np.ndarray, "th tw 3"] | None = None,
        normals: Float[np.ndarray, "n 3"] | None = None,
        samples: int = 3,
    ) -> None:
        if samples < 1:
            raise InputError(field="samples", found=samples, expected="1 or more")
        self.vertices, self.faces, self.colors = vertices, faces, colors
        self.uvs, self.texture, self.normals = uvs, texture, normals
        self.samples = samples

    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Float[Tensor, "3"] | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render:
        """The whole picture of camera i, [h, w, ...].

        Args:
            background: sRGB behind everything; None for black.
            modes: what the picture is for, of `image.MODES`.
            appearance: none is known.

        Raises:
            InputError: for a mode that there is not, or a camera with a distorting lens.
        """
        check_modes(modes)
        s = self.samples
        fine = cameras[i]
        view = view_of(fine.scaled(s), 0, like=torch.zeros((), dtype=torch.float64))
        pose = inverse_pose(fine.world_from_camera[0]).numpy()
        size = (view.width, view.height)
        seen = mesh_raster(self.vertices, self.faces, pose, view.intrinsics, size)
        hit = seen.face >= 0
        rgb = np.zeros((*hit.shape, 3), np.float32)
        rgb[hit] = self._colors(seen, hit)
        depth = (np.where(hit, seen.z_depth, 0) / axis_cosines(view).numpy()).astype(np.float32)
        opacity = _mean(hit[..., None].astype(np.float32), s)[..., 0]
        color = torch.from_numpy(_mean(rgb, s))
        if background is not None:
            color = color + torch.from_numpy(1 - opacity)[..., None] * background
        normals = self._normals(seen, hit, s) if "normal" in modes else None
        return Render(
            rgb=color.float().clamp(0, 1),
            opacity=torch.from_numpy(opacity),
            depth=torch.from_numpy(
                _mean(depth[..., None], s)[..., 0] / opacity.clip(1e-10)
            ).float(),
            normals=normals,
            extras={"n_samples": int(hit.sum())},
        )

    def _colors(self, seen: Seen, hit: np.ndarray) -> Float[np.ndarray, "p 3"]:
        if self.texture is not None and self.uvs is not None:
            return sampled(self.texture, self._mixed(self.uvs, seen, hit))
        if self.colors is not None:
            return self._mixed(self.colors, seen, hit)
        return np.full((int(hit.sum()), 3), GREY, np.float32)

    def _normals(self, seen: Seen, hit: np.ndarray, s: int) -> Float[Tensor, "h w 3"]:
        corners = self.vertices[self.faces[seen.face[hit]]]
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        found = flat if self.normals is None else self._mixed(self.normals, seen, hit)
        length = np.linalg.norm(found, axis=-1, keepdims=True)
        normals = np.zeros((*hit.shape, 3), np.float32)
        normals[hit] = found / length.clip(1e-30)
        return torch.nn.functional.normalize(torch.from_numpy(_mean(normals, s)), dim=-1)

    def _mixed(
        self, values: Float[np.ndarray, "n c"], seen: Seen, hit: np.ndarray
    ) -> Float[np.ndarray, "p c"]:
        """Values of the vertices where pixels have hit triangles."""
        first, second = seen.weights[hit].T
        b = np.stack([first, second, 1 - first - second], axis=1)
        return np.einsum("pk,pkc->pc", b, values[self.faces[seen.face[hit]]])


def sampled(
    texture: UInt8[np.ndarray, "h w 3"], uvs: Float[np.ndarray, "p 2"]
) -> Float[np.ndarray, "p 3"]:
    """Colours of a texture in [0, 1] by bilinear filtering, its border going on for ever.

    Args:
        uvs: (0, 0) the lower left corner.
    """
    h, w = texture.shape[:2]
    x = np.clip(uvs[:, 0] * w - 0.5, 0, w - 1)
    y = np.clip((1 - uvs[:, 1]) * h - 0.5, 0, h - 1)
    left, top = np.minimum(x.astype(int), max(w - 2, 0)), np.minimum(y.astype(int), max(h - 2, 0))
    right, bottom = np.minimum(left + 1, w - 1), np.minimum(top + 1, h - 1)
    a, b = (x - left)[:, None], (y - top)[:, None]
    above = (1 - a) * texture[top, left] + a * texture[top, right]
    below = (1 - a) * texture[bottom, left] + a * texture[bottom, right]
    mixed: np.ndarray = ((1 - b) * above + b * below) / 255
    return mixed.astype(np.float32)


def _mean(samples: Float[np.ndarray, "sh sw c"], s: int) -> Float[np.ndarray, "h w c"]:
    """Means of blocks of s x s."""
    h, w, c = samples.shape
    mean: np.ndarray = samples.reshape(h // s, s, w // s, s, c).mean(axis=(1, 3))
    return mean.astype(np.float32)
