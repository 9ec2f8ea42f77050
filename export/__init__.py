"""How a scene leaves the library: so far as videos.

`video` writes pictures as mp4.
"""

from polyfield.export.video import write_video

__all__ = ["write_video"]
