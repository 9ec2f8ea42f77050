"""What the documents show works as it stands, and where they point there is something."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield import cli
from polyfield.datasets.procedural import procedural_scene
from polyfield.splats import Splats
from polyfield.splats.formats import read_splats, write_splats

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def code(document: str) -> list[str]:
    """The Python blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A few small images named `photos` in the working directory."""
    scene = procedural_scene(n_train=6, n_test=2, size=24)
    np.savez(
        tmp_path / "photos.npz",
        world_from_camera=scene.cameras.world_from_camera.numpy(),
        intrinsics=scene.cameras.intrinsics.numpy(),
        images=np.stack([scene.images[i] for i in range(len(scene))]),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "photos.npz"
    for name in [name for name in sys.modules if name.split(".")[0] == "mypackage"]:
        del sys.modules[name]


@pytest.fixture
def mypackage(photos: str, tmp_path: Path) -> Path:
    """The files of docs/adding_a_backbone.md, where its comments say they lie."""
    for block in code("docs/adding_a_backbone.md"):
        file = tmp_path / block.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("target", ["planes.Planes", "lines.Lines"])
def test_the_backbones_of_the_guide_train_and_evaluate(
    mypackage: Path, photos: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [f"field._target_=mypackage.{target}", "trust=[mypackage]", "field.channels=8"]
    words = ["train", f"data={photos}", "run=r", *own, "trainer.max_steps=3"]
    assert cli.main(words) == 0, capsys.readouterr().err
    assert cli.main(["eval", "run=r", "trust=[mypackage]"]) == 0, capsys.readouterr().err


def test_the_test_of_the_guide_passes(mypackage: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        [*command, "--import-mode=importlib", "--rootdir=."],
        cwd=mypackage,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(mypackage)},
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_python_of_the_readme_runs(photos: str, tmp_path: Path) -> None:
    (block,) = code("README.md")
    assert len(block.splitlines()) <= 14
    text = block.replace('"photos"', '"photos.npz"').replace("max_seconds=60", "max_steps=3")
    assert text != block
    exec(compile(text, "README.md", "exec"), {})
    assert (tmp_path / "runs" / "first" / "checkpoints").is_dir()


def test_the_python_of_the_gaussians_runs(photos: str) -> None:
    (block,) = code("docs/gaussians.md")
    text = block.replace('"photos"', '"photos.npz"').replace("data=photos", "data=photos.npz")
    text = text.replace('"trainer.max_seconds=60"', '"trainer.max_steps=3", "task.init_count=50"')
    scope: dict[str, Any] = {}
    exec(compile(text, "gaussians.md", "exec"), scope)
    assert len(scope["splats"]) == 50


def test_the_python_of_the_meshes_runs() -> None:
    (block,) = code("docs/meshes.md")
    scope: dict[str, Any] = {}
    exec(compile(block, "docs/meshes.md", "exec"), scope)
    assert len(scope["mesh"]) > 1000


def test_the_python_of_the_signals_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    iio.imwrite("photo.png", np.zeros((8, 12, 3), np.uint8))
    (block,) = code("docs/signals.md")
    scope: dict[str, Any] = {}
    exec(compile(block.replace("max_seconds=10", "max_steps=3"), "signals.md", "exec"), scope)
    assert scope["values"].shape == (64, 96, 3)


def test_the_python_of_the_splats_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).normal
    shapes = ((9, 3), (9, 4), (9, 3), (9,), (9, 3), (9, 15, 3))
    write_splats(Splats(*(draw(size=shape) for shape in shapes)), "scene.ply")
    (block,) = code("docs/splats.md")
    exec(compile(block, "splats.md", "exec"), {})
    # Down, which was +y, is -z now.
    lowest = read_splats("scene.ply").means[:, 1].max()
    assert read_splats("z_up.splat").means[:, 2].min() == pytest.approx(-lowest)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    for link in links:
        if not link.startswith(("http://", "https://")):
            assert (document.parent / link).exists(), link


def test_the_architecture_names_every_folder() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert folders <= set(re.findall(r"`(\w+)/`", text))


def allowed_imports() -> dict[str, set[str]]:
    """By folder, those that the table of docs/architecture.md lets it import."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    allowed: dict[str, set[str]] = {}
    for folder, may in re.findall(r"^\| `(\w+)/` \|.*\|([^|]*)\|$", text, flags=re.MULTILINE):
        above = set(allowed) if "all of the above" in may else set()
        allowed[folder] = {folder, *above, *re.findall(r"`(\w+)`", may)}
    return allowed


@pytest.mark.parametrize("folder", sorted(file.parent.name for file in ROOT.glob("*/__init__.py")))
def test_imports_follow_the_arrows(folder: str) -> None:
    allowed, folders = allowed_imports()[folder], {file.parent.name for file in ROOT.glob("*/*.py")}
    for file in ROOT.glob(f"{folder}/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "asname")]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            for name in names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
                root, _, rest = name.partition(".")
                inside = rest.partition(".")[0]
                assert root != "polyfield" or inside not in folders - allowed, (file.name, name)
