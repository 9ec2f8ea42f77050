"""The public rasteriser: one signature, a twin for each device."""

from polyfield.kernels.rasterize.reference import rasterize_reference as rasterize

__all__ = ["rasterize"]
