"""The files in which Gaussians travel.

`Splats` are plain arrays in the frame of a file; one module a format reads and writes them.
"""

from polyfield.splats.splats import Splats

__all__ = ["Splats"]
