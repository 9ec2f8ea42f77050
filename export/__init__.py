"""How a scene leaves the library: pictures and videos.

`pictures` makes 8-bit images of what a renderer returns, `video` writes them as mp4.
"""

from polyfield.export.pictures import depth_picture, normal_picture, picture, write_picture
from polyfield.export.video import write_video

__all__ = ["depth_picture", "normal_picture", "picture", "write_picture", "write_video"]
