"""How a scene leaves the library: so far as videos, signals and files of Gaussians.

`video` writes pictures as mp4, `grids` pictures, sounds and volumes, `splats` Gaussians.
"""

from polyfield.export.video import write_video

__all__ = ["write_video"]
