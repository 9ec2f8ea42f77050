"""Camera models, rays and poses: what datasets and renderers share.

Camera axes are +x right, +y down, +z forward; the centre of the first pixel is (0.5, 0.5).
"""

from polyfield.cameras.cameras import Cameras, concatenate
from polyfield.cameras.files import cameras_from_dict, load_cameras, save_cameras
from polyfield.cameras.models import Model
from polyfield.cameras.paths import interpolate, orbit, spiral
from polyfield.cameras.rays import Rays

__all__ = [
    "Cameras",
    "Model",
    "Rays",
    "cameras_from_dict",
    "concatenate",
    "interpolate",
    "load_cameras",
    "orbit",
    "save_cameras",
    "spiral",
]
