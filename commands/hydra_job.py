"""Run a verb as a Hydra job, so that sweeps (`-m`) and launchers work.

Hydra's own logging, output folders and error printing are turned off (`conf/quiet.yaml` and here):
what a job writes, it writes into its run. Hydra is imported when a job is run, not before.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polyfield.commands.arguments import Arguments
from polyfield.commands.backbones import search_working_directory
from polyfield.commands.errors import one_line, report

if TYPE_CHECKING:
    from omegaconf import DictConfig

Job = Callable[[dict[str, Any]], float | None]
HydraTask = Callable[["DictConfig"], float | None]


def job(function: Job) -> HydraTask:
    """Make a Hydra task of a function of plain, resolved configuration.

    What is wrong with the input is printed as one line and ends the process with status 2; in a
    sweep it is raised, so that the launcher goes on with the other jobs.
    """

    @functools.wraps(function)
    def task(config: DictConfig) -> float | None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf import OmegaConf

        try:
            plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            if plain.get("trust"):
                search_working_directory()
            return function(plain)
        except Exception as error:
            # Hydra prints a line of its own about every exception that passes through it.
            if HydraConfig.get().mode is RunMode.MULTIRUN or one_line(error) is None:
                raise
            raise SystemExit(report(error)) from error

    return task


def execute(
    verb: str,
    task: HydraTask,
    arguments: Arguments,
    complete: Callable[[DictConfig], list[str]] | None = None,
) -> None:
    """Check a line and run its job or its sweep.

    Args:
        verb: the primary configuration, `conf/<verb>.yaml`.
        task: what `job` made.
        arguments: the line.
        complete: gives the overrides that depend on the composed configuration.
    """
    import hydra

    from polyfield.commands.schema import CONF, HYDRA_VERSION, checked

    words, config = checked(verb, arguments.overrides, arguments.multirun)
    if complete is not None:
        words += complete(config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise to us instead of printing and exiting
    run = hydra.main(version_base=HYDRA_VERSION, config_path=f"pkg://{CONF}", config_name=verb)
    # Flags first: argparse loses the words that follow a flag which follows words.
    with _shell_line([f"polyfield {verb}", *arguments.flags, *words]):
        run(task)()


def command_line(verb: str, **settings: Any) -> str:
    """A line that can be pasted into a shell."""
    words = [shlex.quote(f"{key}={value}") for key, value in settings.items()]
    return " ".join(["polyfield", verb, *words])


def overrides() -> list[str]:
    """The overrides of the job that runs now, as given on the line."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task)


def sweep_number() -> int | None:
    """The number of this job in its sweep, None outside a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    settings = HydraConfig.get()
    return int(settings.job.num) if settings.mode is RunMode.MULTIRUN else None


@contextmanager
def _shell_line(words: list[str]) -> Iterator[None]:
    """Hydra's parser reads `sys.argv`."""
    before = sys.argv
    sys.argv = words
    try:
        yield
    finally:
        sys.argv = before
