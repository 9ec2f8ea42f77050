"""Damaged files of every format: the outcome is Gaussians or InputError."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyfield.errors import InputError
from polyfield.splats import antimatter, compressed_ply, gltf, ksplat, ply, sog, spz
from polyfield.splats.cleaning import clean
from polyfield.splats.formats import read_splats

fuzz = settings(
    max_examples=int(os.environ.get("POLYFIELD_FUZZ_EXAMPLES", 150)),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
READERS = {
    ".ply": ply.read,
    ".compressed.ply": compressed_ply.read,
    ".splat": antimatter.read,
    ".ksplat": ksplat.read,
    ".spz": spz.read,
    ".glb": gltf.read,
    ".sog": sog.read,
}
WORDS = [b"", b"\0", b"\n", b" ", b"\xff" * 4, b"1", b"9", b"-", b"e", b"element ", b"property "]
WORDS += [b"list ", b"uchar ", b"float ", b"double ", b"end_header\n", b"vertex", b"\0\0\xc0\x7f"]
WORDS += [b"ascii", b"binary_big_endian", b"999999999999", b"nan", b"\x80", b"NaN", b"1e400"]
WORDS += [b"[", b"]", b"{", b"}", b'"', b",", b":null", b"true", b"\1\0\0\0", b"\4\0\0\0"]


@pytest.fixture(scope="session")
def valid(
    gaussians: Callable, ksplat_bytes: Callable, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[bytes]]:
    """Small files by suffix."""
    folder = tmp_path_factory.mktemp("valid")
    files: dict[str, list[bytes]] = {}
    for suffix, write in (
        (".ply", ply.write),
        (".compressed.ply", compressed_ply.write),
        (".splat", antimatter.write),
        (".spz", spz.write),
        (".glb", gltf.write),
        (".sog", sog.write),
    ):
        for degree in (0, 1):
            write(gaussians(3, degree), folder / "a")
            files.setdefault(suffix, []).append((folder / "a").read_bytes())
    files[".spz"] += [gzip.decompress(file) for file in files[".spz"]]
    start = files[".ply"][0].partition(b"end_header\n")[0]
    text = start.replace(b"binary_little_endian", b"ascii") + b"end_header\n"
    files[".ply"].append(text + 3 * (b"0.5 " * 17 + b"\n"))
    for level in (0, 1, 2):
        records = [([1, 2, 3], [1, 1, 1], [1, 0, 0, 0], [1, 2, 3, 4], [0] * 9) for _ in range(3)]
        section = {"records": records, "degree": 1}
        if level:
            section |= {"centers": [[0, 0, 0]] * 2, "capacity": 2, "full": 1, "partial": [1]}
        files.setdefault(".ksplat", []).append(ksplat_bytes(level, [section]))
    return files


def outcome(suffix: str, content: bytes, folder: Path) -> None:
    """Read by the reader itself, and by name and content together."""
    file = folder / f"a{suffix}"
    file.write_bytes(content)
    for read in (READERS[suffix], read_splats):
        try:
            splats = read(file)
        except InputError as error:
            message = str(error)
        else:
            clean(splats, transparent=True)
            message = str(file)
        assert str(file) in message


@pytest.mark.parametrize("suffix", list(READERS))
@fuzz
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, suffix: str, content: bytes) -> None:
    outcome(suffix, content, tmp_path)


@pytest.mark.parametrize("suffix", list(READERS))
@fuzz
@given(data=st.data())
def test_changed_files(tmp_path: Path, valid: dict, suffix: str, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(valid[suffix]))
    # Of a .ksplat, the parts of the headers that mean something.
    places = st.integers(0, len(content) - 1)
    if suffix == ".ksplat":
        body = st.integers(5120, len(content) - 1)
        places = st.one_of(st.integers(0, 48), st.integers(4096, 4140), body)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(places)
        length = data.draw(st.integers(0, 8))
        word = data.draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8)))
        if data.draw(st.booleans()):
            word = word.ljust(length, b"\0")[:length]  # in place: nothing behind it moves
        content = content[:start] + word + content[start + length :]
    outcome(suffix, content, tmp_path)


@pytest.mark.parametrize("suffix", list(READERS))
@fuzz
@given(data=st.data())
def test_cut_files(tmp_path: Path, valid: dict, suffix: str, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(valid[suffix]))
    outcome(suffix, content[: data.draw(st.integers(0, len(content)))], tmp_path)
