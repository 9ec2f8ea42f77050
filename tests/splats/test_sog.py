"""PlayCanvas' archives of pictures: by hand, there and back, and what only looks like one."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polyfield.errors import InputError
from polyfield.splats import Splats, ply, sog
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.splats import HARMONICS

PICTURES = ("means_l", "means_u", "quats", "scales", "sh0", "shN_centroids", "shN_labels")


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


def matrices(quats: np.ndarray) -> np.ndarray:
    """[n,3,3] rotations of w, x, y, z."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float64).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def webp(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    options = {"lossless": True, "exact": True, **options}
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, "WEBP", **options)
    return stream.getvalue()


# Three Gaussians in pictures of two by two pixels.
META = {
    "version": 2,
    "count": 3,
    "means": {"mins": [-1, 0, 0], "maxs": [1, 2, 0], "files": ["means_l.webp", "means_u.webp"]},
    "scales": {"codebook": [-5, -4, -3.5], "files": ["scales.webp"]},
    "quats": {"files": ["quats.webp"]},
    "sh0": {"codebook": [0, 1.5, -2], "files": ["sh0.webp"]},
}
LOW = [[[0, 255, 0, 255], [255, 0, 1, 255]], [[0, 1, 9, 255], [7, 7, 7, 7]]]
HIGH = [[[0, 255, 0, 255], [255, 0, 0, 255]], [[128, 2, 9, 255], [7, 7, 7, 7]]]
QUATS = [
    [[127, 128, 127, 252], [255, 127, 128, 255]],
    [[127, 0, 128, 253], [7, 7, 7, 7]],
]
SCALES = [[[0, 1, 2, 255], [2, 2, 2, 255]], [[1, 0, 0, 255], [7, 7, 7, 7]]]
SH0 = [[[0, 1, 2, 51], [1, 1, 1, 204]], [[2, 0, 0, 0], [7, 7, 7, 7]]]


def parts(**changes: object) -> dict[str, bytes]:
    """Entries by name; None takes one away."""
    pictures = {"means_l": LOW, "means_u": HIGH, "quats": QUATS, "scales": SCALES, "sh0": SH0}
    entries = {f"{name}.webp": webp(pixels) for name, pixels in pictures.items()}
    return {"meta.json": json.dumps(META).encode(), **entries, **changes}


def archive(entries: dict[str, bytes | None], how: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as file:
        for name, data in entries.items():
            if data is not None:
                file.writestr(name, data)
    return stream.getvalue()


def described(**changes: object) -> bytes:
    """The file with another description; keys with __ go down."""
    meta = json.loads(json.dumps(META))
    for path, value in changes.items():
        *above, last = path.split("__")
        owner = meta
        for key in above:
            owner = owner[key]
        owner[last] = value
    return archive(parts(**{"meta.json": json.dumps(meta).encode()}))


def load(tmp_path: Path, data: bytes) -> Splats:
    path = tmp_path / "scene.sog"
    path.write_bytes(data)
    return sog.read(path)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_version_2_by_hand(tmp_path, how):
    splats = load(tmp_path, archive(parts(), how))
    third = math.copysign(math.expm1(abs(2 * 32768 / 65535 - 1)), 1)
    means = [
        [-math.expm1(1), math.expm1(2), 0],
        [math.expm1(1), 0, 0],
        [third, math.expm1(2 * 513 / 65535), 0],
    ]
    np.testing.assert_allclose(splats.means, means, rtol=1e-5, atol=1e-9)
    half = math.sqrt(0.5)
    quats = [[1, 0, 0, 0], [half, 0, 0, half], [0, half, -half, 0]]
    np.testing.assert_allclose(splats.quats, quats, atol=0.004)
    np.testing.assert_array_equal(splats.log_scales[:2], [[-5, -4, -3.5], [-3.5, -3.5, -3.5]])
    np.testing.assert_array_equal(splats.sh_dc, [[0, 1.5, -2], [1.5, 1.5, 1.5], [-2, 0, 0]])
    np.testing.assert_allclose(splats.opacity_logits[:2], [math.log(0.25), math.log(4)], rtol=1e-5)
    assert -10 < splats.opacity_logits[2] < -6
    assert splats.degree == 0


def palette_parts(k: int, bands: int, **shn: object) -> dict[str, bytes]:
    """With a palette of 65 entries, that is, two rows: entry 64 is one for every coefficient."""
    meta = json.loads(json.dumps(META))
    files = ["shN_centroids.webp", "shN_labels.webp"]
    meta["shN"] = {"count": 65, "bands": bands, "codebook": [0, 0.5, -0.25], "files": files, **shn}
    centroids = np.zeros((2, 64 * k, 4), np.uint8)
    centroids[1, :k, :3] = 1
    centroids[0, 3 * k : 4 * k, 2] = 2  # entry 3, blue
    labels = [[[64, 0, 0, 255], [3, 0, 0, 255]], [[0, 0, 0, 255], [9, 9, 9, 9]]]
    return parts(
        **{"meta.json": json.dumps(meta).encode()},
        **{files[0]: webp(centroids), files[1]: webp(labels)},
    )


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_the_palette_by_hand(tmp_path, bands):
    k = HARMONICS[bands]
    splats = load(tmp_path, archive(palette_parts(k, bands)))
    expected = np.zeros((3, k, 3))
    expected[0] = 0.5
    expected[1, :, 2] = -0.25
    np.testing.assert_array_equal(splats.sh_rest, expected)


def test_version_1_by_hand(tmp_path):
    """Least and greatest values in the place of codebooks; opacities are logits."""
    files = ["shN_centroids.webp", "shN_labels.webp"]
    meta = {
        "means": {**META["means"], "shape": [3, 3], "dtype": "float32"},
        "scales": {"mins": [-10, -9, -8], "maxs": [0, 1, 2], "files": ["scales.webp"]},
        "quats": META["quats"],
        "sh0": {"mins": [0, 0, 0, -3], "maxs": [255, 510, 1, 12], "files": ["sh0.webp"]},
        "shN": {"mins": -1, "maxs": 4.1, "quantization": 8, "files": files},
    }
    entries = palette_parts(3, 1)
    entries["meta.json"] = json.dumps(meta).encode()
    splats = load(tmp_path, archive(entries))
    np.testing.assert_allclose(splats.log_scales[0], [-10, -9 + 10 / 255, -8 + 20 / 255], rtol=1e-6)
    np.testing.assert_allclose(splats.sh_dc[0], [0, 2, 2 / 255], rtol=1e-6)
    np.testing.assert_allclose(splats.opacity_logits, [0, 9, -3], atol=1e-6)
    np.testing.assert_allclose(splats.sh_rest[0], -1 + 5.1 / 255, rtol=1e-6)
    np.testing.assert_allclose(splats.sh_rest[2], -1)


def pixels_of(file: zipfile.ZipFile, name: str) -> np.ndarray:
    with Image.open(io.BytesIO(file.read(name))) as image:
        return np.asarray(image.convert("RGBA")).reshape(-1, 4)


def test_what_is_written(tmp_path):
    """Pictures read by hand, at the ends of every range; colours under opacity 0 are kept."""
    splats = Splats(
        means=np.array([[math.e - 1, 0, 5], [1 - math.e, 0, 5.0]]),
        quats=np.array([[5, 0, 0, 0], [0.5, 0.5, -0.5, -0.50001]]) * 3,
        log_scales=np.array([[-3, -2, -1], [-1, -2, -3.0]]),
        opacity_logits=np.array([-40, math.log(0.25)]),
        sh_dc=np.array([[0.5, 1, 2], [3, 4, 5.0]]),
        sh_rest=np.arange(18).reshape(2, 3, 3) / 32,
        antialiased=True,
    )
    sog.write(splats, tmp_path / "a.sog")
    with zipfile.ZipFile(tmp_path / "a.sog") as file:
        meta = json.loads(file.read("meta.json"))
        pictures = {name: pixels_of(file, f"{name}.webp") for name in PICTURES}
    assert (meta["version"], meta["count"], meta["model"]) == (2, 2, "antialiased")
    np.testing.assert_allclose(meta["means"]["mins"], [-1, 0, math.log(6)], rtol=1e-6)
    np.testing.assert_allclose(meta["means"]["maxs"], [1, 0, math.log(6)], rtol=1e-6)
    # In Z-order the second comes first.
    np.testing.assert_array_equal(pictures["means_l"][:2, 0], [0, 255])
    np.testing.assert_array_equal(pictures["means_u"][:2, 0], [0, 255])
    half = 218  # of 0.5: (sqrt(2) / 2 * 0.5 + 0.5) * 255
    low = 255 - half
    np.testing.assert_array_equal(
        pictures["quats"][:2], [[low, low, half, 255], [128, 128, 128, 252]]
    )
    codes = np.array(meta["scales"]["codebook"])
    assert len(codes) == 256
    looked_up = codes[pictures["scales"][:2, :3]]
    np.testing.assert_allclose(looked_up, splats.log_scales[::-1], atol=1e-6)
    colors = np.array(meta["sh0"]["codebook"])[pictures["sh0"][:2, :3]]
    np.testing.assert_allclose(colors, splats.sh_dc[::-1], atol=1e-6)
    np.testing.assert_array_equal(pictures["sh0"][:2, 3], [51, 0])
    assert (meta["shN"]["count"], meta["shN"]["bands"]) == (2, 1)
    labels = pictures["shN_labels"][:2, 0].astype(int)
    entries = pictures["shN_centroids"].reshape(-1, 3, 4)[labels][..., :3]
    rest = np.array(meta["shN"]["codebook"])[entries]
    np.testing.assert_allclose(rest, splats.sh_rest[::-1], atol=1e-6)


def steps(codes: list[float], values: np.ndarray) -> np.ndarray:
    """How far each value is from the nearest of a codebook."""
    return np.abs(values[..., None] - np.array(codes)).min(axis=-1)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 300), degree=st.integers(0, 3), seed=st.integers(0, 999), smooth=st.booleans()
)
def test_there_and_back_within_the_quantisation(tmp_path_factory, n, degree, seed, smooth):
    splats = make(n, degree, seed, smooth)
    path = tmp_path_factory.mktemp("sog") / "a.sog"
    sog.write(splats, path)
    back = sog.read(path)
    wide = [np.sign(s.means) * np.log1p(np.abs(s.means)) for s in (back, splats)]
    # The order is another: of each, the nearest.
    place = ((wide[0][:, None] - wide[1]) ** 2).sum(axis=-1).argmin(axis=1)
    assert sorted(place) == [*range(n)]
    span = wide[1].max(axis=0) - wide[1].min(axis=0)
    assert (np.abs(wide[0] - wide[1][place]) <= 0.51 * span / 65535 + 1e-6).all()
    assert np.abs(matrices(back.quats) - matrices(splats.quats[place])).max() < 0.025
    opacities = [1 / (1 + np.exp(-s.opacity_logits)) for s in (back, splats)]
    assert np.abs(opacities[0] - opacities[1][place]).max() <= 0.5 / 255 + 1e-6
    with zipfile.ZipFile(path) as file:
        meta = json.loads(file.read("meta.json"))
    for name, key in (("log_scales", "scales"), ("sh_dc", "sh0")):
        values = getattr(splats, name)[place]
        error = np.abs(getattr(back, name) - values)
        np.testing.assert_allclose(error, steps(meta[key]["codebook"], values), atol=1e-5)
    # At least half as many entries as Gaussians: little is lost.
    if degree:
        error = ((back.sh_rest - splats.sh_rest[place]) ** 2).mean()
        assert error < 0.5 * splats.sh_rest.var() + 1e-5
    assert back.antialiased is smooth


def test_the_same_bytes_again(tmp_path):
    splats = make(500)
    sog.write(splats, tmp_path / "a.sog")
    sog.write(splats, tmp_path / "b.sog")
    assert (tmp_path / "a.sog").read_bytes() == (tmp_path / "b.sog").read_bytes()


def test_more_gaussians_than_a_palette_has(tmp_path, monkeypatch):
    """What is lost to a palette of a sixteenth of them: a fifth of what they vary at most."""
    monkeypatch.setattr(sog, "MOST_PALETTE", 256)
    splats = make(4096, 2)
    kinds = splats.sh_rest[:100]
    splats.sh_rest[:] = kinds[np.arange(4096) % 100]
    splats.sh_rest[:] += 0.01 * np.random.default_rng(1).normal(size=splats.sh_rest.shape)
    sog.write(splats, tmp_path / "a.sog")
    back = sog.read(tmp_path / "a.sog")
    place = ((back.means[:, None] - splats.means) ** 2).sum(axis=-1).argmin(axis=1)
    error = np.sqrt(((back.sh_rest - splats.sh_rest[place]) ** 2).mean())
    assert error < 0.2 * kinds.std()


def test_a_picture_that_is_not_lossless(tmp_path):
    lossy = webp(np.zeros((2, 2, 3)), lossless=False)
    with pytest.raises(InputError, match=r"quats\.webp: found .*lossless WebP"):
        load(tmp_path, archive(parts(**{"quats.webp": lossy})))


def test_a_picture_with_a_profile(tmp_path):
    """The extended header of WebP, as with metadata."""
    extended = webp(LOW, exif=b"Exif\0\0" + bytes(20))
    assert extended[12:16] == b"VP8X"
    plain = load(tmp_path, archive(parts()))
    splats = load(tmp_path, archive(parts(**{"means_l.webp": extended})))
    np.testing.assert_array_equal(splats.means, plain.means)


def lying(width: int, height: int) -> bytes:
    """The header of a picture of that size and little behind it."""
    bits = (width - 1) | (height - 1) << 14 | 1 << 28
    body = b"VP8L" + struct.pack("<IBI", 40, 0x2F, bits) + bytes(35)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


NARROW = webp(np.zeros((1, 2, 4)))
BAD = {
    "empty": b"",
    "not a zip": b"PK\x03\x04 hello",
    "no description": archive(parts(**{"meta.json": None})),
    "not JSON": archive(parts(**{"meta.json": b"{"})),
    "not text": archive(parts(**{"meta.json": b"\xff\xfe{"})),
    "too deep": archive(parts(**{"meta.json": b"[" * 100_000})),
    "an array": archive(parts(**{"meta.json": b"[]"})),
    "huge description": archive(parts(**{"meta.json": b" " * (5 << 20)}), zipfile.ZIP_DEFLATED),
    "version 3": described(version=3),
    "version a word": described(version="2"),
    "version true": described(version=True),
    "no Gaussian": described(count=0),
    "minus one": described(count=-1),
    "half a Gaussian": described(count=2.5),
    "count of words": described(count="3"),
    "more than pixels": described(count=5),
    "absurd count": described(count=10**12),
    "large count": described(count=250_000),
    "no means": described(means=None),
    "means a list": described(means=[1]),
    "two mins": described(means__mins=[0, 0]),
    "no maxs": described(means__maxs=None),
    "infinite maxs": described(means__maxs=[math.inf, 1, 1]),
    "overflowing maxs": described(means__maxs=[1e6, 1, 1]),
    "one file of means": described(means__files=["means_l.webp"]),
    "files of numbers": described(quats__files=[3]),
    "file elsewhere": described(quats__files=["../quats.webp2"]),
    "file missing": archive(parts(**{"quats.webp": None})),
    "codebook short": described(scales__codebook=[-5, -4]),
    "codebook empty": described(sh0__codebook=[]),
    "codebook long": described(sh0__codebook=[0.5] * 257),
    "codebook of null": described(sh0__codebook=[0, None, 1]),
    "codebook of NaN": described(sh0__codebook=[0, math.nan, 1]),
    "picture small": archive(parts(**{"sh0.webp": NARROW})),
    "picture large": archive(parts(**{"sh0.webp": webp(np.zeros((300, 300, 4)))})),
    "picture cut": archive(parts(**{"quats.webp": webp(QUATS)[:-6]})),
    "picture a lie": archive(parts(**{"quats.webp": lying(2, 2)})),
    "picture a bomb": archive(parts(**{"quats.webp": lying(16383, 16383)})),
    "picture a PNG": archive(parts(**{"quats.webp": b"\x89PNG" + bytes(40)})),
    "tag": archive(parts(**{"quats.webp": webp(np.array(QUATS) * [1, 1, 1, 0])})),
    "bands 2 of 3": archive(palette_parts(15, 2)),
    "bands 0": archive(palette_parts(3, 0)),
    "bands 4": archive(palette_parts(3, 4)),
    "four harmonics": archive(palette_parts(4, 1)),
    "palette short": archive(palette_parts(3, 1, count=64)),
    "palette empty": archive(palette_parts(3, 1, count=0)),
    "palette codebook": archive(palette_parts(3, 1, codebook=[0])),
    "palette of nothing": described(shN=None),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(tmp_path, name):
    with pytest.raises(InputError, match=r"scene\.sog"):
        load(tmp_path, BAD[name])


def test_an_entry_that_lies_about_its_size(tmp_path):
    """Sixty-four megabytes of blanks said to be a description of some hundred bytes."""
    data = bytearray(archive(parts(**{"meta.json": b" " * (1 << 26)}), zipfile.ZIP_DEFLATED))
    directory = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, directory + 24, 100)
    with pytest.raises(InputError, match=r"meta\.json"):
        load(tmp_path, bytes(data))


def test_cut_anywhere(tmp_path):
    data = archive(parts())
    for length in range(0, len(data), 11):
        with pytest.raises(InputError):
            load(tmp_path, data[:length])


def test_noise_is_refused_or_read(tmp_path):
    """Flips and cuts of archives, and of pictures and descriptions within sound ones."""
    rng = np.random.default_rng(0)
    good = archive(palette_parts(3, 1))
    entries = palette_parts(3, 1)
    names = [*entries]
    for trial in range(700):
        name = names[rng.integers(len(names))]
        data = bytearray(good if trial % 3 == 0 else entries[name])
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        if trial % 3:
            data = archive({**entries, name: bytes(data)})
        try:
            splats = clean(load(tmp_path, bytes(data))).splats
        except InputError:
            continue
        for field in ATTRIBUTES:
            assert np.isfinite(getattr(splats, field)).all()


def test_the_guitar(shared_data, tmp_path):
    splats = ply.read(shared_data("splats/guitar_30k.ply"))
    path = tmp_path / "guitar.sog"
    sog.write(splats, path)
    back = sog.read(path)
    assert len(back) == len(splats)
    for name, most in (("means", 1e-4), ("log_scales", 0.2), ("sh_dc", 0.1)):
        # Sorted, columns agree whatever the order.
        ours, theirs = (np.sort(getattr(s, name), axis=0) for s in (back, splats))
        assert np.abs(ours - theirs).max() < most, name
        assert np.abs(ours - theirs).mean() < most / 10, name
    assert path.stat().st_size / len(splats) < 20
