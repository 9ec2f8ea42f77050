"""How the world comes in: one loader per format, all giving the same Scene.

`load` is the way in. A loader reads its format into a `Capture`; `stacks`, `splits` and `frame` do
what all have in common. `pixels` draws batches of rays from a Scene.
"""

from polyfield.datasets.describe import describe
from polyfield.datasets.images import Images
from polyfield.datasets.load import load_scene
from polyfield.datasets.pixels import PixelSampler, RayBatch
from polyfield.datasets.scene import Scene

__all__ = ["Images", "PixelSampler", "RayBatch", "Scene", "describe", "load_scene"]
