"""What makes splats lie on surfaces (2DGS, Huang et al. 2024, section 4.2): terms of a loss.

Letters: h, w pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels.rasterize.records import PinholeView, Rasterized
from polyfield.training import losses
from polyfield.training.photo_task import check_weights

CONSISTENCY = 0.05  # of surfels, where nothing is said


@dataclass(frozen=True)
class SurfaceTerms:
    """Weights, and shares of the training from which they count.

    Attributes:
        distortion: of the distortion of depths in a pixel, see `Rasterized`; of surfels alone.
        consistency: of the difference between normals and those of the depths.
    """

    distortion: float
    distortion_start: float
    consistency: float
    consistency_start: float

    @property
    def stages(self) -> list[float]:
        """The shares of the training at which something else is wanted."""
        starts = sorted({self.distortion_start, self.consistency_start})
        before = [set[str](), *map(self.wants, starts)]
        return [start for start, old in zip(starts, before) if self.wants(start) != old]

    def wants(self, progress: float) -> set[str]:
        """What of a picture is needed at some share of the training."""
        wanted: set[str] = set()
        if self.distortion and progress >= self.distortion_start:
            wanted.add("distortion")
        if self.consistency and progress >= self.consistency_start:
            wanted |= {"z_depth", "normals"}
        return wanted

    def terms(self, drawn: Rasterized, view: PinholeView, progress: float) -> dict[str, Tensor]:
        """The weighted terms by name, of a picture with what is wanted."""
        found, wanted = {}, self.wants(progress)
        if "distortion" in wanted:
            assert drawn.distortion is not None
            found["surfel_distortion"] = self.distortion * drawn.distortion.mean()
        if "normals" in wanted:
            assert drawn.z_depth is not None
            assert drawn.normals is not None
            z = drawn.z_depth / drawn.opacity.clamp(min=1e-10)
            error = losses.normal_consistency(drawn.normals, z, drawn.opacity, view)
            found["normal_consistency"] = self.consistency * error
        return found


def surface_terms(
    primitive: str,
    distortion: float,
    distortion_start: float,
    consistency: float | None,
    consistency_start: float,
) -> SurfaceTerms:
    """The terms of a task's settings; `consistency` of None is 0.05 for surfels, else 0.

    Raises:
        InputError: for a weight below 0, a share that is none, or distortion of Gaussians.
    """
    if consistency is None:
        consistency = CONSISTENCY if primitive == "surfels" else 0.0
    check_weights({"surfel_distortion": distortion, "normal_consistency": consistency})
    starts = {
        "surfel_distortion_start": distortion_start,
        "normal_consistency_start": consistency_start,
    }
    for name, share in starts.items():
        if not 0 <= share <= 1:
            expected = "a share of the training, 0 to 1"
            raise InputError(field=f"task.{name}", found=share, expected=expected)
    if distortion and primitive != "surfels":
        found = f"{distortion:g}, and {primitive}"
        expected = "0, or field.primitive=surfels"
        raise InputError(field="task.surfel_distortion", found=found, expected=expected)
    return SurfaceTerms(distortion, distortion_start, consistency, consistency_start)
