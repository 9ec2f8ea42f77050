"""glTF with Gaussians: drafts and release candidate, nodes, and what only looks like one."""

from __future__ import annotations

import copy
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import Splats, gltf, ply, spz
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import read_splats
from polyfield.splats.frames import flipped
from polyfield.splats.splats import HARMONICS

KHR = "KHR_gaussian_splatting"
LUF = (-1, -1, 1)


def make(n: int = 50, degree: int = 3, seed: int = 0, antialiased: bool = False) -> Splats:
    rng = np.random.default_rng(seed)
    return Splats(
        means=rng.normal(size=(n, 3)) * 3,
        quats=rng.normal(size=(n, 4)),
        log_scales=rng.uniform(-9, 3, (n, 3)),
        opacity_logits=rng.uniform(-5, 5, n),
        sh_dc=rng.uniform(-3, 3, (n, 3)),
        sh_rest=rng.uniform(-0.9, 0.9, (n, HARMONICS[degree], 3)),
        antialiased=antialiased,
    )


def covariances(splats: Splats) -> np.ndarray:
    """[n,3,3]"""
    quats = splats.quats.astype(np.float64)
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    axes = np.moveaxis(np.array(rows), -1, 0) * np.exp(splats.log_scales)[:, None]
    return axes @ axes.transpose(0, 2, 1)


def glb(top: dict, binary: bytes = b"") -> bytes:
    text = json.dumps(top).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    length = 28 + len(text) + len(binary)
    head = struct.pack("<4sIII4s", b"glTF", 2, length, len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary


WRITTEN = {
    "POSITION": (5126, "VEC3", False, [[1, 2, 3], [-4, 5, 0.5]]),
    f"{KHR}:ROTATION": (5126, "VEC4", False, [[0, 0, 0, 1], [0.5, -0.5, 0.5, -0.5]]),
    f"{KHR}:SCALE": (5126, "VEC3", False, [[1, 0.5, 0.25], [2, 1e-3, 0]]),
    f"{KHR}:OPACITY": (5126, "SCALAR", False, [[0.25], [1]]),
    f"{KHR}:SH_DEGREE_0_COEF_0": (5126, "VEC3", False, [[0, 1, 2], [-1, 0.5, 0.25]]),
}
NUMBERS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}
EXTENSION = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}


def document(
    changes: dict | None = None, extension: dict | None = None, **top
) -> tuple[dict, bytes]:
    """A scene of the two Gaussians above; None for an attribute takes it away."""
    attributes = {**WRITTEN, **(changes or {})}
    accessors, views, binary, indices = [], [], b"", {}
    for name, value in attributes.items():
        if value is None:
            continue
        code, kind, normalized, rows = value
        data = np.array(rows, NUMBERS[code]).tobytes()
        data += bytes(-len(data) % 4)
        indices[name] = len(accessors)
        accessors.append({"bufferView": len(views), "componentType": code, "type": kind})
        accessors[-1] |= {"count": len(rows), "normalized": normalized}
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary += data
    extensions = {KHR: dict(EXTENSION) if extension is None else extension}
    primitive = {"attributes": indices, "mode": 0, "extensions": extensions}
    result = {
        "asset": {"version": "2.0"},
        "extensionsUsed": [KHR],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    return {**result, **top}, binary


def load(tmp_path: Path, data: bytes) -> Splats:
    path = tmp_path / "scene.glb"
    path.write_bytes(data)
    return gltf.read(path)


def read_as_stored(tmp_path: Path, *args, **top) -> Splats:
    return flipped(load(tmp_path, glb(*document(*args, **top))), LUF)


def test_a_file_by_hand(tmp_path):
    splats = load(tmp_path, glb(*document()))
    np.testing.assert_array_equal(splats.means, [[-1, -2, 3], [4, -5, 0.5]])
    # x, y, z, w; turning the axes x and y around turns those of the rotation.
    np.testing.assert_allclose(splats.quats, [[1, 0, 0, 0], [-0.5, -0.5, 0.5, 0.5]])
    np.testing.assert_allclose(splats.log_scales[0], np.log([1, 0.5, 0.25]), rtol=1e-6)
    assert np.exp(splats.log_scales[1, 2]) < 1e-30
    assert splats.opacity_logits[0] == pytest.approx(math.log(1 / 3))
    assert 15 < splats.opacity_logits[1] < 20
    np.testing.assert_array_equal(splats.sh_dc, WRITTEN[f"{KHR}:SH_DEGREE_0_COEF_0"][3])
    assert splats.degree == 0
    assert not splats.antialiased


def test_normalized_integers(tmp_path):
    splats = read_as_stored(
        tmp_path,
        {
            "POSITION": (5122, "VEC3", True, [[32767, 0, -32768], [-16384, 1, 2]]),
            f"{KHR}:ROTATION": (5120, "VEC4", True, [[0, 0, 0, 127], [127, 0, 0, -128]]),
            f"{KHR}:SCALE": (5121, "VEC3", True, [[255, 51, 5], [1, 2, 3]]),
            f"{KHR}:OPACITY": (5123, "SCALAR", True, [[13107], [65535]]),
        },
    )
    np.testing.assert_allclose(splats.means, [[1, 0, -1], np.array([-16384, 1, 2]) / 32767])
    np.testing.assert_allclose(splats.quats, [[1, 0, 0, 0], [-1, 1, 0, 0]])
    scales = np.array([[255, 51, 5], [1, 2, 3]]) / 255
    np.testing.assert_allclose(np.exp(splats.log_scales), scales, rtol=1e-5)
    assert splats.opacity_logits[0] == pytest.approx(math.log(0.25), rel=1e-5)


def test_whole_numbers_and_strides(tmp_path):
    top, binary = document({f"{KHR}:SCALE": (5121, "VEC3", False, [[1, 2, 3], [4, 5, 6]])})
    rows = np.zeros((2, 5), "<f4")
    rows[:, 1:4] = [[7, 8, 9], [10, 11, 12]]
    top["bufferViews"][0] = {"buffer": 0, "byteOffset": len(binary), "byteLength": 40}
    top["bufferViews"][0]["byteStride"] = 20
    top["accessors"][0]["byteOffset"] = 4
    splats = flipped(load(tmp_path, glb(top, binary + rows.tobytes())), LUF)
    np.testing.assert_array_equal(splats.means, rows[:, 1:4])
    np.testing.assert_allclose(np.exp(splats.log_scales), [[1, 2, 3], [4, 5, 6]], rtol=1e-6)


def test_scales_as_logarithms(tmp_path):
    """The text of January 2026; signed integers have no other meaning."""
    rows = [[-1, 2, -3], [0.5, 0, 1]]
    logs = read_as_stored(tmp_path, {f"{KHR}:SCALE": (5126, "VEC3", False, rows)})
    np.testing.assert_array_equal(logs.log_scales, rows)
    signed = {f"{KHR}:SCALE": (5120, "VEC3", False, [[1, 2, 3], [4, 5, 6]])}
    np.testing.assert_array_equal(
        read_as_stored(tmp_path, signed).log_scales, [[1, 2, 3], [4, 5, 6]]
    )


def test_the_colour_of_drafts(tmp_path):
    changes = {
        f"{KHR}:OPACITY": None,
        f"{KHR}:SH_DEGREE_0_COEF_0": None,
        "COLOR_0": (5121, "VEC4", True, [[255, 0, 51, 51], [0, 255, 0, 255]]),
    }
    splats = read_as_stored(tmp_path, changes, extension={})
    colors = 0.5 + 0.28209479177387814 * splats.sh_dc
    np.testing.assert_allclose(colors, [[1, 0, 0.2], [0, 1, 0]], atol=1e-6)
    assert splats.opacity_logits[0] == pytest.approx(math.log(0.25), rel=1e-5)


@pytest.mark.parametrize("name", [f"{KHR}_compression_spz_2", f"{KHR}_compression_spz", "older"])
def test_spz_within(tmp_path, name):
    spz.write(make(5, 1), tmp_path / "a.spz")
    data = (tmp_path / "a.spz").read_bytes()
    top, _ = document()
    primitive = top["meshes"][0]["primitives"][0]
    if name == "older":
        primitive["extensions"] = {"KHR_spz_gaussian_splats_compression": {"bufferView": 0}}
    else:
        primitive["extensions"][KHR] = {**EXTENSION, "extensions": {name: {"bufferView": 0}}}
    top |= {"accessors": [], "buffers": [{"byteLength": len(data)}]}
    top["bufferViews"] = [{"buffer": 0, "byteLength": len(data)}]
    splats, alone = load(tmp_path, glb(top, data)), spz.read(tmp_path / "a.spz")
    if name == "older":  # the axes of the .spz file are taken for glTF's
        alone = flipped(spz.decode(data, tmp_path, into="as stored"), LUF)
    np.testing.assert_array_equal(splats.means, alone.means)
    np.testing.assert_array_equal(splats.sh_rest, alone.sh_rest)


def parsed(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    assert size % 4 == 0
    rest, tag = struct.unpack_from("<I4s", data, 20 + size)
    assert tag == b"BIN\0"
    assert rest == len(data) - 28 - size
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def test_what_is_written(tmp_path):
    """Accessors read by hand: LUF, linear scales, unit x, y, z, w, linear colours of points."""
    splats = make(7, antialiased=True)
    gltf.write(splats, tmp_path / "a.glb")
    top, binary = parsed(tmp_path / "a.glb")
    assert top["extensionsUsed"] == [KHR]
    primitive = top["meshes"][0]["primitives"][0]
    assert primitive["mode"] == 0
    expected = {**EXTENSION, "projection": "perspective", "sortingMethod": "cameraDistance"}
    assert primitive["extensions"][KHR] == {**expected, "extras": {"antialiased": True}}
    arrays = {}
    for name, index in primitive["attributes"].items():
        accessor = top["accessors"][index]
        view = top["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        arrays[name] = np.frombuffer(part, NUMBERS[accessor["componentType"]]).reshape(7, -1)
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[arrays[name].shape[1]]
        assert accessor["type"] == kind
        assert (accessor["count"], accessor.get("normalized", False)) == (7, name == "COLOR_0")
    assert top["buffers"] == [{"byteLength": len(binary)}]
    position = top["accessors"][primitive["attributes"]["POSITION"]]
    np.testing.assert_array_equal(arrays["POSITION"], splats.means * np.array([-1, -1, 1], "f4"))
    np.testing.assert_array_equal(position["min"], arrays["POSITION"].min(axis=0))
    np.testing.assert_array_equal(position["max"], arrays["POSITION"].max(axis=0))
    unit = splats.quats / np.linalg.norm(splats.quats, axis=1, keepdims=True)
    turned = unit[:, [1, 2, 3, 0]] * [-1, -1, 1, 1]
    np.testing.assert_allclose(arrays[f"{KHR}:ROTATION"], turned, atol=1e-6)
    np.testing.assert_allclose(arrays[f"{KHR}:SCALE"], np.exp(splats.log_scales), rtol=1e-6)
    opacities = 1 / (1 + np.exp(-splats.opacity_logits))
    np.testing.assert_allclose(arrays[f"{KHR}:OPACITY"][:, 0], opacities, rtol=1e-6)
    np.testing.assert_array_equal(arrays[f"{KHR}:SH_DEGREE_0_COEF_0"], splats.sh_dc)
    # Of degree 1, the harmonics -y, z, -x.
    for i, sign in enumerate([-1, 1, -1]):
        name = f"{KHR}:SH_DEGREE_1_COEF_{i}"
        np.testing.assert_array_equal(arrays[name], splats.sh_rest[:, i] * np.float32(sign))
    assert len(arrays) == 6 + 15
    srgb = np.clip(0.5 + 0.28209479177387814 * splats.sh_dc, 0, 1)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    colors = np.concatenate([linear, opacities[:, None]], axis=1) * 255
    assert np.abs(arrays["COLOR_0"] - colors).max() <= 0.5001


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 40), degree=st.integers(0, 3), seed=st.integers(0, 999), smooth=st.booleans()
)
def test_there_and_back(tmp_path_factory, n, degree, seed, smooth):
    splats = make(n, degree, seed, smooth)
    path = tmp_path_factory.mktemp("gltf") / "a.glb"
    gltf.write(splats, path)
    back = gltf.read(path)
    for name in ("means", "sh_dc", "sh_rest"):
        np.testing.assert_array_equal(getattr(back, name), getattr(splats, name))
    unit = splats.quats / np.linalg.norm(splats.quats, axis=1, keepdims=True)
    np.testing.assert_allclose(back.quats, unit, atol=1e-6)
    np.testing.assert_allclose(back.log_scales, splats.log_scales, atol=2e-6)
    np.testing.assert_allclose(back.opacity_logits, splats.opacity_logits, atol=2e-4)
    assert back.antialiased is smooth


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def test_nodes_place_what_is_below_them(tmp_path):
    turn = [0, math.sin(0.35), 0, math.cos(0.35)]
    nodes = [
        {"children": [1, 2], "translation": [1, 2, 3], "rotation": turn, "scale": [2, 2, 2]},
        {"mesh": 0},
        {"mesh": 0, "matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 4, 5, 6, 1]},
        {"mesh": 0, "translation": [99, 0, 0]},  # not of the scene
    ]
    alone = read_as_stored(tmp_path)
    both = read_as_stored(tmp_path, nodes=nodes)
    assert len(both) == 4
    above, inner = np.eye(4), np.eye(4)
    above[:3, :3] = 2 * rotation_about(np.array([0.0, 1, 0]), 0.7)
    above[:3, 3] = [1, 2, 3]
    inner[:3] = [[0, -1, 0, 4], [1, 0, 0, 5], [0, 0, 1, 6]]
    for part, matrix in ((slice(0, 2), above), (slice(2, 4), above @ inner)):
        expected = alone.means @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(both.means[part], expected, rtol=1e-5)
    covariance = above[:3, :3] @ covariances(alone)[0] @ above[:3, :3].T
    np.testing.assert_allclose(covariances(both)[0], covariance, rtol=1e-4, atol=1e-7)


def test_meshes_that_no_node_shows_are_read_when_there_are_no_nodes(tmp_path):
    top, binary = document()
    del top["nodes"], top["scenes"], top["scene"]
    assert len(load(tmp_path, glb(top, binary))) == 2


def test_primitives_of_other_degrees_are_joined(tmp_path):
    coefficients = {
        f"{KHR}:SH_DEGREE_1_COEF_{i}": (5126, "VEC3", False, [[i, 1, 2], [3, 4, 5]])
        for i in range(3)
    }
    top, binary = document(coefficients)
    primitives = top["meshes"][0]["primitives"]
    plain = copy.deepcopy(primitives[0])
    plain["attributes"] = {k: v for k, v in plain["attributes"].items() if k not in coefficients}
    triangles = {"attributes": {"POSITION": 0}, "mode": 4}
    primitives += [plain, triangles]
    splats = load(tmp_path, glb(top, binary))
    assert len(splats) == 4
    assert splats.degree == 1
    assert np.abs(splats.sh_rest[:2]).max() == 5
    assert not splats.sh_rest[2:].any()


def changed(where: tuple, value: object) -> bytes:
    top, binary = document()
    owner = top
    for key in where[:-1]:
        owner = owner[key]
    owner[where[-1]] = value
    return glb(top, binary)


def deep() -> bytes:
    text = b"[" * 100_000
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON")
    return head + text


PRIMITIVE = ("meshes", 0, "primitives", 0)
NAN = (5126, "VEC3", False, [[1, 2, 3], [math.nan, 5, 0.5]])
BAD = {
    "empty": b"",
    "a .gltf": json.dumps(document()[0]).encode(),
    "a .ply": b"ply\n" + bytes(50),
    "version 1": b"glTF" + struct.pack("<I", 1) + glb(*document())[8:],
    "longer than it is": glb(*document())[:8] + struct.pack("<I", 10**9) + glb(*document())[12:],
    "chunk too long": glb(*document())[:12] + struct.pack("<I", 10**9) + glb(*document())[16:],
    "not JSON": struct.pack("<4sIII4s", b"glTF", 2, 24, 4, b"JSON") + b"oops",
    "not text": struct.pack("<4sIII4s", b"glTF", 2, 24, 4, b"JSON") + b"\xff\xfe\xfd\xfc",
    "JSON too deep": deep(),
    "an array": glb([]),
    "no Gaussians": changed((*PRIMITIVE, "extensions"), {}),
    "no meshes": changed(("meshes",), []),
    "meshes of numbers": changed(("meshes",), [1]),
    "accessors no array": changed(("accessors",), 5),
    "accessor out of range": changed((*PRIMITIVE, "attributes", "POSITION"), 99),
    "accessor negative": changed((*PRIMITIVE, "attributes", "POSITION"), -1),
    "accessor a word": changed((*PRIMITIVE, "attributes", "POSITION"), "x"),
    "view out of range": changed(("accessors", 0, "bufferView"), 99),
    "absurd count": changed(("accessors", 0, "count"), 10**18),
    "count of another": changed(("accessors", 0, "count"), 1),
    "no element": changed(("accessors", 0, "count"), 0),
    "count no number": changed(("accessors", 0, "count"), "2"),
    "offset": changed(("accessors", 0, "byteOffset"), 4),
    "view too long": changed(("bufferViews", 0, "byteLength"), 10**12),
    "view offset": changed(("bufferViews", 0, "byteOffset"), 2**70),
    "stride": changed(("bufferViews", 0, "byteStride"), 1),
    "kind": changed(("accessors", 0, "type"), "VEC2"),
    "component": changed(("accessors", 0, "componentType"), 1),
    "component a list": changed(("accessors", 0, "componentType"), [5126]),
    "sparse": changed(("accessors", 0, "sparse"), {"count": 10**9}),
    "external": changed(("buffers", 0, "uri"), "../other.bin"),
    "compressed": changed(("extensionsRequired",), ["EXT_meshopt_compression"]),
    "kernel": changed((*PRIMITIVE, "extensions", KHR, "kernel"), "customShape"),
    "linear colours": changed((*PRIMITIVE, "extensions", KHR, "colorSpace"), "lin_rec709_display"),
    "no rotation": glb(*document({f"{KHR}:ROTATION": None})),
    "opacity of 2": glb(*document({f"{KHR}:OPACITY": (5126, "SCALAR", False, [[0.5], [2]])})),
    "a third of degree 1": glb(*document({f"{KHR}:SH_DEGREE_1_COEF_0": NAN})),
    "degree 2 without 1": glb(
        *document({f"{KHR}:SH_DEGREE_2_COEF_{i}": WRITTEN["POSITION"] for i in range(5)})
    ),
    "node in a circle": changed(("nodes",), [{"children": [0], "mesh": 0}]),
    "node twice": changed(("nodes",), [{"children": [1, 1]}, {"mesh": 0}]),
    "matrix short": changed(("nodes", 0, "matrix"), [1, 0, 0]),
    "matrix of zeros": changed(("nodes", 0, "matrix"), [0] * 16),
    "matrix flat": changed(("nodes", 0, "scale"), [1, 1, 0]),
    "matrix huge": changed(("nodes", 0, "scale"), [1e29, 1e29, 1e29]),
    "matrix infinite": changed(("nodes", 0, "scale"), [math.inf, 1, 1]),
    "rotation of a node": changed(("nodes", 0, "rotation"), [0, 0, 0, 0]),
    "scene out of range": changed(("scene",), 7),
    "extension a number": changed((*PRIMITIVE, "extensions", KHR), 3),
}
BAD["matrix huge"] = changed(
    ("nodes",),
    [{"children": [1], "scale": [1e25] * 3}, {"mesh": 0, "scale": [1e25] * 3}],
)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(tmp_path, name):
    with pytest.raises(InputError, match=r"scene\.glb"):
        load(tmp_path, BAD[name])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"POSITION": NAN}, "not finite"),
        ({f"{KHR}:SCALE": NAN}, "not finite"),
        ({f"{KHR}:OPACITY": (5126, "SCALAR", False, [[0.5], [math.nan]])}, "not finite"),
        ({f"{KHR}:SH_DEGREE_0_COEF_0": NAN}, "not finite"),
        (
            {f"{KHR}:ROTATION": (5126, "VEC4", False, [[0, 0, 0, 0], [0, 0, 0, 1]])},
            "without rotation",
        ),
    ],
)
@pytest.mark.parametrize("scale", [[1, 1, 1], [1, 2, 3]])
def test_what_is_of_no_use_is_for_cleaning_to_count(tmp_path, changes, reason, scale):
    nodes = [{"mesh": 0, "scale": scale, "translation": [1, 2, 3]}]
    load(tmp_path, glb(*document(changes, nodes=nodes)))
    splats, dropped = clean(read_splats(tmp_path / "scene.glb"))
    assert (len(splats), dropped) == (1, {reason: 1})


def test_places_beyond_float32(tmp_path):
    """A node far out with one Gaussian that its scale takes beyond: that one alone is lost."""
    far = (5126, "VEC3", False, [[1, 2, 3], [1e20, 5, 0.5]])
    nodes = [{"mesh": 0, "scale": [1e20, 1e20, 1e20]}]
    load(tmp_path, glb(*document({"POSITION": far}, nodes=nodes)))
    splats, dropped = clean(read_splats(tmp_path / "scene.glb"))
    assert (len(splats), dropped) == (1, {"not finite": 1})


def test_cut_anywhere(tmp_path):
    data = glb(*document())
    for length in range(0, len(data), 7):
        with pytest.raises(InputError):
            load(tmp_path, data[:length])


def test_the_same_mesh_ten_thousand_times(tmp_path):
    """A file of some hundred kilobytes must not ask for gigabytes."""
    n, count = 20_000, 20_000
    top, _ = document()
    data = np.ones(4 * n, "<f4").tobytes()
    for accessor in top["accessors"]:
        accessor |= {"bufferView": 0, "count": n}
    top["bufferViews"] = [{"buffer": 0, "byteLength": len(data)}]
    top["nodes"] = [{"mesh": 0}] * count
    top["scenes"] = [{"nodes": [*range(count)]}]
    with pytest.raises(InputError, match="over and over"):
        load(tmp_path, glb(top, data))


def test_noise_is_refused_or_read(tmp_path):
    """Flips and cuts anywhere, and JSON with values of other kinds."""
    rng = np.random.default_rng(0)
    gltf.write(make(3, 1), tmp_path / "a.glb")
    goods = [(tmp_path / "a.glb").read_bytes(), glb(*document())]
    top, binary = document(nodes=[{"children": [1], "translation": [1, 2, 3]}, {"mesh": 0}])
    values = [None, -1, 2**64, 1.5, "x", [], {}, [0], math.nan, True, 1]
    for trial in range(900):
        if trial % 3:
            data = bytearray(goods[trial % 2])
            for place in rng.integers(0, len(data), rng.integers(1, 5)):
                data[place] = rng.integers(256)
        else:
            owner = copy.deepcopy(top)
            whole, steps = owner, rng.integers(1, 7)
            for _ in range(steps):
                keys = [*owner] if isinstance(owner, dict) else [*range(len(owner))]
                key = keys[rng.integers(len(keys))]
                if not isinstance(owner[key], (dict, list)) or not owner[key]:
                    break
                owner, last = owner[key], (owner, key)
            last[0][last[1]] = values[rng.integers(len(values))]
            data = glb(whole, binary)
        try:
            splats = clean(load(tmp_path, bytes(data))).splats
        except InputError:
            continue
        for name in ATTRIBUTES:
            assert np.isfinite(getattr(splats, name)).all()


def test_the_guitar(shared_data, tmp_path):
    splats = ply.read(shared_data("splats/guitar_30k.ply"))
    path = tmp_path / "guitar.glb"
    gltf.write(splats, path)
    back = gltf.read(path)
    np.testing.assert_array_equal(back.means, splats.means)
    np.testing.assert_array_equal(back.sh_dc, splats.sh_dc)
    np.testing.assert_allclose(back.log_scales, splats.log_scales, atol=3e-6)
    _, binary = parsed(path)
    y = np.frombuffer(binary, "<f4", 3 * len(splats)).reshape(-1, 3)[:, 1]
    np.testing.assert_array_equal(y, -splats.means[:, 1])
