"""glTF binary files with `KHR_gaussian_splatting`.

Letters: n Gaussians, k harmonics beyond the first.

The extension (KhronosGroup/glTF, release candidate of April 2026) stores Gaussians as attributes of
a primitive of points: linear scales, opacities, unit quaternions x, y, z, w and one attribute for
each harmonic. Its text of January 2026 had logarithms of scales: linear ones are never negative, so
a negative one tells. Earlier drafts had colour and opacity in COLOR_0; drafts of an extension to it
hold an .spz file (`KHR_gaussian_splatting_compression_spz_2`). All of these are read.

glTF's +y is up, +z forward and -x right: LUF.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polyfield.errors import InputError
from polyfield.splats import spz
from polyfield.splats.activations import unit_quats
from polyfield.splats.frames import flipped, transformed
from polyfield.splats.glb import Document, read_glb, write_glb
from polyfield.splats.gltf_scene import (
    accessor_array,
    accessor_values,
    placed_primitives,
    view_bytes,
)
from polyfield.splats.splats import HARMONICS, SH0, Splats
from polyfield.version import __version__

EXTENSION = "KHR_gaussian_splatting"
SPZ_EXTENSIONS = (f"{EXTENSION}_compression_spz_2", f"{EXTENSION}_compression_spz")
OLDER_SPZ_EXTENSION = "KHR_spz_gaussian_splats_compression"
UNDERSTOOD = {
    *(EXTENSION, *SPZ_EXTENSIONS, OLDER_SPZ_EXTENSION),
    *("KHR_mesh_quantization", "KHR_materials_unlit"),
}
COLOR_SPACE = "srgb_rec709_display"

MOST_REPEATS = 256  # bytes of Gaussians for one of the file, of nodes that show the same ones

LUF_SIGNS = (-1, -1, 1)  # to RDF and back

SMALLEST = float(np.finfo(np.float32).tiny)
MOST_OPACITY = 1 - 2.0**-24  # the largest float32 below one


def read(path: Path) -> Splats:
    """Gaussians in RDF: all of the scene, where its nodes put them.

    Raises:
        InputError: for a file that is damaged or of another kind.
        OSError: for one that cannot be read.
    """
    document = read_glb(path)
    required = document.array(document.json, "extensionsRequired", "glTF")
    unknown = [name for name in required if not isinstance(name, str) or name not in UNDERSTOOD]
    if unknown:
        raise document.error("extensionsRequired", unknown, f"{EXTENSION} alone")
    parts, size = [], 0
    for name, primitive, matrix in placed_primitives(document):
        extensions = document.mapping(primitive.get("extensions", {}), f"{name}.extensions")
        if EXTENSION not in extensions and OLDER_SPZ_EXTENSION not in extensions:
            continue
        part = _primitive(document, name, primitive, extensions)
        size += part.means.nbytes + part.sh_rest.nbytes
        if size > MOST_REPEATS * len(document.binary):
            raise document.error("nodes", "the same Gaussians over and over", "each a few times")
        parts.append(_placed(part, matrix, document, name))
    if not parts:
        raise document.error("meshes", f"no primitive with {EXTENSION}", "one")
    return flipped(_joined(parts), LUF_SIGNS)


def write(splats: Splats, path: Path) -> None:
    """Write a scene of one node, with colours for viewers that only know points; not atomic.

    Args:
        splats: finite values.
        path: the file.

    Raises:
        InputError: for more than 4 GB.
        OSError: for a file that cannot be written.
    """
    splats = flipped(splats, LUF_SIGNS)
    attributes = _attributes(splats)
    accessors: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []
    start = 0
    for name, values in attributes.items():
        accessor: dict[str, Any] = {"bufferView": len(views), "count": len(splats)}
        accessor |= {"componentType": 5126 if values.dtype == np.float32 else 5121}
        accessor |= {"type": {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[values.shape[1]]}
        if name == "COLOR_0":
            accessor["normalized"] = True
        if name == "POSITION":
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        accessors.append(accessor)
        views.append(
            {"buffer": 0, "byteOffset": start, "byteLength": values.nbytes, "target": 34962}
        )
        start += values.nbytes
    extension: dict[str, Any] = {"kernel": "ellipse", "colorSpace": COLOR_SPACE}
    extension |= {"projection": "perspective", "sortingMethod": "cameraDistance"}
    if splats.antialiased:
        extension["extras"] = {"antialiased": True}
    primitive = {
        "attributes": {name: index for index, name in enumerate(attributes)},
        "mode": 0,
        "extensions": {EXTENSION: extension},
    }
    top = {
        "asset": {"version": "2.0", "generator": f"polyfield {__version__}"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": start}],
    }
    write_glb(path, top, [values.tobytes() for values in attributes.values()])


def _attributes(splats: Splats) -> dict[str, np.ndarray]:
    """[n,c] by name: float32, and the colour in bytes."""
    logits = np.clip(splats.opacity_logits, -87, 87).astype(np.float64)[:, None]
    opacities = 1 / (1 + np.exp(-logits))
    attributes = {
        "POSITION": splats.means,
        "COLOR_0": _point_colors(splats.sh_dc, opacities),
        f"{EXTENSION}:ROTATION": np.roll(unit_quats(splats.quats), -1, axis=1),
        f"{EXTENSION}:SCALE": np.exp(np.clip(splats.log_scales, -87, 87)),
        f"{EXTENSION}:OPACITY": opacities,
        f"{EXTENSION}:SH_DEGREE_0_COEF_0": splats.sh_dc,
    }
    for k, name in enumerate(_harmonic_names(splats.degree)):
        attributes[name] = splats.sh_rest[:, k]
    for name, values in attributes.items():
        if name != "COLOR_0":
            attributes[name] = values.astype(np.float32)
    return attributes


def _harmonic_names(degree: int) -> list[str]:
    """Attributes of degrees 1 to `degree`, in the order of `Splats.sh_rest`."""
    return [
        f"{EXTENSION}:SH_DEGREE_{d}_COEF_{i}"
        for d in range(1, degree + 1)
        for i in range(2 * d + 1)
    ]


def _point_colors(
    sh_dc: Float[np.ndarray, "n 3"], opacities: Float[np.ndarray, "n 1"]
) -> UInt8[np.ndarray, "n 4"]:
    """Linear colour and opacity: what COLOR_0 is in glTF, whereas Gaussians are sRGB."""
    srgb = np.clip(0.5 + SH0 * sh_dc.astype(np.float64), 0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.round(np.concatenate([linear, opacities], axis=1) * 255).astype(np.uint8)


def _primitive(
    document: Document, name: str, primitive: dict[str, Any], extensions: dict[str, Any]
) -> Splats:
    """Gaussians in LUF, where the mesh has them."""
    extension = document.mapping(extensions.get(EXTENSION, {}), f"{name}.{EXTENSION}")
    for key, expected in (("kernel", "ellipse"), ("colorSpace", COLOR_SPACE)):
        if extension.get(key, expected) != expected:
            raise document.error(f"{name}: {key}", extension[key], expected)
    inner = document.mapping(extension.get("extensions", {}), f"{name}.{EXTENSION}.extensions")
    for packed in (
        *(inner.get(key) for key in SPZ_EXTENSIONS),
        extensions.get(OLDER_SPZ_EXTENSION),
    ):
        if packed is not None:
            return _unpacked(document, name, packed, "kernel" in extension)
    attributes = document.mapping(primitive.get("attributes", {}), f"{name}.attributes")
    extras = extension.get("extras")
    smooth = isinstance(extras, dict) and extras.get("antialiased") is True
    return _from_attributes(document, name, attributes, smooth)


def _unpacked(document: Document, name: str, packed: object, converted: bool) -> Splats:
    """An .spz file within; what is older than kernels has glTF's axes as they are."""
    index = document.mapping(packed, name).get("bufferView")
    data = bytes(view_bytes(document, index))
    if not converted:
        return spz.decode(data, document.file, into="as stored")
    return flipped(spz.decode(data, document.file), LUF_SIGNS)


def _from_attributes(
    document: Document, name: str, attributes: dict[str, Any], smooth: bool
) -> Splats:
    found = {
        key.removeprefix(f"{EXTENSION}:").removeprefix("_"): i for key, i in attributes.items()
    }

    def values(key: str, width: int) -> Float[np.ndarray, "n c"]:
        if key not in found:
            raise document.error(f"{name}.attributes", "nothing", f"{EXTENSION}:{key}")
        return accessor_values(document, found[key], (width,))

    drafted = "COLOR_0" in found and not {"OPACITY", "SH_DEGREE_0_COEF_0"} <= {*found}
    color = values("COLOR_0", 4) if drafted else None
    means = values("POSITION", 3)
    opacities = values("OPACITY", 1) if color is None else color[:, 3:]
    sh_dc = values("SH_DEGREE_0_COEF_0", 3) if color is None else (color[:, :3] - 0.5) / SH0
    names = [key.removeprefix(f"{EXTENSION}:") for key in _harmonic_names(3)]
    present = sum(key in found for key in names)
    if present not in HARMONICS or not all(key in found for key in names[:present]):
        raise document.error(f"{name}.attributes", f"{present} harmonics", "0, 3, 8 or 15 in order")
    rest = [values(key, 3) for key in names[:present]]
    columns = [means, values("ROTATION", 4), values("SCALE", 3), opacities, sh_dc, *rest]
    counts = {len(column) for column in columns}
    if len(counts) > 1:
        raise document.error(f"{name}.attributes", f"{sorted(counts)} elements", "the same number")
    return Splats(
        means=means,
        quats=np.roll(columns[1], 1, axis=1),
        log_scales=_log_scales(document, found["SCALE"], columns[2]),
        opacity_logits=_logits(document, name, opacities[:, 0]),
        sh_dc=sh_dc,
        sh_rest=np.stack(rest, axis=1) if rest else np.zeros((len(means), 0, 3), np.float32),
        antialiased=smooth,
    )


def _log_scales(
    document: Document, index: object, scales: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """Linear scales may be zero, of flat Gaussians; negative ones are logarithms."""
    signed = accessor_array(document, index, (3,))[0].dtype.kind == "i"
    if signed or (scales < 0).any():
        return scales
    return np.log(np.maximum(scales, SMALLEST))


def _logits(document: Document, name: str, opacities: Float[np.ndarray, " n"]) -> np.ndarray:
    wrong = (opacities <= -1e-4) | (opacities >= 1 + 1e-4)  # NaN is none
    if wrong.any():
        raise document.error(f"{name}: OPACITY", opacities[wrong][0], "0 to 1")
    inside = np.clip(opacities.astype(np.float64), SMALLEST, MOST_OPACITY)
    return np.log(inside) - np.log1p(-inside)


def _placed(
    splats: Splats, matrix: Float[np.ndarray, "4 4"], document: Document, name: str
) -> Splats:
    """Where a node puts them."""
    if np.array_equal(matrix, np.eye(4)):
        return splats
    try:
        return transformed(splats, matrix)
    except InputError as error:
        raise InputError(
            file=document.file,
            field=f"node of {name}: {error.field}",
            found=error.found,
            expected=error.expected,
        ) from error


def _joined(parts: list[Splats]) -> Splats:
    """One behind the other; what has fewer harmonics gets zeros."""
    if len(parts) == 1:
        return parts[0]
    k = max(part.sh_rest.shape[1] for part in parts)
    rest = [np.pad(p.sh_rest, ((0, 0), (0, k - p.sh_rest.shape[1]), (0, 0))) for p in parts]
    names = ("means", "quats", "log_scales", "opacity_logits", "sh_dc")
    return Splats(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        sh_rest=np.concatenate(rest),
        antialiased=any(part.antialiased for part in parts),
    )
