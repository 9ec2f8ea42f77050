"""Templates compiled in processes of their own are those that are called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from numba import float32, float64

from polyfield.cameras import Rays
from polyfield.fields import DenseGrid, Domain, RadianceDecoder, RadianceField
from polyfield.kernels import ahead
from polyfield.renderers import OccupancyGrid, ProposalRenderer, VolumeRenderer

DOMAIN = Domain(torch.tensor([[-1.0, -1, -1], [1, 1, 1]]), "box")
RENDERERS: dict[str, Callable[[RadianceField], VolumeRenderer | ProposalRenderer]] = {
    "forward": lambda field: VolumeRenderer(field, OccupancyGrid(DOMAIN, 8), step=0.1),
    "listed": ProposalRenderer,
}


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_templates_are_called_with_the_types_that_they_are_compiled_for(name: str) -> None:
    """Were they others, what was compiled ahead would be compiled again."""
    field = RadianceField(DOMAIN, DenseGrid(4, 28), RadianceDecoder(28))
    directions = torch.nn.functional.normalize(torch.randn(8, 3), dim=-1)
    RENDERERS[name](field)(Rays(torch.zeros(8, 3), directions)).rgb.sum().backward()
    for called in (name, "backward"):
        template = ahead.TEMPLATES[called]
        expected = {template.signature(t) for t in (float32, float64)}
        seen = set(template.kernel().signatures)
        assert seen
        assert seen <= expected


def test_a_process_of_its_own_leaves_a_template_where_others_find_it() -> None:
    command = [sys.executable, "-m", "polyfield.kernels.ahead", "forward", "float32"]
    subprocess.run(command, check=True)
    assert ahead.on_disk(ahead.TEMPLATES["forward"].kernel())
    ahead._known.discard("forward")
    ahead.start("forward")
    assert "forward" not in ahead._running


def test_what_nobody_has_compiled_is_compiled_apart_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = []

    class Process:
        def __init__(self, words: list[str], **_: object) -> None:
            self.words = words

        def wait(self) -> None:
            waited.append(self.words[-2:])

    monkeypatch.setattr(ahead, "_known", set())
    monkeypatch.setattr(ahead, "on_disk", lambda _: False)
    monkeypatch.setattr(subprocess, "Popen", Process)
    ahead.start("forward", "backward")
    ahead.start("forward")
    assert sorted(ahead._running) == ["backward", "forward"]
    assert ahead.kernel("forward") is ahead.TEMPLATES["forward"].kernel()
    assert waited == [["forward", "float32"]]
    ahead.kernel("backward")
    assert ahead._running == {}


def test_without_another_process_a_template_is_compiled_where_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no process")

    monkeypatch.setattr(ahead, "_known", set())
    monkeypatch.setattr(ahead, "on_disk", lambda _: False)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    ahead.start("forward")
    assert ahead._running == {}
    assert ahead.kernel("forward") is ahead.TEMPLATES["forward"].kernel()
