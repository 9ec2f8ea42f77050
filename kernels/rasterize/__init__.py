"""Gaussians to pixels: projection, colour, binning, compositing, and the backward of all of it."""
