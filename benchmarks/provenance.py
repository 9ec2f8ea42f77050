"""Of which code, on which machine and when something was measured."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polyfield
from polyfield.version import __version__

SOURCES = (".py", ".yaml", ".toml")
OTHER = ("tests", "docs", "runs", "build")


def revision() -> str:
    """The state of the code: a commit, with `+` and a digest of the sources where they differ.

    Without a repository it is the version and the digest.
    """
    root = Path(str(polyfield.__file__)).resolve().parent
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return f"{__version__}+{_digest(root)}"
        commit = _git(root, "rev-parse", "--short=10", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", *(f"*{end}" for end in SOURCES))
    except (OSError, subprocess.CalledProcessError):
        return f"{__version__}+{_digest(root)}"
    return f"{commit}+{_digest(root)}" if changed else commit


def provenance(revision: str) -> dict[str, Any]:
    """What a record says of where it comes from, apart from the machine.

    Args:
        revision: of the code.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"commit": revision, "version": __version__, "date": now}


def machine() -> dict[str, Any]:
    """Processor, cores, memory, threads, versions, and how busy the machine was before."""
    import numba
    import torch

    from polyfield.commands.installation import machine as parts

    facts = {key: value for key, value in parts().items() if key != "cuda"}
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    versions = {"torch": torch.__version__, "numba": numba.__version__}
    return {**facts, "threads": numba.get_num_threads(), **versions, "load": load}


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _digest(root: Path) -> str:
    """Eight hexadecimal digits of the package's sources; tests and documentation do not count."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix in SOURCES and name.parts[0] not in OTHER and not hidden:
            total.update(str(name).encode() + path.read_bytes())
    return total.hexdigest()[:8]
