"""What runs in a cell's process: `python -m polyfield.benchmarks.process QUESTION ANSWER`."""

from __future__ import annotations

import importlib
import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import NotRun
from polyfield.errors import InputError


def end_with_parent() -> None:
    """End this process when the other end of a pipe it reads from is gone, however that ended."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(question: Path, answer: Path) -> int:
    """Call the module's `measure` and write what it returns; the exit status."""
    asked = json.loads(question.read_text())
    module = importlib.import_module(f"polyfield.benchmarks.{asked['module']}")
    found: dict[str, Any]
    try:
        from polyfield.benchmarks.provenance import machine

        # Before the measurement, which makes the machine busy itself.
        found = {"machine": machine()}
        found["values"] = module.measure(**asked["arguments"])
    except NotRun as reason:
        found = {"not_run": str(reason)}
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    answer.write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
