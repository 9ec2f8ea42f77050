"""Which format a file is in, by name and content; and that no file is lost while one is written."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyfield.errors import InputError
from polyfield.splats import Splats, antimatter, formats, ply
from polyfield.splats.cleaning import ATTRIBUTES, clean
from polyfield.splats.formats import describe, is_splats, read_splats, write_splats

WRITTEN = [each.suffix for each in formats.FORMATS if each.written]


@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_is_written_is_read(tmp_path: Path, gaussians: Callable, suffix: str) -> None:
    file = tmp_path / f"a{suffix.upper()}"
    splats = gaussians(300, 2)
    write_splats(splats, file)
    back = read_splats(file)
    assert len(back) == 300
    assert back.degree == min(2, formats.BY_SUFFIX[suffix].degree)
    np.testing.assert_allclose(
        np.sort(back.means, axis=0), np.sort(splats.means, axis=0), atol=0.02
    )
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_either_kind_of_ply_is_read_by_its_header(tmp_path: Path, gaussians: Callable) -> None:
    for written, called in ((".ply", ".compressed.ply"), (".compressed.ply", ".ply")):
        write_splats(gaussians(), tmp_path / f"a{written}")
        (tmp_path / f"a{written}").rename(tmp_path / f"b{called}")
        assert len(read_splats(tmp_path / f"b{called}")) == 7


def contents(gaussians: Callable, ksplat_bytes: Callable, folder: Path) -> dict[str, bytes]:
    """What files of other kinds begin with, by what they are called."""
    record = ([0, 0, 0], [1, 1, 1], [1, 0, 0, 0], [1, 2, 3, 4], [])
    ply.write(gaussians(), folder / "any")
    return {
        "a PLY": (folder / "any").read_bytes(),
        "a .ksplat file": ksplat_bytes(0, [{"records": [record]}]),
        "an SPZ file": gzip.compress(b"NGSP" + bytes(60)),
        "a glTF binary": b"glTF" + struct.pack("<2I", 2, 64) + bytes(52),
        "an SOG file": b"PK\x03\x04" + bytes(60),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(56),
        "a web page": b"<!DOCTYPE html>\n".ljust(64),
        "JSON": b'{"cameras": []}'.ljust(64),
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\n".ljust(64),
    }


@pytest.mark.parametrize("suffix", list(formats.BY_SUFFIX))
def test_a_wrong_name_is_answered_with_what_the_file_is(
    tmp_path: Path, gaussians: Callable, ksplat_bytes: Callable, suffix: str
) -> None:
    named = formats.BY_SUFFIX[suffix].noun
    for noun, content in contents(gaussians, ksplat_bytes, tmp_path).items():
        if noun == named or (noun == "a PLY" and suffix.endswith(".ply")):
            continue
        file = tmp_path / f"b{suffix}"
        file.write_bytes(content)
        with pytest.raises(InputError, match=f"found {noun}.*expected {named}"):
            read_splats(file)


@pytest.mark.parametrize("suffix", list(formats.BY_SUFFIX))
def test_empty_and_short_files(tmp_path: Path, suffix: str) -> None:
    for content, message in ((b"", "an empty file"), (b"\1", "b")):
        (tmp_path / f"b{suffix}").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_splats(tmp_path / f"b{suffix}")


def test_a_name_of_no_format(tmp_path: Path, gaussians: Callable) -> None:
    ply.write(gaussians(), tmp_path / "a.obj")
    with pytest.raises(InputError, match=r"content is a PLY, expected a name that ends in one of"):
        read_splats(tmp_path / "a.obj")
    with pytest.raises(InputError, match=r"expected a name that ends in one of .*\.splat"):
        write_splats(gaussians(), tmp_path / "b.obj")
    with pytest.raises(InputError, match=r"a \.ksplat file is only read"):
        write_splats(gaussians(), tmp_path / "b.ksplat")


def test_no_gaussians(tmp_path: Path, gaussians: Callable) -> None:
    ply.write(gaussians(0), tmp_path / "a.ply")
    with pytest.raises(InputError, match=r"a\.ply: no Gaussians"):
        read_splats(tmp_path / "a.ply")
    with pytest.raises(InputError, match="no Gaussians to write"):
        write_splats(gaussians(0), tmp_path / "b.ply")
    assert not (tmp_path / "b.ply").exists()


@pytest.mark.parametrize("suffix", WRITTEN)
def test_nothing_that_is_not_finite_is_written(
    tmp_path: Path, gaussians: Callable, suffix: str
) -> None:
    splats = gaussians()
    means, quats, logits = splats.means.copy(), splats.quats.copy(), splats.opacity_logits.copy()
    means[2, 1], quats[3], logits[4] = np.nan, 0, np.inf
    for changed, message in (
        ({"means": means}, "of 7 Gaussians, found 1 not finite"),
        ({"quats": quats}, "found 1 without rotation"),
    ):
        with pytest.raises(InputError, match=message):
            write_splats(Splats(**{**vars(splats), **changed}), tmp_path / f"a{suffix}")
    write_splats(Splats(**{**vars(splats), "opacity_logits": logits}), tmp_path / f"a{suffix}")
    assert np.isfinite(read_splats(tmp_path / f"a{suffix}").opacity_logits).all()


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_come_to_no_harm(
    tmp_path: Path, gaussians: Callable, suffix: str
) -> None:
    splats = gaussians(600, 1)
    large = {name: np.sign(getattr(splats, name)) * 1e38 for name in ATTRIBUTES}
    large["log_scales"] = np.where(splats.log_scales > -4, 80, -1e38)
    for name, values in large.items():
        for kept in (values, np.where(np.arange(values.size) % 5, 0.1, values.ravel())):
            changed = {**vars(splats), name: kept.reshape(values.shape)}
            if (suffix, name) == (".spz", "means"):
                with pytest.raises(InputError, match=r"a\.spz: means: found 1e\+38"):
                    write_splats(Splats(**changed), tmp_path / "a.spz")
                continue
            write_splats(Splats(**changed), tmp_path / f"a{suffix}")
            back = read_splats(tmp_path / f"a{suffix}")
            assert clean(back).dropped == {}, name
            assert np.isfinite(back.log_scales).all()


@pytest.mark.parametrize("suffix", list(formats.BY_SUFFIX))
def test_files_that_are_not_there(tmp_path: Path, suffix: str) -> None:
    reader = formats._module(formats.BY_SUFFIX[suffix])
    (tmp_path / f"folder{suffix}").mkdir()
    for read in (read_splats, reader.read):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / f"none{suffix}")
        with pytest.raises(IsADirectoryError):
            read(tmp_path / f"folder{suffix}")


def spoil(splats: Splats, file: Path, rows: range) -> None:
    """Write Gaussians and put NaN in the place of y in some rows."""
    write_splats(splats, file)
    content = file.read_bytes()
    sign = np.float32(-1 if file.suffix == ".glb" else 1)  # whose y points up
    for y in splats.means[rows, 1]:
        content = content.replace((sign * y).tobytes(), np.float32(np.nan).tobytes())
    file.write_bytes(content)


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".splat"])
def test_what_is_of_no_use_is_read_and_counted(
    tmp_path: Path, gaussians: Callable, suffix: str
) -> None:
    splats = gaussians(9)
    spoil(splats, tmp_path / f"a{suffix}", range(3))
    kept, dropped = clean(read_splats(tmp_path / f"a{suffix}"))
    assert dropped == {"not finite": 3}
    np.testing.assert_allclose(np.sort(kept.means, axis=0), np.sort(splats.means[3:], axis=0))
    spoil(splats, tmp_path / f"a{suffix}", range(9))
    message = "0 of 9 records" if suffix == ".splat" else "none is of use, found 9 not finite"
    with pytest.raises(InputError, match=rf"a\{suffix}: .*{message}"):
        read_splats(tmp_path / f"a{suffix}")


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, gaussians: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_splats(gaussians(), tmp_path / "a.splat")
    before = (tmp_path / "a.splat").read_bytes()

    def full(splats: Splats, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(antimatter, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_splats(gaussians(3), tmp_path / "a.splat")
    assert (tmp_path / "a.splat").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_only_files_of_gaussians_are_taken_for_such(tmp_path: Path, gaussians: Callable) -> None:
    for suffix in WRITTEN:
        write_splats(gaussians(), tmp_path / f"a{suffix}")
        assert is_splats(tmp_path / f"a{suffix}")
    head = b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n"
    (tmp_path / "cloud.ply").write_bytes(head)
    (tmp_path / "mesh.glb").write_bytes(b"glTF" + bytes(60))
    (tmp_path / "damaged.ply").write_bytes(b"ply\n")
    for name in ("cloud.ply", "mesh.glb", "damaged.ply", "none.splat", "photo.png"):
        assert not is_splats(tmp_path / name)
    (tmp_path / "gaussians.glb").write_bytes(b"glTF..{'extensions':{'KHR_gaussian_splatting'")
    assert is_splats(tmp_path / "gaussians.glb")


def test_facts(tmp_path: Path, gaussians: Callable) -> None:
    splats = gaussians(50, 1)
    logits = splats.opacity_logits.copy()
    logits[:2] = -20
    write_splats(Splats(**{**vars(splats), "opacity_logits": logits}), tmp_path / "a.ply")
    facts: dict[str, Any] = describe(tmp_path / "a.ply")
    assert (facts["format"], facts["Gaussians"], facts["degree"]) == ("PLY", "50", 1)
    assert facts["of no use"] == {"nearly transparent": "2"}
    np.testing.assert_allclose(facts["from"], splats.means[2:].min(axis=0))
