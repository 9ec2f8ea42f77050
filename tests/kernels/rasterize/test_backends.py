"""Who draws: by device, by name, and what is said where gsplat cannot."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians
from polyfield.kernels.rasterize import backends, gsplat_found
from polyfield.kernels.rasterize.backends import by_gsplat
from polyfield.kernels.rasterize.rasterize import rasterize
from polyfield.kernels.rasterize.records import PinholeView
from polyfield.kernels.rasterize.reference import rasterize_reference
from polyfield.renderers.splat import SplatRenderer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
VIEW = PinholeView(torch.eye(4)[:3], (20.0, 20.0, 10.0, 8.0), 20, 16)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A gsplat whose version and CUDA kernels are what a test says they are."""
    said = SimpleNamespace(version="1.5.3", extension=None, loads=0)

    def extension() -> str | None:
        said.loads += 1
        return said.extension

    monkeypatch.delenv("POLYFIELD_KERNELS", raising=False)
    monkeypatch.setattr(gsplat_found, "installed", lambda: said.version)
    monkeypatch.setattr(gsplat_found, "extension_obstacle", extension)
    backends._loads.cache_clear()
    monkeypatch.setattr(backends, "_loads", backends._loads.__wrapped__)
    return said


def some_gaussians(n: int = 30) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(n, 3, generator=generator) * 0.5 + torch.tensor([0, 0, 3.0])
    quats, colors = (torch.randn(n, size, generator=generator) for size in (4, 3))
    return {
        "means": means,
        "quats": quats,
        "log_scales": torch.full((n, 3), -2.0),
        "opacity_logits": torch.zeros(n),
        "sh_dc": colors,
        "sh_rest": torch.zeros(n, 0, 3),
    }


def test_auto_and_own(found: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_gsplat("auto", CUDA, torch.float32)
    assert found.loads == 1
    assert not by_gsplat("own", CUDA, torch.float32)
    assert not by_gsplat("auto", CPU, torch.float32)
    assert not by_gsplat("auto", CUDA, torch.float64)
    assert not by_gsplat("auto", CUDA, torch.float32, "surfels")
    assert not by_gsplat("auto", CUDA, torch.float32, wants=("median",))
    found.version = None
    assert not by_gsplat("auto", CUDA, torch.float32)
    assert found.loads == 1  # what is not wanted is not loaded
    found.version = "1.5.3"
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    assert not by_gsplat("auto", CUDA, torch.float32)


@pytest.mark.parametrize(
    ("version", "extension", "reason"),
    [("1.6.0", None, "gsplat 1.6.0"), ("1.5.3", "OSError: no nvcc", "OSError: no nvcc")],
)
def test_auto_says_why_not(
    found: SimpleNamespace, version: str, extension: str | None, reason: str
) -> None:
    found.version, found.extension = version, extension
    with pytest.warns(UserWarning, match=reason):
        assert not by_gsplat("auto", CUDA, torch.float32)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"version": None}, {}, "found gsplat, which is not installed, expected gsplat 1.5"),
        ({"version": "1.6.0"}, {}, "found gsplat 1.6.0, expected gsplat 1.5"),
        (
            {},
            {"device": CPU},
            "found gsplat 1.5.3, and Gaussians on the CPU, expected them on",
        ),
        ({}, {"dtype": torch.float64}, "found gsplat 1.5.3, and torch.float64, expected float32"),
        ({}, {"primitive": "surfels"}, "found gsplat, and surfels, expected auto or own"),
        ({}, {"wants": ("median",)}, "found gsplat, and median depths, expected auto or own"),
        ({"extension": "OSError: no nvcc"}, {}, "whose CUDA kernels do not load: OSError: no nvcc"),
    ],
)
def test_what_gsplat_cannot_is_refused_by_name(
    found: SimpleNamespace, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    asked = {"device": CUDA, "dtype": torch.float32}
    assert by_gsplat("gsplat", **asked)
    vars(found).update(changes)
    with pytest.raises(InputError, match=r"^renderer\.backend: ") as refused:
        by_gsplat("gsplat", **{**asked, **options})
    assert message in str(refused.value)
    lacks = "wants" in options or "primitive" in options
    assert lacks or "(pip install 'gsplat>=1.5,<1.6')" in str(refused.value)


def test_the_reference_and_gsplat_are_not_both(
    found: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYFIELD_KERNELS", "reference")
    with pytest.raises(InputError, match="gsplat, and POLYFIELD_KERNELS=reference"):
        by_gsplat("gsplat", CUDA, torch.float32)


def test_pictures_by_name(
    found: SimpleNamespace,
    gsplat_on_cpu: list[SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = Gaussians(degree=0)
    field.place(some_gaussians())
    renderer = SplatRenderer(field, backend="gsplat")
    with pytest.raises(InputError, match="Gaussians on the CPU"):
        renderer.draw(VIEW)
    assert not gsplat_on_cpu
    monkeypatch.setattr("polyfield.kernels.rasterize.rasterize.by_gsplat", lambda *_: True)
    drawn = renderer.draw(VIEW, wants=("z_depth",))
    right = rasterize_reference(**field.tensors, view=VIEW, wants=("z_depth",))
    torch.testing.assert_close(drawn.rgb, right.rgb, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(drawn.z_depth, right.z_depth, rtol=1e-4, atol=1e-5)
    assert len(gsplat_on_cpu) == 1


def test_another_backend_is_refused() -> None:
    with pytest.raises(InputError, match=r"renderer\.backend: found cuda, expected auto, own or"):
        SplatRenderer(Gaussians(degree=0), backend="cuda")
    with pytest.raises(InputError, match=r"renderer\.backend: found fused"):
        rasterize(**some_gaussians(), view=VIEW, backend="fused")


def test_checkpoints_know_no_backend() -> None:
    states = [SplatRenderer(Gaussians(degree=0), backend=b).state_dict() for b in ("own", "gsplat")]
    assert states[0].keys() == states[1].keys()


def test_nothing_is_looked_for_when_polyfield_is_imported() -> None:
    code = "import sys, polyfield.renderers, polyfield.training; print('gsplat' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_kernels_that_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a compiler throws is one line; gsplat leaves None where there is no toolkit."""

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Error building extension\nninja: stopped")

    obstacle = gsplat_found.extension_obstacle.__wrapped__
    for parent in ("gsplat", "gsplat.cuda"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", Broken("_backend"))
    assert obstacle() == "RuntimeError: Error building extension"
    backend = SimpleNamespace(_C=None)
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", backend)
    assert obstacle() == "no CUDA toolkit to compile them with"
    backend._C = object()
    assert obstacle() is None


@pytest.mark.parametrize(
    ("version", "gpu", "said"),
    [
        (None, False, "no (pip install 'gsplat>=1.5,<1.6'); draws Gaussians that lie on CUDA"),
        ("1.6.0", True, "1.6.0, not used: expected 1.5"),
        ("1.5.3", False, "1.5.3, not used here: "),
        ("1.5.3", True, "1.5.3, draws Gaussians that lie on CUDA; "),
    ],
)
def test_info_of_gsplat(
    found: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    gpu: bool,
    said: str,
) -> None:
    found.version = version
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert gsplat_found.gsplat_here().startswith(said)
    assert not found.loads
