"""The renderer that is chosen where nobody chose one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from polyfield.commands.schema import configuration
from polyfield.renderers import ProposalRenderer, VolumeRenderer
from polyfield.training.radiance_assembly import build_renderer
from polyfield.training.renderer_choice import chosen_renderer, shipped


@pytest.mark.parametrize(
    ("words", "unbounded", "expected"),
    [
        ([], False, VolumeRenderer),
        ([], True, ProposalRenderer),
        (["renderer.step=0.01"], True, VolumeRenderer),
        (["renderer.occupancy.resolution=32"], True, VolumeRenderer),
        (["renderer=volume"], True, VolumeRenderer),
        (["renderer=proposal"], False, ProposalRenderer),
    ],
)
def test_the_scene_chooses_unless_somebody_did(
    words: list[str], unbounded: bool, expected: type, ball: Any
) -> None:
    scene = replace(ball.ball_scene(), unbounded=unbounded)
    config = configuration("data=a", "field.log2_entries=8", "field.levels=2", *words)
    assert isinstance(build_renderer(config, scene), expected)


def test_what_is_chosen_is_complete(ball: Any) -> None:
    scene = replace(ball.ball_scene(), unbounded=True)
    node = configuration("data=a")["renderer"]
    assert chosen_renderer(node, scene) == shipped("proposal")
    assert "auto" not in chosen_renderer(node, ball.ball_scene())
