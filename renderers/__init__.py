"""How a scene becomes pixels.

A renderer takes rays or a camera and returns a `Render`; it knows no backbone by name.
"""

from polyfield.renderers.occupancy import OccupancyGrid
from polyfield.renderers.proposal import ProposalRenderer
from polyfield.renderers.render import Render
from polyfield.renderers.splat import SplatRenderer
from polyfield.renderers.volume import VolumeRenderer

__all__ = ["OccupancyGrid", "ProposalRenderer", "Render", "SplatRenderer", "VolumeRenderer"]
