"""How Gaussians multiply, where the configuration leaves it open.

From points that lie on surfaces, splitting what is pulled about is ahead in short trainings and
level in longer ones: the cup's rows of RESULTS.md. Gaussians that begin at random have to find the
surfaces first; moving dead ones to live ones gives as many dB and the higher SSIM: the fox's.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from polyfield.datasets.scene import Scene
from polyfield.training.seeds import first_source


def chosen_densify(
    node: Mapping[str, Any], task: Mapping[str, Any], scene: Scene
) -> dict[str, Any]:
    """The node `densify` with `auto` decided: mcmc where Gaussians begin at random, else classic.

    Args:
        node: of the configuration; one without `auto: true` is what was asked for and stays.
        task: the node `task`, which says where Gaussians begin.
    """
    settings = dict(node)
    if not settings.pop("auto", False):
        return settings
    source = task.get("init", "auto")
    source = first_source(scene) if source == "auto" else source
    name = "mcmc" if source == "random" and not task.get("init_from") else "classic"
    text = (files("polyfield.conf") / "densify" / f"{name}.yaml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), **settings}
