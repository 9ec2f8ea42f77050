"""How a scene leaves the library: so far as videos, signals, Gaussians and meshes.

`video` writes pictures as mp4, `grids` pictures, sounds and volumes, `splats` Gaussians, `meshes`
surfaces.
"""

from polyfield.export.video import write_video

__all__ = ["write_video"]
