"""How far cameras are from where others say that they are, but for the choice of a frame.

Source: Umeyama 1991, Least-squares estimation of transformation parameters between two point
patterns. Letters: n cameras.
"""

from __future__ import annotations

import numpy as np


def aligned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points [n,3] moved by the similarity that brings them closest to `target` [n,3]."""
    a, b = points - points.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (s * sign).sum() / (a**2).sum()
    return np.asarray(scale * a @ ((u * sign) @ vt).T + target.mean(0))


def pose_errors(positions: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distances [n] of camera positions [n,3] from the true ones, after alignment.

    In units of the extent of the truth: the diagonal of the box that holds it.
    """
    extent = np.linalg.norm(np.ptp(truth, axis=0))
    return np.asarray(np.linalg.norm(aligned(positions, truth) - truth, axis=1) / extent)
