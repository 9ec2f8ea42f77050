"""What Pillow cannot decode, by the ffmpeg that imageio-ffmpeg ships: videos, deep PNGs, EXR."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from polyfield.errors import InputError

SECONDS = 600  # a decoder that takes longer hangs
# What decoders call an error where a whole file was cut from a longer one.
HARMLESS = re.compile(r"mmco|missing during reorder|co located POCs")
TELEVISION = (24, 30, 48, 60, 120)  # frames in 1.001 seconds


class Stream(NamedTuple):
    """What a file's first video stream is: pixel format, width, height, frames a second, seconds.

    The size is that of stored frames, before they are turned; rate and seconds are 0 where unknown.
    """

    pixels: str
    width: int
    height: int
    rate: float
    seconds: float = 0.0


def probe(path: Path) -> Stream:
    """The first video stream of a file, or what a picture is.

    Raises:
        InputError: when there is none.
    """
    said = _run(path, ["-frames:v", "1", "-f", "null", "-"], "info")[1]
    found = re.search(r"Stream #.*?Video: [^\n]*", said)
    line = found.group() if found else ""
    # "Video: png, rgb48be(pc, gbr/unknown/unknown), 768x512 [SAR 1:1], 25 fps"
    size = re.search(r"[ ,](\d+)x(\d+)[ ,\[]", line + " ")
    if not size:
        raise InputError("cannot be read", file=path, found=_reason(said), expected="a video")
    rate = re.search(r"([\d.]+) (?:fps|tbr)", line)
    pixels = re.search(r"Video: [^,]*?(?:\([^)]*\))?, *([a-z0-9]+)", line)
    long = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    return Stream(
        pixels.group(1) if pixels else "",
        int(size.group(1)),
        int(size.group(2)),
        _exact(float(rate.group(1))) if rate else 0.0,
        sum(float(x) * y for x, y in zip(long.groups(), (3600, 60, 1))) if long else 0.0,
    )


def _exact(rate: float) -> float:
    """Frames a second, of which ffmpeg prints two decimals."""
    rates = (n / 1.001 for n in TELEVISION)
    return next((exact for exact in rates if abs(exact - rate) < 0.0051), rate)


def decode(
    path: Path,
    pixels: str,
    dtype: str,
    channels: int,
    stream: Stream,
    *,
    most: int | None = None,
    rate: float = 0.0,
) -> np.ndarray:
    """Frames [f, h, w, k].

    Args:
        path: the file.
        pixels: ffmpeg's name of the format to decode to: packed, or planar for `gbr` names.
        dtype, channels: of that format.
        stream: of `probe`.
        most: frames at most; None for all.
        rate: frames a second, repeated or left out where they do not come as often.

    Raises:
        InputError: when nothing, or less than a frame, can be decoded, or the file is damaged.
    """
    limit = [] if most is None else ["-frames:v", str(most)]
    steps = ["-r", f"{rate:.9g}"] if rate else []
    words = [*limit, *steps, "-f", "rawvideo", "-pix_fmt", pixels, "-"]
    data, said, status = _run(path, words, "error")
    frame = stream.width * stream.height * channels
    whole = len(data) - len(data) % np.dtype(dtype).itemsize
    flat = np.frombuffer(data[:whole], dtype)
    if flat.size == 0 or flat.size % frame:
        raise InputError("cannot be decoded", file=path, found=_reason(said))
    damage = [line for line in said.splitlines() if line.strip() and not HARMLESS.search(line)]
    if status or damage:
        hint = f"`ffmpeg -i {path.name} NEW{path.suffix}` keeps what can be read"
        raise InputError("is damaged", file=path, found=_reason("\n".join(damage)), hint=hint)
    if pixels.startswith("gbr"):
        planes = flat.reshape(-1, channels, stream.height, stream.width)
        return np.moveaxis(planes[:, [2, 0, 1, 3][:channels]], 1, -1)
    return flat.reshape(-1, stream.height, stream.width, channels)


def stream_frames(path: Path, filters: str, *, grey: bool = False) -> Iterator[np.ndarray]:
    """Frames [h,w,k] uint8 of a video one by one, turned as its file says they are to be seen.

    What is damaged ends it without a word, after what could be decoded.

    Args:
        path: the file.
        filters: of ffmpeg, to choose frames and their size.
        grey: k is 1, else 3.

    Raises:
        InputError: when ffmpeg is not there.
    """
    # At a regular rate, or ffmpeg repeats and drops frames to make one; a PNM tells its own size.
    steps = ",".join([*([filters] if filters else []), "setpts=N/25/TB"])
    kind = "pgm" if grey else "ppm"
    words = ["-vf", steps, "-r", "25", "-an", "-f", "image2pipe", "-c:v", kind]
    words += ["-pix_fmt", "gray" if grey else "rgb24", "-"]
    with tempfile.TemporaryFile() as said:
        command = [*_command(path, "error", turned=True), *words]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        assert child.stdout is not None
        try:
            while (frame := _read_pnm(child.stdout)) is not None:
                yield frame
        finally:
            child.kill()
            child.stdout.close()
            child.wait()


def _read_pnm(pipe: IO[bytes]) -> np.ndarray | None:
    """A raster of 8 bits as `P5` and `P6` have it, None at the end."""
    kind, size = pipe.readline().strip(), pipe.readline().split()
    pipe.readline()
    if kind not in (b"P5", b"P6") or len(size) != 2:
        return None
    shape = int(size[1]), int(size[0]), 1 if kind == b"P5" else 3
    data = pipe.read(shape[0] * shape[1] * shape[2])
    return np.frombuffer(data, np.uint8).reshape(shape) if len(data) == np.prod(shape) else None


def require_ffmpeg(path: Path) -> str:
    """The executable.

    Raises:
        InputError: naming the file that needs it, where there is none.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        hint = "pip install imageio-ffmpeg"
        raise InputError("needs ffmpeg", file=path, hint=hint) from None


def _run(path: Path, words: list[str], level: str) -> tuple[bytes, str, int]:
    """What ffmpeg writes and what it says, and its exit status."""
    command = [*_command(path, level), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError("cannot be decoded", file=path, found=f"{SECONDS} s of work") from None
    except OSError as error:
        raise InputError("ffmpeg cannot be run", file=path, found=error.strerror) from None
    return done.stdout, done.stderr.decode("utf-8", "replace"), done.returncode


def _command(path: Path, level: str, turned: bool = False) -> list[str]:
    """ffmpeg up to its input, whose frames it turns as the file says, or not."""
    command = [require_ffmpeg(path), "-hide_banner", "-nostdin", "-v", level]
    command += ["-protocol_whitelist", "file,pipe"]
    command += [] if turned else ["-noautorotate"]
    # Absolute, since ffmpeg reads `a:b.mp4` as a protocol and `-a.mp4` as an option.
    return [*command, "-i", f"file:{path.absolute()}"]


def _reason(said: str) -> str:
    """The last line of what ffmpeg says that names a problem."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"rror|nvalid|annot|not ", line)]
    return (told or lines or ["nothing"])[-1].rpartition("] ")[2][:120]
