"""Sounds, volumes and videos: read as they are stored, and refused where they cannot be."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import wave
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image
from scipy.io import wavfile

from polyfield.datasets.audio import load_audio
from polyfield.datasets.signals import kind_of
from polyfield.datasets.video import load_video
from polyfield.datasets.volume import load_volume
from polyfield.errors import InputError
from polyfield.export.video import write_video

VOLUME = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


def nrrd(
    path: Path, values: np.ndarray, encoding: str = "raw", extra: str = "", data: str = ""
) -> Path:
    """An NRRD of a volume, slowest axis first."""
    kind = {"int16": "short", "uint8": "uchar", "float32": "float"}[str(values.dtype)]
    sizes = " ".join(map(str, values.shape[::-1]))
    head = f"NRRD0004\n# a comment\ntype: {kind}\ndimension: {values.ndim}\nsizes: {sizes}\n"
    head += f"encoding: {encoding}\nendian: little\n{extra}\n"
    body = values.tobytes()
    body = gzip.compress(body) if encoding == "gzip" else body
    if data:
        (path.parent / data).write_bytes(body)
        body = b""
    path.write_bytes(head.encode() + body)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("k", [1, 2])
def test_sounds_stay_as_they_are(tmp_path: Path, dtype: str, k: int) -> None:
    wave_form = np.sin(np.arange(200).reshape(100, 2)[:, :k] / 9) * 0.5
    if dtype[0] == "f":
        samples = wave_form.astype(dtype)
    else:
        info = np.iinfo(dtype)
        middle, top = (128, 127) if dtype == "uint8" else (0, info.max)
        samples = (middle + wave_form * top).astype(dtype)
    wavfile.write(tmp_path / "a.wav", 8000, samples[:, 0] if k == 1 else samples)
    grid = load_audio(tmp_path / "a.wav")
    assert (grid.counts, grid.channels, grid.rate) == ((100,), k, 8000)
    np.testing.assert_array_equal(grid.values, samples.astype(grid.dtype))
    # Full scale is the type's: a sound of half the amplitude fills half of [0, 1].
    scaled = (grid.values - grid.low) / (grid.high - grid.low)
    np.testing.assert_allclose(scaled, 0.5 + wave_form / 2, atol=0.01)


def test_a_sound_of_24_bits_is_read(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(b"\0\0\x40" * 10)
    grid = load_audio(tmp_path / "a.wav")
    assert (grid.values[0] - grid.low) / (grid.high - grid.low) == pytest.approx(0.75, abs=1e-6)


def test_bad_sounds_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.wav").write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    wavfile.write(tmp_path / "c.wav", 8000, np.zeros(0, np.int16))
    wavfile.write(tmp_path / "d.wav", 8000, np.array([0, np.nan], np.float32))
    for name in "abcd":
        with pytest.raises(InputError) as caught:
            load_audio(tmp_path / f"{name}.wav")
        assert str(caught.value).startswith(str(tmp_path))
    assert "NaN or infinity at [1]" in str(caught.value)


def test_a_sound_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, np.arange(1000, dtype=np.int16))
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[:1200])
    with pytest.raises(InputError, match="cannot be read, found Reached EOF prematurely"):
        load_audio(tmp_path / "a.wav")


def test_an_array_is_a_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VOLUME)
    grid = load_volume(tmp_path / "a.npy")
    assert (grid.counts, grid.channels, grid.dtype) == ((2, 3, 4), 1, "int16")
    np.testing.assert_array_equal(grid.values[..., 0], VOLUME)
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 4, 3), np.uint8))
    assert load_volume(tmp_path / "b.npy").channels == 3


def test_raw_numbers_need_a_shape_and_a_type(tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    VOLUME.tofile(file)
    for grid in (
        load_volume(file, shape=[2, 3, 4], dtype="<i2"),
        load_volume(file, shape=[2, 3, 4], dtype="int16", spacing=[1, 2, 3]),
    ):
        np.testing.assert_array_equal(grid.values[..., 0], VOLUME)
    assert grid.spacing == (1, 2, 3)
    with pytest.raises(InputError, match=r"dataset\.shape: a \.raw file does not say"):
        load_volume(file)
    with pytest.raises(InputError, match="found 48 bytes, expected 24 for uint8"):
        load_volume(file, shape=[2, 3, 4], dtype="uint8")
    for shape, dtype in (([2, 3, 0], "u1"), ([2, 3, 4], "O"), ([2, 3, 4], "nonsense")):
        with pytest.raises(InputError):
            load_volume(file, shape=shape, dtype=dtype)
    (tmp_path / "a.raw.json").write_text(json.dumps({"shape": [2, 3, 4], "dtype": "int16"}))
    np.testing.assert_array_equal(load_volume(file).values[..., 0], VOLUME)
    (tmp_path / "a.raw.json").write_text("{")
    with pytest.raises(InputError, match="damaged json"):
        load_volume(file)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("data", ["", "beside.bin"])
def test_nrrd_is_read_in_both_encodings(tmp_path: Path, encoding: str, data: str) -> None:
    beside = f"data file: {data}\n" if data else ""
    extra = f"spacings: 1 2 4\n{beside}"
    grid = load_volume(nrrd(tmp_path / "a.nrrd", VOLUME, encoding, extra, data))
    np.testing.assert_array_equal(grid.values[..., 0], VOLUME)
    assert grid.spacing == (4, 2, 1)  # the first axis of the file moves fastest
    directions = f"space directions: (0,3,4) (1,0,0) (0,0,2)\n{beside}"
    grid = load_volume(nrrd(tmp_path / "a.nrrd", VOLUME, encoding, directions, data))
    assert grid.spacing == (2, 1, 5)


def test_colours_of_an_nrrd_are_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    extra = "space directions: none (2,0,0) (0,1,0) (0,0,1)\n"
    grid = load_volume(nrrd(tmp_path / "a.nrrd", values, extra=extra))
    assert (grid.counts, grid.channels, grid.spacing) == ((2, 3, 4), 3, (1, 1, 2))
    np.testing.assert_array_equal(grid.values, values)


def test_bad_volumes_are_one_line(tmp_path: Path) -> None:
    def written(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    whole = nrrd(tmp_path / "whole.nrrd", VOLUME).read_bytes()
    packed = nrrd(tmp_path / "packed.nrrd", VOLUME, "gzip").read_bytes()
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    np.save(tmp_path / "nan.npy", np.full((2, 2, 2), np.nan))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    files = [
        tmp_path / "flat.npy",
        tmp_path / "nan.npy",
        tmp_path / "object.npy",
        written("a.npy", pickle.dumps({})),
        written("b.nrrd", b""),
        written("c.nrrd", whole[:-1]),
        written("d.nrrd", packed[:-12]),
        written("e.nrrd", whole.replace(b"raw", b"bz2")),
        written("f.nrrd", whole.replace(b"short", b"block")),
        written("g.nrrd", whole.replace(b"4 3 2", b"4 3 x")),
        written("h.nrrd", whole.replace(b"4 3 2", b"4 3 0")),
        written("i.nrrd", whole.replace(b"endian", b"data file: ../../etc/passwd\nendian")),
        written("k.nrrd", packed.replace(b"4 3 2", b"4000000000 3000000000 2000000000")),
        written("j.nrrd", whole.replace(b"4 3 2", b"400000 300000 200000")),
    ]
    for file in files:
        with pytest.raises(InputError) as caught:
            load_volume(file)
        assert str(caught.value).startswith(str(tmp_path)), file
        assert "\n" not in str(caught.value)


def frames(n: int = 5, size: tuple[int, int] = (32, 48)) -> np.ndarray:
    """[n, h, w, 3] a moving ramp."""
    y, x = np.mgrid[: size[0], : size[1]]
    moved = [np.stack([4 * x, 6 * y, 0 * x + 40 * i], axis=-1) for i in range(n)]
    return np.stack(moved).astype(np.uint8)


def test_frames_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    for i, frame in enumerate(frames(12)):
        iio.imwrite(tmp_path / f"f{i}.png", frame)
    grid = load_video(tmp_path)
    assert (grid.counts, grid.channels, grid.rate) == ((12, 32, 48), 3, 30)
    np.testing.assert_array_equal(grid.values, frames(12))
    assert load_video(tmp_path, frames=3, fps=12).counts[0] == 3
    iio.imwrite(tmp_path / "f5.png", frames(1, (30, 48))[0])
    with pytest.raises(InputError, match=r"f5\.png: frame: found \[30, 48, 3\]"):
        load_video(tmp_path)


def test_a_file_is_read_frame_by_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a b.mp4", iter(frames()), fps=12)
    grid = load_video(tmp_path / "a b.mp4")
    assert (grid.counts, grid.channels, grid.rate) == ((5, 32, 48), 3, 12)
    assert np.abs(grid.values.astype(float) - frames()).mean() < 8  # it is compressed
    assert load_video(tmp_path / "a b.mp4", frames=2).counts == (2, 32, 48)


def test_frames_that_last_unequally_are_read_at_the_rate_that_is_told(tmp_path: Path) -> None:
    shown = [Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)) for i in range(4)]
    delays = [100, 300, 100, 500]
    shown[0].save(
        tmp_path / "a.gif", save_all=True, append_images=shown[1:], duration=delays, loop=0
    )
    grid = load_video(tmp_path / "a.gif")
    assert grid.counts[0] / grid.rate == pytest.approx(sum(delays) / 1000, abs=1 / grid.rate)
    assert np.diff(grid.values[:, 0, 0, 0].astype(int)).min() >= 0


def test_rates_of_television_are_exact(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", iter(frames(24)), fps=24000 / 1001)
    grid = load_video(tmp_path / "a.mp4")
    assert grid.rate == pytest.approx(24000 / 1001, rel=1e-9)
    assert grid.counts[0] == 24


def test_a_video_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 96, 3)).astype(np.uint8)
    write_video(tmp_path / "whole.mp4", iter(noise), fps=12)
    for name in ("b.mkv", "c.avi", "d.gif"):
        words = ["-i", str(tmp_path / "whole.mp4"), str(tmp_path / name)]
        subprocess.run([get_ffmpeg_exe(), "-v", "error", *words], check=True)
        assert load_video(tmp_path / name).counts[0] in (12, 13)  # GIF knows hundredths only
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
        with pytest.raises(InputError, match=r"is damaged, found .*`ffmpeg -i"):
            load_video(tmp_path / name)


def test_no_ffmpeg_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", absent)
    (tmp_path / "a.mp4").write_bytes(b"whatever")
    with pytest.raises(InputError, match=r"a\.mp4: .*\(pip install imageio-ffmpeg\)$"):
        load_video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"b\.mp4: .*\(pip install imageio-ffmpeg\)$"):
        write_video(tmp_path / "b.mp4", iter(frames()))


def test_bad_videos_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not a video")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"a\.mp4: cannot be read"):
        load_video(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="frames: found no pictures"):
        load_video(tmp_path / "empty")
    with pytest.raises(InputError, match=r"dataset\.frames: found 0"):
        load_video(tmp_path / "empty", frames=0)


def test_names_betray_kinds() -> None:
    kinds = {"a.PNG": "image", "b.wav": "audio", "c.nrrd": "volume", "d.mp4": "video"}
    kinds.update({"e.npy": "volume", "f.stl": "mesh"})
    assert {name: kind_of(Path(name)) for name in kinds} == kinds
    assert kind_of(Path("poses_bounds.npy")) is None
    assert kind_of(Path("transforms.json")) is None
