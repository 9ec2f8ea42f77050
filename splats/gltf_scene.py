"""What a glTF document places where: accessors as arrays, nodes as transformations.

Letters: n elements of an accessor, c components of an element.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from polyfield.splats.glb import Document

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def view_bytes(document: Document, index: object) -> memoryview:
    """The bytes of a buffer view, which must lie in the file itself."""
    view, field = document.item("bufferViews", index), f"bufferViews[{index}]"
    buffer = document.item("buffers", document.integer(view, "buffer", field))
    if view["buffer"] != 0 or "uri" in buffer:
        raise document.error(f"{field}.buffer", "a buffer in another file", "the file's own")
    start = document.integer(view, "byteOffset", field, 0)
    end = start + document.integer(view, "byteLength", field)
    if end > len(document.binary):
        raise document.error(field, f"bytes to {end}", f"at most {len(document.binary)}")
    return document.binary[start:end]


def accessor_array(
    document: Document, index: object, widths: tuple[int, ...]
) -> tuple[np.ndarray, bool]:
    """Elements [n,c] as they are stored, and whether integers stand for fractions."""
    accessor, field = document.item("accessors", index), f"accessors[{index}]"
    if "sparse" in accessor or "bufferView" not in accessor:
        raise document.error(field, "sparse or without a bufferView", "a bufferView")
    code, kind = accessor.get("componentType"), accessor.get("type")
    if not isinstance(code, int) or code not in COMPONENTS:
        raise document.error(f"{field}.componentType", code, f"one of {[*COMPONENTS]}")
    if not isinstance(kind, str) or WIDTHS.get(kind) not in widths:
        names = [name for name, width in WIDTHS.items() if width in widths]
        raise document.error(f"{field}.type", kind, " or ".join(names))
    dtype, c = np.dtype(COMPONENTS[code]), WIDTHS[kind]
    view = document.item("bufferViews", accessor["bufferView"])
    data = view_bytes(document, accessor["bufferView"])
    n = document.integer(accessor, "count", field)
    start = document.integer(accessor, "byteOffset", field, 0)
    size = dtype.itemsize * c
    stride = document.integer(view, "byteStride", f"{field}: bufferView", size)
    if n == 0 or stride < size:
        raise document.error(field, f"{n} elements every {stride} bytes", f"some every {size}")
    end = start + stride * (n - 1) + size
    if end > len(data):
        raise document.error(f"{field}.count", f"{n}, {end} bytes", f"at most {len(data)} bytes")
    array = np.ndarray((n, c), dtype, data, start, (stride, dtype.itemsize))
    return array, accessor.get("normalized") is True


def accessor_values(
    document: Document, index: object, widths: tuple[int, ...]
) -> Float[np.ndarray, "n c"]:
    """Elements as float32, integers that stand for fractions between -1 and 1 as such."""
    array, normalized = accessor_array(document, index, widths)
    values = array.astype(np.float32)
    if normalized and array.dtype.kind in "iu":
        values = np.maximum(values / np.iinfo(array.dtype).max, -1)
    return values


def placed_primitives(
    document: Document,
) -> Iterator[tuple[str, dict[str, Any], Float[np.ndarray, "4 4"]]]:
    """Name, primitive and world_from_mesh of all that the scene shows.

    Without nodes, the meshes as they are.
    """
    if not document.array(document.json, "nodes", "glTF"):
        for index in range(len(document.array(document.json, "meshes", "glTF"))):
            yield from _primitives(document, index, np.eye(4))
        return
    waiting = [(index, np.eye(4)) for index in _roots(document)]
    seen = set()
    while waiting:
        index, above = waiting.pop()
        node = document.item("nodes", index)
        if index in seen:
            raise document.error(f"nodes[{index}]", "a second parent", "a tree")
        seen.add(index)
        matrix = above @ _local(document, node, f"nodes[{index}]")
        if "mesh" in node:
            yield from _primitives(document, node["mesh"], matrix)
        children = document.array(node, "children", f"nodes[{index}]")
        waiting += [(child, matrix) for child in reversed(children)]


def _primitives(
    document: Document, index: object, matrix: Float[np.ndarray, "4 4"]
) -> Iterator[tuple[str, dict[str, Any], Float[np.ndarray, "4 4"]]]:
    mesh, field = document.item("meshes", index), f"meshes[{index}]"
    for i, primitive in enumerate(document.array(mesh, "primitives", field)):
        name = f"{field}.primitives[{i}]"
        yield name, document.mapping(primitive, name), matrix


def _roots(document: Document) -> list[Any]:
    """Nodes of the scene that is to be shown first; of no scene, those that are nobody's child."""
    scenes = document.array(document.json, "scenes", "glTF")
    if scenes:
        scene = document.item("scenes", document.json.get("scene", 0))
        return document.array(scene, "nodes", "scene")
    count = len(document.array(document.json, "nodes", "glTF"))
    children: set[int] = set()
    for index in range(count):
        listed = document.array(document.item("nodes", index), "children", f"nodes[{index}]")
        children |= {child for child in listed if isinstance(child, int)}
    return [index for index in range(count) if index not in children]


def _local(document: Document, node: dict[str, Any], field: str) -> Float[np.ndarray, "4 4"]:
    """parent_from_node."""
    if "matrix" in node:
        return _numbers(document, node, "matrix", field, np.eye(4).ravel()).reshape(4, 4).T
    x, y, z, w = _numbers(document, node, "rotation", field, np.array([0, 0, 0, 1.0]))
    length = math.hypot(x, y, z, w)
    if length == 0:
        raise document.error(f"{field}.rotation", "length 0", "a quaternion x, y, z, w")
    x, y, z, w = x / length, y / length, z / length, w / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= _numbers(document, node, "scale", field, np.ones(3))
    matrix[:3, 3] = _numbers(document, node, "translation", field, np.zeros(3))
    return matrix


def _numbers(
    document: Document, node: dict[str, Any], key: str, field: str, default: np.ndarray
) -> np.ndarray:
    """As many finite numbers as the default has."""
    if key not in node:
        return default
    values = document.array(node, key, field)
    sound = all(isinstance(value, (int, float)) and abs(value) < 1e30 for value in values)
    if not sound or len(values) != len(default):
        raise document.error(f"{field}.{key}", values, f"{len(default)} numbers")
    return np.array(values, np.float64)
