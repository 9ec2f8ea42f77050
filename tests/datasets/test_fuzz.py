"""Mutated files of every format: the outcome is a scene of finite numbers, or InputError."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.datasets import PixelSampler, load_scene
from polyfield.errors import InputError

fuzz = settings(
    max_examples=int(os.environ.get("POLYFIELD_FUZZ_EXAMPLES", 60)),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 10**400, 2**63, 2**31, 1e308, -1e-308, 1e12, float("nan")]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["\0", "../..", "/", ".", "a" * 5000, "images", "\ud800", "\u2028", " "]),
    st.lists(st.floats(), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def outcome(path, **options):
    """Load and draw; whatever comes out is finite."""
    try:
        scene = load_scene(path, **options)
        batch = PixelSampler(scene).sample(16, torch.Generator().manual_seed(0))
    except InputError:
        return None
    for tensor in (
        scene.source_from_world,
        scene.bounds,
        torch.tensor(scene.near_far),
        batch.rays.origins,
        batch.rays.directions,
        batch.rgb,
        scene.cameras.world_from_camera,
    ):
        assert tensor.isfinite().all()
    assert 0 < scene.near_far[0] < scene.near_far[1]
    torch.testing.assert_close(batch.rays.directions.norm(dim=1), torch.ones(16))
    if scene.points is not None:
        assert scene.points.isfinite().all()
    if batch.z_depth is not None:
        assert batch.z_depth.isfinite().all()
    assert len(torch.cat(list(scene.splits.values())).unique()) <= len(scene)
    return scene


def places(data, at=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield at
    items = list(enumerate(data)) if isinstance(data, list) else []
    for key, value in data.items() if isinstance(data, dict) else items:
        yield from places(value, (*at, key))


def put(data, at, value):
    """A copy of a JSON value with another value at a place; with no value the place is gone."""
    if not at:
        return value
    changed = copy.deepcopy(data)
    holder = changed
    for key in at[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return changed


@st.composite
def damage(draw, data: bytes):
    """Bytes that differ from `data` a little: overwritten, cut, repeated, dropped."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        kind = draw(st.sampled_from(["byte", "word", "cut", "drop", "repeat"]))
        if kind == "byte":
            changed[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "word":
            word = draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\0" * 7 + b"\x7f", b"nan nan "]))
            changed[at : at + 8] = word
        elif kind == "cut":
            del changed[at:]
        elif kind == "drop":
            del changed[at : at + draw(st.integers(1, 40))]
        else:
            changed[at:at] = changed[at : at + draw(st.integers(1, 40))]
    return bytes(changed)


def small(world, n=4):
    """The first cameras of the world, so that a file is quick to read."""
    return world.cameras[:n]


@pytest.fixture(scope="module")
def folders(world, tmp_path_factory):
    """A small data set of each format."""
    root = tmp_path_factory.mktemp("fuzz")
    cameras = small(world)
    return {
        "transforms": world.transforms(root / "t", cameras, masks=True, depths=True),
        "blender": world.blender(root / "b", world.cameras),
        "colmap": world.colmap(root / "c", cameras),
        "text": world.colmap(root / "x", cameras, text=True),
        "llff": world.llff(root / "l", cameras),
        "folder": world.folder(root / "f", cameras),
    }


def fuzz_file(folder, file, data, **options):
    """The outcome with other bytes in a file, which is put back after."""
    before = file.read_bytes()
    try:
        file.write_bytes(data)
        outcome(folder, **options)
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize(
    ("kind", "name"), [("transforms", "transforms.json"), ("blender", "transforms_test.json")]
)
@fuzz
@given(draw=st.data())
def test_values_of_json(folders, kind, name, draw):
    file = folders[kind] / name
    data = json.loads(file.read_text())
    data |= {"k1": 0.1, "p1": 0.0, "camera_angle_x": 1.0, "aabb_scale": 4, "applied_scale": 1.0}
    data |= {"train_filenames": ["images/001.png"], "depth_unit_scale_factor": 0.001}
    for _ in range(draw.draw(st.integers(1, 2))):
        at = draw.draw(st.sampled_from(list(places(data))))
        data = put(data, at, draw.draw(st.one_of(st.just(...), ODD_VALUES) if at else ODD_VALUES))
        data = data if isinstance(data, dict) else {"frames": data}
    fuzz_file(folders[kind], file, json.dumps(data).encode())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("transforms", "transforms.json"),
        ("colmap", "sparse/0/cameras.bin"),
        ("colmap", "sparse/0/images.bin"),
        ("colmap", "sparse/0/points3D.bin"),
        ("text", "sparse/0/cameras.txt"),
        ("text", "sparse/0/images.txt"),
        ("text", "sparse/0/points3D.txt"),
        ("llff", "poses_bounds.npy"),
        ("folder", "scene.npz"),
        ("transforms", "images/001.png"),
        ("transforms", "masks/001.png"),
        ("transforms", "depths/001.png"),
    ],
)
@fuzz
@given(draw=st.data())
def test_bytes(folders, kind, name, draw):
    file = folders[kind] / name
    fuzz_file(folders[kind], file, draw.draw(damage(file.read_bytes())))


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tiff", ".bmp"])
@fuzz
@given(draw=st.data())
def test_bytes_of_photos_of_other_kinds(world, tmp_path_factory, suffix, draw):
    from PIL import Image

    folder = tmp_path_factory.getbasetemp() / f"photos{suffix}"
    if not folder.exists():
        world.llff(folder, small(world))
        for path in list((folder / "images").iterdir()):
            Image.open(path).save(path.with_suffix(suffix))
            path.unlink()
    file = folder / "images" / f"002{suffix}"
    fuzz_file(folder, file, draw.draw(damage(file.read_bytes())))


@fuzz
@given(draw=st.data())
def test_arrays_of_our_format(folders, draw):
    file = folders["folder"] / "scene.npz"
    with np.load(file) as stored:
        arrays = dict(stored)
    arrays |= {"train": np.arange(3), "points": np.ones((5, 3)), "names": np.array(list("abcd"))}
    key = draw.draw(st.sampled_from([*arrays, "bounds", "size", "unbounded"]))
    array = arrays.get(key, np.zeros((2, 3)))
    kind = draw.draw(st.sampled_from(["value", "shape", "type", "drop"]))
    if kind == "value" and array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.flat[draw.draw(st.integers(0, array.size - 1))] = draw.draw(st.floats())
    elif kind == "shape":
        array = array[: draw.draw(st.integers(0, 2))] if array.ndim else array[None]
    elif kind == "type":
        kinds = ["U3", "S20"] if array.dtype.kind == "U" else ["U3", "f4", "i8", "?", "c16", "S2"]
        array = array.astype(draw.draw(st.sampled_from(kinds)))
    arrays[key] = array
    if kind == "drop":
        del arrays[key]
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    fuzz_file(folders["folder"], file, stream.getvalue())


@fuzz
@given(draw=st.data())
def test_members_of_our_archive(folders, draw):
    """Damage under a valid archive: the heads of the arrays, not the checksums, must be checked."""
    file = folders["folder"] / "scene.npz"
    stream = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(stream, "w") as new:
        chosen = draw.draw(st.sampled_from(old.namelist()))
        for name in old.namelist():
            data = old.read(name)
            if name == chosen:
                data = draw.draw(damage(data[:200])) + data[200:]
            new.writestr(name, data)
    fuzz_file(folders["folder"], file, stream.getvalue())


@fuzz
@given(
    st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans()),
    st.one_of(st.text(max_size=12), st.from_regex(r"(every|fraction|file):.{0,6}", fullmatch=True)),
)
def test_options(folders, downscale, split):
    outcome(folders["transforms"], downscale=downscale, split=split)
