"""A sound as a signal: a WAV file, whole numbers or floats, of any channels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from polyfield.datasets.grid import Grid, make_grid
from polyfield.errors import InputError

# What [0, 1] stands for: full scale of each type. 24 bits are read into the upper part of 32.
FULL_SCALE = {
    "uint8": (0.0, 255.0),
    "int16": (-32768.0, 32767.0),
    "int32": (-2147483648.0, 2147483647.0),
    "float32": (-1.0, 1.0),
}


def load_audio(path: Path) -> Grid:
    """A sound, [n, k] samples of k channels.

    Args:
        path: a WAV file.

    Raises:
        InputError: for what is no sound, has no samples, or samples that are not finite.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that say nothing
            warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)  # cut short
            rate, samples = wavfile.read(path)
    except Exception as error:  # whatever the reader makes of a broken file
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(
            "cannot be read", file=path, found=str(reason)[:120], expected="a WAV file"
        ) from None
    if rate <= 0 or samples.size == 0:
        found = f"{samples.size} samples at {rate} Hz"
        raise InputError(file=path, field="audio", found=found, expected="at least one sample")
    if samples.dtype == np.float64:
        samples = samples.astype(np.float32)
    values = samples[:, None] if samples.ndim == 1 else samples
    span = FULL_SCALE.get(str(values.dtype))
    return make_grid("audio", values, path, rate=float(rate), span=span)
