"""Camera models, rays and poses: what datasets and renderers share.

Camera axes are +x right, +y down, +z forward; the centre of the first pixel is (0.5, 0.5).
"""

from polyfield.cameras.cameras import Cameras, concatenate
from polyfield.cameras.models import Model
from polyfield.cameras.rays import Rays

__all__ = ["Cameras", "Model", "Rays", "concatenate"]
