"""polyfield: neural fields and 3D reconstruction, interchangeable and fast on a plain CPU."""

from polyfield.version import __version__

__all__ = ["__version__"]
