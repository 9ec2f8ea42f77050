"""`polyfield export format=pointcloud`: points on surfaces."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.commands.moments import one_moment
from polyfield.commands.opening import open_task, stands_for_run
from polyfield.commands.text import facts, size
from polyfield.errors import InputError
from polyfield.export.out_file import check_out, check_suffix
from polyfield.export.point_clouds import PointCloud, seen_points, thinned
from polyfield.export.point_files import SUFFIXES, write_points
from polyfield.export.shape_points import shape_points
from polyfield.export.splats import checked_frame
from polyfield.training.photo_task import PhotoTask
from polyfield.training.shape import OccupancyTask, ShapeTask

VOXEL_POINTS = 1 << 20  # of a shape, that voxels are filled with


def write(config: dict[str, Any], out: Path) -> None:
    """Write points and say how many."""
    began = time.perf_counter()
    check_suffix(out, SUFFIXES)
    check_out(out, config["overwrite"])
    frame = checked_frame(config["frame"])
    if stands_for_run(config) is not None:
        hint = "polyfield convert, or format=splat, writes its Gaussians"
        raise InputError("a file of Gaussians has no views", file=config["run"], hint=hint)
    task = open_task(config, recorded=True)
    cloud, T_source_from_world = _points(task, config, frame)
    if frame == "source":
        cloud = cloud.transformed(T_source_from_world)
    write_points(cloud, out)
    seconds = time.perf_counter() - began
    places = cloud.positions.astype(np.float64).round(4)
    low, high = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    lines = {
        "points": f"{len(cloud):,}, of confidence {cloud.confidence.mean():.2f} in the mean",
        "bounds": f"{low} to {high}",
        "written": f"{out}: {size(out.stat().st_size)}, in {seconds:.1f} s",
    }
    print(facts(lines))


def _points(task: Any, config: dict[str, Any], frame: str) -> tuple[PointCloud, np.ndarray]:
    """The points in the world, and the way from there to the frame of the data."""
    voxel = config["voxel"]
    if isinstance(task, PhotoTask):
        T = task.scene.source_from_world.double().numpy()
        edge = _world_edge(voxel, T, frame)
        settings = {key: config[key] for key in ("views", "outliers")}
        settings["time"] = one_moment(config["time"])
        return seen_points(task, config["points"], edge, **settings), T
    if not isinstance(task, ShapeTask):
        found, expected = type(task).__name__, "a run with surfaces: photos or a shape"
        raise InputError(file=config["run"], field="run", found=found, expected=expected)
    if config["time"] is not None:
        raise InputError("does not fit", field="time", found="a run that learned a shape")
    T = np.asarray(task.mesh.source_from_world, np.float64)
    # A distance is negative inside, the logit of an occupancy positive.
    sign = -1 if isinstance(task, OccupancyTask) else 1
    edge = _world_edge(voxel, T, frame)
    count = config["points"] if edge is None else VOXEL_POINTS
    cloud = shape_points(lambda x: sign * task.raw(x), count, config["outliers"])
    return (cloud if edge is None else thinned(cloud, edge)), T


def _world_edge(voxel: float | None, T: np.ndarray, frame: str) -> float | None:
    """The edge of a voxel in the world; it is given in the frame that is written."""
    if voxel is None:
        return None
    if not 0 < voxel < float("inf"):
        raise InputError(field="voxel", found=voxel, expected="above 0, in the units of FILE")
    scale = np.cbrt(abs(np.linalg.det(T[:3, :3]))) if frame == "source" else 1.0
    return float(voxel / scale)
