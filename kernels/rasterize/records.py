"""What the rasteriser is given and what it gives.

Letters: n Gaussians, k harmonics beyond the first, h, w pixels. Pictures are planar, [c,h,w], as
the kernels write them and as image losses read them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

NEAR = 0.01  # least z of a centre, world units
BLUR = 0.3  # added to the diagonal of a projected covariance, pixels squared
LEAST_ALPHA = 1 / 255  # what is fainter in a pixel is left out
MOST_ALPHA = 0.999
OPAQUE = 1e-4  # a pixel is done when its transmittance falls below
# What is counted as not finite: colours, logarithms and pixels beyond, and lengths, of quaternions
# and of the way to a centre, whose squares are; and how short a quaternion counts as zero. The
# compiled rasteriser and the plain one draw the same lines, float32 or not.
BEYOND, LONG, SHORT = 1e30, 1e15, 1e-12
# Of surfels alone: a disk is edge-on below this cosine, or above so many units of it a pixel; and
# what is drawn of one has no ends in the picture where 1 - (rise of z along it / z)^2 is below.
EDGE, SHARPEST, HORIZON = 1e-5, 1e12, 0.01


@dataclass(frozen=True)
class PinholeView:
    """One camera without distortion.

    Attributes:
        camera_from_world: [3,4]; +x right, +y down, +z forward.
        intrinsics: fx, fy, cx, cy in pixels; the centre of the first pixel is (0.5, 0.5).
        width, height: in pixels.
    """

    camera_from_world: Float[Tensor, "3 4"]
    intrinsics: tuple[float, float, float, float]
    width: int
    height: int


@dataclass
class ScreenStatistics:
    """What densification asks of a training step; filled in by forward and backward passes.

    Attributes:
        radii: [n] pixels, the longer half-axis of what is drawn of a Gaussian; 0 for one that is
            not in the picture. Filled by the forward pass.
        gradients: [n,2] of the loss with respect to a centre's position in the picture, per pixel.
        absolute: [n,2] the same, summed over pixels without their signs (AbsGS, Ye et al. 2024).
            Both are filled by the backward pass.
        magnitudes: whether `absolute` is wanted, which costs a little more.
    """

    radii: Float[Tensor, " n"] | None = None
    gradients: Float[Tensor, "n 2"] | None = None
    absolute: Float[Tensor, "n 2"] | None = None
    magnitudes: bool = True


@dataclass
class Rasterized:
    """A picture. Sums over Gaussians are of weight = alpha x transmittance before it.

    Attributes:
        rgb: [3,h,w] with the background behind; not clamped above.
        opacity: [h,w] in [0, 1].
        z_depth: [h,w] sum of weight x z (not divided by opacity), of centres where these are
            Gaussians, of what the pixel's ray meets where they are surfels; None if not asked.
        median_z_depth: [h,w] z of the one at which transmittance falls to one half or less; 0
            where it never does.
        normals: [3,h,w] sum of weight x unit normal, in the world; a Gaussian's normal is its
            shortest axis, a surfel's its third, turned towards the camera.
        distortion: [h,w] of surfels only: 2 sum over i of w_i sum over j < i of w_j (m_i - m_j), in
            the order of centres, so that it is the sum over all pairs of w_i w_j |m_i - m_j|
            wherever depths in a pixel have that order. m = 1 - r / z: normalised device coordinates
            with the near plane at r, the mean z of the picture, taken as a constant, and the far
            one nowhere; which is free of the scene's scale.
        visible: [n] whether what is drawn of each reaches into the picture.
    """

    rgb: Float[Tensor, "3 h w"]
    opacity: Float[Tensor, "h w"]
    z_depth: Float[Tensor, "h w"] | None = None
    median_z_depth: Float[Tensor, "h w"] | None = None
    normals: Float[Tensor, "3 h w"] | None = None
    distortion: Float[Tensor, "h w"] | None = None
    visible: Bool[Tensor, " n"] | None = None
