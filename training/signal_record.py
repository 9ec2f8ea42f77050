"""What a run remembers of the signal that it was trained on: `signal.json`, all but the samples.

What was learned can so be sampled and exported where the data is not, and a run notices when it is
opened with other data.
"""

from __future__ import annotations

import json
from pathlib import Path

from polyfield.datasets.grid import Grid
from polyfield.datasets.mesh import Mesh
from polyfield.datasets.signals import Signal
from polyfield.durable import replace_file
from polyfield.errors import InputError

FILE = "signal.json"


def write_signal(run: Path, signal: Signal) -> None:
    """Write `signal.json`."""
    replace_file(run / FILE, json.dumps(signal.record(), ensure_ascii=False).encode())


def read_signal(run: Path) -> Signal | None:
    """The signal of a run without its samples; None if not recorded.

    Raises:
        InputError: when the record is damaged.
    """
    file = run / FILE
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_bytes())
        return (Mesh if record["kind"] == Mesh.kind else Grid).of_record(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("damaged record of the signal", file=file, found=repr(error)) from error


def check_same_signal(signal: Signal, recorded: Signal) -> None:
    """Compare data with what a run was trained on.

    Raises:
        InputError: naming what has changed.
    """
    now, then = signal.record(), recorded.record()
    for key in (key for key in then if key != "path"):
        if now.get(key) != then[key]:
            raise InputError(
                "the data has changed since it was trained on",
                file=signal.path,
                field=key,
                found=now.get(key),
                expected=then[key],
            )
