"""What takes longer than a click: renders and exports, one at a time, with progress."""

from __future__ import annotations

import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polyfield.errors import InputError


class Cancelled(Exception):
    """Somebody has pressed the button, or the page is being closed."""


@dataclass
class Progress:
    """How far a job is.

    Attributes:
        name: of the job.
        done: in [0, 1]; None where nobody knows.
        line: what it does now.
    """

    name: str
    done: float | None = None
    line: str = ""


Tell = Callable[[float | None, str], None]


@dataclass(frozen=True)
class Exporter:
    """What writes a file.

    Attributes:
        suffix: of the file's name, with its dot.
        write: writes it, and tells how far it is.
    """

    suffix: str
    write: Callable[[Path, Tell], None]


class Jobs:
    """Runs one job after another in a thread, and keeps the folder for what they write.

    Args:
        out: the folder for results; None, or one that cannot be written, stands for one that goes
            when the page is closed.
    """

    def __init__(self, out: Path | None) -> None:
        self._wanted = out
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.note: str | None = None  # on where files go, if not where they were to
        self._thread: threading.Thread | None = None
        self._stopping = False
        self.progress: Progress | None = None
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._thread is not None and self._thread.is_alive()

    def folder(self) -> Path:
        """Where results go."""
        if self._temporary is not None:
            return Path(self._temporary.name)
        if self._wanted is not None:
            try:
                self._wanted.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._wanted):
                    return self._wanted
            except OSError as error:
                reason = error.strerror or error
                self.note = f"{self._wanted}: {reason}; only the download is kept"
        self._temporary = tempfile.TemporaryDirectory(prefix="polyfield-viewer-")
        return Path(self._temporary.name)

    def start(
        self,
        name: str,
        work: Callable[[Path, Tell], Path],
        done: Callable[[Path], None],
        failed: Callable[[str], None],
    ) -> bool:
        """Begin a job; False if another one runs.

        Args:
            work: with a folder and whom to tell of progress -> the file that it wrote there.
            done: called with that file.
            failed: called with what went wrong.
        """
        with self._lock:
            if self.busy:
                return False
            self._stopping = False
            self.progress = Progress(name)
            arguments = (work, done, failed)
            self._thread = threading.Thread(
                target=self._run, args=arguments, name="polyfield-job", daemon=True
            )
            self._thread.start()
        return True

    def cancel(self) -> None:
        """Give up the job that runs, the next time that it tells of its progress."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """Whether the job that runs is given up."""
        return self._stopping

    def stop(self) -> None:
        """Give up what runs, and the temporary folder."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(10.0)
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def _tell(self, done: float | None, line: str) -> None:
        if self._stopping:
            raise Cancelled
        assert self.progress is not None
        self.progress.done, self.progress.line = done, line

    def _run(
        self,
        work: Callable[[Path, Tell], Path],
        done: Callable[[Path], None],
        failed: Callable[[str], None],
    ) -> None:
        try:
            done(work(self.folder(), self._tell))
        except Cancelled:
            failed("cancelled")
        except InputError as error:
            failed(str(error))
        except OSError as error:
            failed(f"{error.filename or ''}: {error.strerror or error}")
        except Exception as error:
            traceback.print_exc()  # a bug of ours: the person at the server is to see where
            failed(f"{type(error).__name__}: {error}")
        finally:
            self.progress = None
