"""How the world comes in: one loader per format, all giving the same Scene.

`load` is the way in. A loader reads its format into a `Capture`; `stacks`, `splits` and `frame` do
what all have in common. `pixels` draws batches of rays from a Scene, `photos` whole pictures;
`undistort` makes pinholes of its cameras.
"""

from polyfield.datasets.describe import describe
from polyfield.datasets.images import Images
from polyfield.datasets.load import load_scene
from polyfield.datasets.photos import Photo, PlanarPhotos
from polyfield.datasets.pixels import PixelSampler, RayBatch
from polyfield.datasets.scene import Scene
from polyfield.datasets.undistort import undistorted

__all__ = [
    "Images",
    "Photo",
    "PixelSampler",
    "PlanarPhotos",
    "RayBatch",
    "Scene",
    "describe",
    "load_scene",
    "undistorted",
]
