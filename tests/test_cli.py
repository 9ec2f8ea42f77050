"""The command line: quoting, checks, one-line errors, exit statuses, and a quiet working folder.

Jobs are replaced by one that notes its configuration, so that what is tested is the line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from polyfield import cli
from polyfield.commands import train
from polyfield.commands.arguments import parse, quote
from polyfield.commands.backbones import trusted
from polyfield.commands.hydra_job import job
from polyfield.errors import InputError

# Whatever a file name may hold on Linux, short of "/" and a line break; odd characters often.
PATHS = st.one_of(
    st.text(st.sampled_from("ab1 ,()=[]{}'\"\\$#:;é日~|&?*%@!<>.-_\t"), min_size=1, max_size=16),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), min_size=1),
)


@pytest.fixture
def line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, list[dict]]]:
    """Run `polyfield WORDS...` in an empty folder: (status, stderr, the configurations of jobs)."""
    jobs: list[dict] = []

    def note(config: dict[str, Any]) -> float:
        jobs.append(config)
        return 30.0

    def run(*words: str) -> tuple[int, str, list[dict]]:
        jobs.clear()
        status = cli.main(words)
        return status, capsys.readouterr().err, list(jobs)

    monkeypatch.setattr(train, "run", job(note))
    monkeypatch.chdir(tmp_path)
    return run


@settings(max_examples=500, deadline=None)
@given(PATHS)
@example("\\${a}'\\")
@example("${now:%Y}")
@example("a\\'b\\\\")
@example("choice(a,b)")
def test_a_quoted_path_comes_back_from_hydra_as_it_was(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    override = OverridesParser.create().parse_override(f"data={quote(path)}")
    config = OmegaConf.create({"data": None})
    OmegaConf.update(config, "data", override.value())
    assert not override.is_sweep_override()
    assert config.data == ("./???" if path == "???" else path)
    # A sweep writes the override out and parses it again for each job.
    again = OverridesParser.create().parse_override(f"data={override.get_value_element_as_str()}")
    assert again.value() == override.value()


@pytest.mark.parametrize("multirun", [False, True])
@pytest.mark.parametrize(
    "name", ["my photos, (1) = 'a' \"b\"", "é日{x: [1]}", "a,b", "null,", "c\\", "${run}", "~a#b;c"]
)
def test_odd_paths_reach_the_job(line: Callable, name: str, multirun: bool) -> None:
    sweep = ["-m", "seed=1,2"] if multirun else []
    status, _, jobs = line("train", f"data={name}", f"run=runs/{name}", *sweep)
    assert status == 0
    assert [job["data"] for job in jobs] == [name] * (2 if multirun else 1)
    assert [job["dataset"]["path"] for job in jobs] == [job["data"] for job in jobs]
    assert all(job["run"] == f"runs/{name}" for job in jobs)


def test_a_sweep_over_paths_is_written_choice(line: Callable) -> None:
    _, _, jobs = line("train", "-m", "data=choice(a,'b, c')", "run=r")
    assert [job["data"] for job in jobs] == ["a", "b, c"]


def test_words_that_say_no_path_are_not_quoted(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "resume=null", "run=r")
    assert jobs[0]["resume"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "no verb 'trian'; did you mean 'train'? (verbs: prepare, train, eval"),
        (["train", "photos"], "'photos' is not key=value"),
        (["train", "=3"], "'=3' is not key=value"),
        (["train", "data=a", "--multirn"], "no option '--multirn'; did you mean '--multirun'?"),
        (["train", "--cfg"], "option '--cfg' needs a value"),
        (["train", "data=a\nb"], "a path on the command line cannot hold a line break"),
        (["train", "--config-dir", "nowhere"], "nowhere: --config-dir: no such folder"),
        (["train", "data=a", "field=hsh"], "no field 'hsh'; did you mean 'hash'? (choices: "),
        (["train", "data=a", "experiment=nope"], "no experiment 'nope' (choices: "),
        (["train", "data=a", "fild=hash"], "no key 'fild'; did you mean 'field'?"),
        (
            ["train", "data=a", "trainer.max_step=4"],
            "no key 'trainer.max_step'; did you mean 'trainer.max_steps'?",
        ),
        (
            ["train", "data=a", "max_steps=4"],
            "no key 'max_steps'; did you mean 'trainer.max_steps'",
        ),
        (
            ["train", "data=a", "field.zebra=4"],
            "no key 'field.zebra' ('field' has: _target_, level",
        ),
        (["train", "data=a", "xyzzy=4"], "no key 'xyzzy' (there are: "),
        (["train", "data=a", "trainer.max_seconds=soon"], "found 'soon', expected a number"),
        (["train", "data=a", "field.levels=2.5"], "field.levels: found 2.5, expected an integer"),
        (["train", "data=a", "trust=3"], "trust: found 3, expected a list such as [a,b]"),
        (["train", "data=a", "field.levels=[1,"], "cannot read 'field.levels=[1,'"),
        (["train", "data=a", "field=hash,dense"], "a sweep needs the option -m"),
        (["train", "data=a", "~trainer"], "'~trainer': a key can be changed, not taken away"),
        (["train", "data=a", "~device"], "'~device': a key can be changed, not taken away"),
        (["train", "data=a", "~trainer.max_steps"], "'~trainer.max_steps': a key can be changed"),
        (["eval", "~checkpoint"], "'~checkpoint': a key can be changed, not taken away"),
        (["train", "data=a", "hydra/launcher=slurm"], "no hydra/launcher 'slurm' (choices: basic"),
        (["train", "data=a", "-m", "field=hash,mlp", "field.lvels=2"], "no key 'field.lvels'"),
    ],
)
def test_bad_lines_give_one_line_and_status_two(
    line: Callable, tmp_path: Path, words: list[str], message: str
) -> None:
    status, said, jobs = line(*words)
    assert status == 2
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not jobs
    assert not list(tmp_path.iterdir())


def test_bad_input_found_by_the_job_is_one_line_too(
    line: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: dict[str, Any]) -> float:
        raise InputError(file="a.json", field="frames", found="none", expected="at least two")

    monkeypatch.setattr(train, "run", job(fail))
    status, said, _ = line("train", "data=a")
    assert (status, said) == (2, "error: a.json: frames: found none, expected at least two\n")


def test_a_fault_of_ours_keeps_its_traceback(
    line: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: dict[str, Any]) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(train, "run", job(fail))
    with pytest.raises(ZeroDivisionError):
        line("train", "data=a")


def test_debug_shows_the_traceback_of_bad_input(
    line: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFIELD_DEBUG", "1")
    status, said, _ = line("trian")
    assert status == 2
    assert "Traceback" in said


def test_a_whole_number_may_be_written_with_an_exponent(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "field.log2_entries=1.2e1")
    assert jobs[0]["field"]["log2_entries"] == 12
    assert isinstance(jobs[0]["field"]["log2_entries"], int)


def test_a_single_number_may_stand_for_a_list_of_one(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "field=kplanes", "field.resolution=128")
    assert jobs[0]["field"]["resolution"] == [128]


def test_a_single_word_may_stand_for_a_list_of_one(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "trust=mine", "run=r")
    assert jobs[0]["trust"] == ["mine"]


def test_a_sweep_refuses_a_key_that_one_of_its_fields_lacks(line: Callable) -> None:
    status, said, _ = line("train", "data=a", "-m", "field=hash,dense", "field.levels=2")
    assert status == 2  # dense has no levels, and Hydra says so before the first job
    assert "field.levels" in said


def test_the_nerf_experiment_has_the_rays_that_it_says(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "run=r", "experiment=nerf")
    assert (jobs[0]["task"]["rays"], jobs[0]["task"]["samples_per_step"]) == (1024, 0)


def test_options_may_stand_between_settings(line: Callable) -> None:
    _, _, jobs = line("train", "data=a", "-m", "seed=1,2", "run=r")
    assert [job["seed"] for job in jobs] == [1, 2]


def test_parse_keeps_the_last_word_for_a_key() -> None:
    arguments = parse(["data=a", "field=hash", "data=b"])
    assert arguments.given("data") == "data='b'"
    assert arguments.given("run") is None


def test_a_folder_of_own_configuration_joins_the_tree(line: Callable, tmp_path: Path) -> None:
    (tmp_path / "my, conf" / "experiment").mkdir(parents=True)
    own = tmp_path / "my, conf" / "experiment" / "mine.yaml"
    own.write_text("# @package _global_\nseed: 7\n")
    status, _, jobs = line("train", "data=a", "--config-dir", "my, conf", "experiment=mine")
    assert status == 0
    assert jobs[0]["seed"] == 7


def _polyfield(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "polyfield", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", [None, *cli.VERBS])
def test_help_loads_nothing_heavy(verb: str | None, tmp_path: Path) -> None:
    words = [verb, "--help"] if verb else ["--help"]
    check = (
        "import sys; from polyfield.cli import main; status = main(sys.argv[1:]);"
        "heavy = {'torch', 'numba', 'numpy', 'hydra', 'omegaconf', 'scipy', 'rich'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "polyfield" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_each_verb_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"polyfield {verb}" in text
    assert "examples:" in text
    assert cli.main(["help", verb]) == 0
    assert capsys.readouterr().out == text


def test_no_verb_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage:" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from polyfield import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"polyfield {__version__}\n"


def test_output_may_be_cut_short(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "polyfield", "--help"]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_errors_of_the_system_are_one_line(line: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, said in (
        (PermissionError(13, "Permission denied", "a/b"), "error: a/b: Permission denied\n"),
        (OSError(28, "No space left on device"), "error: No space left on device\n"),
    ):

        def fail(config: dict[str, Any], error: OSError = error) -> float:
            raise error

        monkeypatch.setattr(train, "run", job(fail))
        assert line("train", "data=a")[:2] == (2, said)


def test_module_and_status_of_the_process(tmp_path: Path) -> None:
    done = _polyfield("train", "data=a", "field=hsh", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no field 'hsh'")
    assert not list(tmp_path.iterdir())


def test_idle_workers_are_told_to_sleep_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    cli.main(["--version"])
    assert os.environ.pop("GOMP_SPINCOUNT") == cli.SPINS
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    cli.main(["--version"])
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.fixture
def own_package(line: Callable, tmp_path: Path) -> Iterator[str]:
    """A package in the working directory, with a class that has arguments of all sorts."""
    name = "own_package"
    (tmp_path / f"{name}.py").write_text(
        "class Waves:\n"
        "    def __init__(self, width=8, freqs=(1.0, 2.0), kind='sin', in_dim=3, generator=None,"
        " source=open, out=None): ...\n"
        "class Needy:\n"
        "    def __init__(self, width): ...\n"
    )
    path = list(sys.path)
    yield name
    sys.path[:] = path
    sys.modules.pop(name, None)


def test_a_class_of_the_users_own_brings_its_arguments(line: Callable, own_package: str) -> None:
    target = f"field._target_={own_package}.Waves"
    status, said, jobs = line(
        "train", "data=a", "run=r", target, f"trust=[{own_package}]", "field.width=1e1"
    )
    assert status == 0, said
    assert jobs[0]["field"] == {
        "_target_": f"{own_package}.Waves",
        "width": 10,
        "freqs": [1.0, 2.0],
        "kind": "sin",
        "out": None,
    }
    assert jobs[0]["decoder"]["_target_"].startswith("polyfield.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["field._target_=own_package.Waves"], "(trust=[own_package] allows those of own_package)"),
        (["field._target_=own_package.Wave", "trust=[own_package]"], "has no attribute 'Wave'"),
        (["field._target_=gone.Wave", "trust=[gone]"], "No module named 'gone'"),
        (["field._target_=own_package.Needy", "trust=[own_package]"], "no value for 'field.width'"),
        (
            ["field._target_=own_package.Waves", "trust=[own_package]", "field.widht=4"],
            "no key 'field.widht'; did you mean 'field.width'?",
        ),
        (["field=custom"], "no value for 'field._target_'"),
    ],
)
def test_a_wrong_class_is_one_line(
    line: Callable, own_package: str, words: list[str], message: str
) -> None:
    status, said, jobs = line("train", "data=a", *words)
    assert (status, said.count("\n"), jobs) == (2, 1, [])
    assert message in said


def test_an_installed_package_names_its_backbones(
    line: Callable, own_package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "own_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[polyfield.backbones]\nwaves = {own_package}:Waves\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    status, said, jobs = line("train", "data=a", "run=r", "field=waves", "field.kind=cos")
    assert status == 0, said
    assert jobs[0]["field"]["_target_"] == f"{own_package}.Waves"
    assert jobs[0]["field"]["kind"] == "cos"
    assert f"{own_package}.Waves" in trusted()
