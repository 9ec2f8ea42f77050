"""Files of points: .ply, .pcd, .xyz and .npz.

Letters: n points.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.durable import replacing, write_file
from polyfield.errors import InputError
from polyfield.export.point_clouds import PointCloud

SUFFIXES = (".ply", ".pcd", ".xyz", ".npz")
KINDS = {"f": "float", "u": "uchar"}


def write_points(cloud: PointCloud, path: Path) -> None:
    """Write points in the format that the name tells; the file has its name only when it is whole.

    `.ply` (binary, little-endian) has x y z, nx ny nz, red green blue and confidence; `.pcd` the
    same with packed colours; `.npz` the arrays positions, normals, colors, confidence; `.xyz` lines
    of position, colour and normal.

    Raises:
        InputError: for a name of another kind, and for no points.
        OSError: for a file that cannot be written.
    """
    writers = {".ply": _ply, ".pcd": _pcd, ".xyz": _xyz, ".npz": _npz}
    suffix = path.suffix.lower()
    if suffix not in writers:
        raise InputError(file=path, expected=f"a name that ends in one of {', '.join(SUFFIXES)}")
    if not len(cloud):
        raise InputError("no points to write", file=path)
    data = writers[suffix](cloud)
    with replacing(path) as temporary:
        write_file(temporary, [data])


def _columns(cloud: PointCloud) -> list[tuple[str, np.ndarray]]:
    """Of float32, and colours of uint8."""
    columns = list(zip("xyz", cloud.positions.astype("<f4").T))
    columns += list(zip(("nx", "ny", "nz"), cloud.normals.astype("<f4").T))
    if cloud.colors is not None:
        columns += list(zip(("red", "green", "blue"), cloud.colors.T))
    return [*columns, ("confidence", cloud.confidence.astype("<f4"))]


def _rows(columns: list[tuple[str, np.ndarray]]) -> bytes:
    rows = np.empty(len(columns[0][1]), [(name, values.dtype) for name, values in columns])
    for name, values in columns:
        rows[name] = values
    return rows.tobytes()


def _ply(cloud: PointCloud) -> bytes:
    columns = _columns(cloud)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(cloud)}"]
    header += [f"property {KINDS[values.dtype.kind]} {name}" for name, values in columns]
    return "\n".join([*header, "end_header\n"]).encode() + _rows(columns)


def _pcd(cloud: PointCloud) -> bytes:
    names = {"nx": "normal_x", "ny": "normal_y", "nz": "normal_z"}
    columns = [
        (names.get(name, name), values)
        for name, values in _columns(cloud)
        if values.dtype.kind == "f"
    ]
    if cloud.colors is not None:
        red, green, blue = cloud.colors.astype("<u4").T
        columns.insert(6, ("rgb", (red << 16 | green << 8 | blue).view("<f4")))
    n, fields = len(cloud), len(columns)
    header = [
        "VERSION 0.7",
        f"FIELDS {' '.join(name for name, _ in columns)}",
        f"SIZE{' 4' * fields}",
        f"TYPE{' F' * fields}",
        f"COUNT{' 1' * fields}",
        *(f"WIDTH {n}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {n}", "DATA binary\n"),
    ]
    return "\n".join(header).encode() + _rows(columns)


def _xyz(cloud: PointCloud) -> bytes:
    colors = np.full((len(cloud), 3), 255) if cloud.colors is None else cloud.colors
    table = np.concatenate([cloud.positions, colors, cloud.normals], axis=1)
    text = io.StringIO()
    np.savetxt(text, table, fmt=("%.7g",) * 3 + ("%d",) * 3 + ("%.5f",) * 3)
    return text.getvalue().encode()


def _npz(cloud: PointCloud) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {"positions": cloud.positions, "normals": cloud.normals}
    if cloud.colors is not None:
        arrays["colors"] = cloud.colors
    arrays["confidence"] = cloud.confidence
    np.savez(file, **arrays)
    return file.getvalue()
