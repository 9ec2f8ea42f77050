"""Starts COLMAP in a process of its own, watches it, and ends it with us."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyfield.errors import InputError

POLL = 0.25  # seconds between looks


def call_colmap(
    request: dict[str, Any], work: Path, log: Path, watch: Callable[[], None]
) -> dict[str, Any] | None:
    """Run a stage of `colmap`.

    Args:
        request: "stage" and what that takes; plain data.
        work: a folder for the request and its answer.
        log: gets all that COLMAP says, behind what is there.
        watch: called now and then while it runs.

    Returns:
        The answer.

    Raises:
        InputError: when it fails, with the last that it said.
        KeyboardInterrupt: as of Ctrl-C; the process has ended then.
    """
    file = work / f"{request['stage']}.json"
    answer = Path(f"{file}.answer")
    answer.unlink(missing_ok=True)
    file.write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-m", "polyfield.structure.colmap", str(file)]
    with log.open("ab") as said:
        # In a session of its own, so that Ctrl-C reaches us alone.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True
        )
        try:
            while child.poll() is None:
                watch()
                try:
                    child.wait(POLL)
                except subprocess.TimeoutExpired:
                    continue
            watch()
        finally:
            child.kill()
            child.wait()
            assert child.stdin is not None
            child.stdin.close()
    if child.returncode != 0 or not answer.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = (lines or ["nothing"])[-1]
        if child.returncode < 0:
            reason = f"signal {-child.returncode}"
            reason += ", as where memory does not suffice" if child.returncode == -9 else ""
        raise InputError("COLMAP failed", file=log, found=reason[:200])
    found: dict[str, Any] | None = json.loads(answer.read_text(encoding="utf-8"))
    return found
