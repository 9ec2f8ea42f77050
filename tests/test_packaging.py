"""What is shipped: a forgotten sub-package or data file still works in a working tree, so look."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _git_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: nothing to compare the wheel with")
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel: the one under test, else one built from a copy of the tree."""
    built = os.environ.get("POLYFIELD_WHEEL")
    if not built:
        source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
        for name in _git_files():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--no-index", "--wheel-dir", str(out), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        built = str(next(out.glob("*.whl")))
    return zipfile.ZipFile(built).namelist()


def _belongs_in_the_wheel(name: str) -> bool:
    inside = not name.startswith(("tests/", "docs/", ".", "benchmarks/data/"))
    shipped = name.endswith((".py", ".yaml")) or name.startswith("export/web/page/")
    return inside and (shipped or name == "py.typed")


def test_the_wheel_holds_every_module_and_configuration_file(wheel: list[str]) -> None:
    expected = {f"polyfield/{name}" for name in _git_files() if _belongs_in_the_wheel(name)}
    shipped = {name for name in wheel if ".dist-info/" not in name}
    assert shipped == expected


def test_the_wheel_installs_one_top_level_name_and_its_licence(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {re.sub(r"-.*", "", top) for top in tops} == {"polyfield"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_each_folder_of_the_package_says_what_lives_there() -> None:
    folders = {Path(name).parent for name in _git_files() if _belongs_in_the_wheel(name)}
    packages = {folder for folder in folders if any((ROOT / folder).glob("*.py"))}
    for folder in packages:
        text = (ROOT / folder / "__init__.py").read_text(encoding="utf-8")
        assert text.startswith('"""'), folder


def test_the_wheel_under_test_is_the_one_that_is_imported() -> None:
    if "POLYFIELD_WHEEL" not in os.environ:
        pytest.skip("the working tree is under test, not a wheel")
    import polyfield

    assert "site-packages" in str(polyfield.__file__)


# Packages whose name is not that of their module.
CALLED = {
    "imageio_ffmpeg": "imageio-ffmpeg",
    "hydra": "hydra-core",
    "PIL": "pillow",
    "yaml": "pyyaml",
}
# Comes with numba, which knows which version it needs; `lpips` is named where it is asked for.
NOT_OURS_TO_DECLARE = {"llvmlite", "lpips"}


def test_what_is_imported_is_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = set(re.findall(r'^    "([\w-]+)[^"]*",$', text, flags=re.MULTILINE))
    for name in _git_files():
        if not name.endswith(".py") or not _belongs_in_the_wheel(name):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                root = module.partition(".")[0]
                known = root == "polyfield" or root in sys.stdlib_module_names
                assert known or CALLED.get(root, root) in declared | NOT_OURS_TO_DECLARE, name
