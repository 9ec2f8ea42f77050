"""A process that kills copies of itself at every moment of a save, and looks at what is left.

    python killed_saves.py FOLDER

Prints "intact" when nothing was lost. It forks, so it imports nothing that runs numba.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from polyfield.errors import InputError
from polyfield.training import checkpoint

spec = importlib.util.spec_from_file_location(
    "test_checkpoint", Path(__file__).with_name("test_checkpoint.py")
)
assert spec is not None
assert spec.loader is not None
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)


def attempt(run: Path, step: int, n: int) -> int:
    """The exit code of a process that saves and is killed before it touches the disk once more.

    Args:
        n: touches of the disk that it may do; where the next would be a write, half is written.
    """
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    left = n

    def touch(event: str, *_: Any) -> None:
        nonlocal left
        if event == "open" or (event.startswith(("os.", "shutil.")) and event != "os.kill"):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sync, write = os.fsync, checkpoint.write_file

    def fsync(descriptor: int) -> None:
        touch("os.fsync")
        sync(descriptor)

    def torn(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
        nonlocal left
        data = b"".join(pieces)
        if left == 0:
            left = -1
            path.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        write(path, [data])

    os.fsync, checkpoint.write_file = fsync, torn
    sys.addaudithook(touch)
    checkpoint.save(run, tests.snapshot(step))
    checkpoint.prune(run, 2)
    os._exit(0)


def kill_everywhere(root: Path, step: int) -> None:
    """Save `step` over the steps 1, 3 and 5, killed at every moment until it comes through."""
    n, code = 0, None
    while code != 0:
        run = root / f"{step}_{n}"
        shutil.copytree(root / "base", run)
        code = attempt(run, step, n)
        assert code in (0, -signal.SIGKILL), code
        steps = list(checkpoint.listing(run))
        assert steps[-2:] in ([3, 5], [5, 8]), (step, n, steps)
        for there in steps:
            tests.assert_intact(run, there)
        checkpoint.save(run, tests.snapshot(9))
        tests.assert_intact(run, 9)
        n += 1
    assert n > 30, n
    assert not [p for p in (run / "checkpoints").iterdir() if not p.name.startswith("step_")]


def run_into_a_limit(root: Path) -> None:
    """A limit on the size of files is the nearest to a full disk that needs no disk."""
    run = root / "limit"
    checkpoint.save(run, tests.snapshot(3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
    with pytest.raises(InputError, match=r"File too large \(the one of step 3 stands\)"):
        checkpoint.save(run, tests.snapshot(8))
    tests.assert_intact(run, 3)
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step_000003"]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for before in (1, 3, 5):
        checkpoint.save(folder / "base", tests.snapshot(before))
    kill_everywhere(folder, 8)  # a new one
    kill_everywhere(folder, 5)  # one that replaces
    run_into_a_limit(folder)
    print("intact")
