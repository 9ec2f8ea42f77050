"""The Gaussians that a training begins with: of points, of meshes, of photos, of other fields.

All give `Seeds`: the parameters by name (`densification.NAMES`), float32, in world units.
"""

from polyfield.training.seeds.cloud import Seeds, gaussians_from_points
from polyfield.training.seeds.disks import as_disks
from polyfield.training.seeds.extent import scene_extent
from polyfield.training.seeds.of_scene import SOURCES, first_source, scene_gaussians
from polyfield.training.seeds.scatter import random_gaussians
from polyfield.training.seeds.surface import gaussians_from_mesh, gaussians_from_mesh_file
from polyfield.training.seeds.thinning import thinned
from polyfield.training.seeds.views import points_from_depths, points_from_renders

__all__ = [
    "SOURCES",
    "Seeds",
    "as_disks",
    "first_source",
    "gaussians_from_mesh",
    "gaussians_from_mesh_file",
    "gaussians_from_points",
    "points_from_depths",
    "points_from_renders",
    "random_gaussians",
    "scene_extent",
    "scene_gaussians",
    "thinned",
]
