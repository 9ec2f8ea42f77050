"""Scenes into small files and back: Gaussians in the manner of NeuralGS.

    importance -> pruned -> clusters -> networks, fitted -> tuned through the rasteriser -> .ngs

`neural_splats.compress` is all of it, `neural_file` the file; docs/splat_compression.md says why.
"""
