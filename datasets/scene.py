"""What every loader gives: posed images in a normalised world frame, and the way back.

Letters: n images, m sparse points. Camera axes are OpenCV's (+x right, +y down, +z forward), pixel
centres lie at +0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.datasets.images import Images
from polyfield.errors import InputError

BACKGROUNDS = ("white", "black", "random", "learned", "none")


@dataclass
class Scene:
    """Posed images of one place.

    Attributes:
        cameras: of all n images, in the normalised world frame; with times where it moves.
        images: uint8, c = 3, or 4 where they have (straight) alpha.
        splits: image numbers by split: "train", "test", sometimes "val"; disjoint.
        source_from_world: similarity from the normalised world to the frame and scale of the
            user's files.
        background: what alpha means: white|black|random|learned say what images with alpha are
            composited on; none says that colours are final.
        bounds: the box (min, max) in the world in which the contents of interest lie.
        unbounded: True for photos of real places, where contraction is sensible; False for an
            object in a box.
        near_far: sensible distances along rays, in world units.
        points: sparse points, world.
        point_colors: their sRGB colours.
        point_views: which image saw which point, as pairs (point, image).
        depths: float32 z-depth maps [h,w,1] in world units, 0 where unknown.
        normals: float32 [h,w,3], unit outward normals of what a pixel shows, in the world; 0 where
            unknown.
        masks: uint8 [h,w,1], 0 where a pixel says nothing and must be ignored.
        format: the loader's name.
        path: where it was read from.
    """

    cameras: Cameras
    images: Images
    splits: dict[str, Int[Tensor, " k"]]
    source_from_world: Float[Tensor, "4 4"]
    background: str
    bounds: Float[Tensor, "2 3"]
    unbounded: bool
    near_far: tuple[float, float]
    points: Float[Tensor, "m 3"] | None = None
    point_colors: UInt8[Tensor, "m 3"] | None = None
    point_views: Int[Tensor, "v 2"] | None = None
    depths: Images | None = None
    normals: Images | None = None
    masks: Images | None = None
    format: str = "memory"
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise InputError(
                field="background", found=self.background, expected=" or ".join(BACKGROUNDS)
            )
        for field in ("images", "depths", "normals", "masks"):
            stack = getattr(self, field)
            if stack is not None and stack.sizes.tolist() != self.cameras.size.tolist():
                raise InputError(
                    field=field,
                    found=f"{len(stack)} of sizes {stack.sizes[:3].tolist()}...",
                    expected=f"the cameras' {len(self)}: {self.cameras.size[:3].tolist()}...",
                )
        used = torch.cat([torch.as_tensor(part) for part in self.splits.values()])
        if len(used.unique()) != len(used) or not ((used >= 0) & (used < len(self))).all():
            raise InputError(
                field="splits",
                found={name: part.tolist() for name, part in self.splits.items()},
                expected=f"disjoint sets of image numbers below {len(self)}",
            )

    @property
    def times(self) -> Float[Tensor, " n"] | None:
        """When each image was taken, in [0, 1]; None where nothing moves."""
        return self.cameras.times

    def __len__(self) -> int:
        """How many images."""
        return len(self.cameras)
