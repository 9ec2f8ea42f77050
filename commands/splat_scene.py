"""A file of Gaussians where a run is expected: what shows it, and cameras around it.

Its own frame is the world here. Letters: n cameras.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from polyfield.cameras import Cameras
    from polyfield.renderers.splat import SplatRenderer
    from polyfield.splats import Splats

AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}
DEFAULT_UP = (0.0, -1.0, 0.0)  # +y is down in files of 3DGS, and in all that are read
SIZE = (800, 800)
LARGEST_SIDE = 1 << 14  # pixels
ROOM = 1.2  # by which what is in view is larger than the box
LIFT = math.radians(15)  # of cameras over the horizon
SWAY = math.radians(20)  # to either side of a spiral's middle, and half of it up and down
NEAR = 1e-3  # least distance of what is shown, in radii of the box
AROUND = ("orbit", "spiral")


def renderer_of_file(file: Path) -> tuple[Splats, SplatRenderer]:
    """The Gaussians of a file, those that can be drawn, and what draws them.

    Raises:
        InputError: for a file that is damaged, or of which nothing can be drawn.
    """
    from polyfield.fields.gaussians import Gaussians, tensors_of
    from polyfield.renderers.splat import SplatRenderer
    from polyfield.splats.cleaning import clean
    from polyfield.splats.formats import read_splats

    splats = clean(read_splats(file), transparent=True).splats
    if not len(splats):
        raise InputError("no Gaussian that can be seen", file=file)
    field = Gaussians(splats.degree, degree_every=0, antialiased=splats.antialiased)
    field.place(tensors_of(splats))
    return splats, SplatRenderer(field, near=NEAR * sphere(splats)[1])


def path_around(splats: Splats, config: dict[str, Any]) -> Cameras:
    """The cameras of a path.

    Args:
        config: `path`, `frames`, `size`, `fov` and `up` of `polyfield render`.

    Raises:
        InputError: for a path that needs the cameras of a training, and what cannot be.
    """
    from polyfield.cameras import files, paths

    path = str(config["path"])
    width, height = checked_size(config["size"])
    fov, up = config["fov"], direction(config["up"])
    if not 1 <= fov <= 170:
        raise InputError(field="fov", found=fov, expected="degrees, 1 to 170")
    if path not in AROUND:
        if not Path(path).is_file():
            expected = f"{' or '.join(AROUND)}, or a file of cameras: a file of Gaussians has none"
            raise InputError(field="path", found=path, expected=expected)
        return files.load_cameras(path)
    seen = standing_around(splats, up, (width, height), math.radians(fov), on_ring=path == "orbit")
    if path == "orbit":
        return paths.orbit(seen, config["frames"], up=up)
    return paths.spiral(seen, config["frames"])


def standing_around(
    splats: Splats,
    up: tuple[float, float, float],
    size: tuple[int, int],
    fov: float,
    on_ring: bool = True,
) -> Cameras:
    """Cameras that have the Gaussians in view: see `standing`."""
    return standing(*sphere(splats), up, size, fov, on_ring)


def standing(
    center: Tensor,
    radius: float,
    up: tuple[float, float, float],
    size: tuple[int, int],
    fov: float,
    on_ring: bool = True,
) -> Cameras:
    """Cameras that have a sphere in view, looking at its middle.

    Args:
        center: [3].
        up: unit vector.
        size: width and height.
        fov: across the shorter side, radians.
        on_ring: whether they stand all around, or in front.
    """
    import torch

    from polyfield.cameras import Cameras
    from polyfield.cameras.models import Model
    from polyfield.cameras.poses import look_at

    distance = ROOM * radius / math.sin(fov / 2)
    ring = torch.linspace(0, 2 * math.pi, 9, dtype=torch.float64)[:-1]
    sway = torch.tensor([-SWAY, 0.0, SWAY], dtype=torch.float64)
    turns, lifts = (ring, torch.zeros(1)) if on_ring else (sway, sway / 2)
    turn, lift = torch.cartesian_prod(turns, lifts.double() + LIFT).unbind(dim=1)
    upward = torch.tensor(up, dtype=torch.float64)
    ahead = _ahead(upward)
    aside = torch.linalg.cross(ahead, upward)
    level = torch.cos(turn)[:, None] * ahead + torch.sin(turn)[:, None] * aside
    arms = torch.cos(lift)[:, None] * level - torch.sin(lift)[:, None] * upward
    poses = look_at(center - distance * arms, center[None], upward)
    n, (width, height) = len(poses), size
    focal = min(size) / 2 / math.tan(fov / 2)
    intrinsics = torch.tensor([focal, focal, width / 2, height / 2], dtype=torch.float64)
    return Cameras(
        poses,
        intrinsics.expand(n, 4),
        torch.zeros(n, 0),
        torch.full((n,), int(Model.PINHOLE)),
        torch.tensor([[width, height]]).expand(n, 2),
    )


def sphere(splats: Splats) -> tuple[Float[Tensor, "3"], float]:
    """Centre and radius of what is to be in view; the radius is above 0."""
    import torch

    from polyfield.splats.extent import robust_sphere

    center, radius = robust_sphere(splats)
    return torch.from_numpy(center), radius


def _ahead(up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The level direction in which the first camera looks: +z, or +y where that is up or down."""
    import torch

    z, y = torch.eye(3, dtype=torch.float64)[[2, 1]]
    along = z if abs(float(up @ z)) < 0.9 else y
    return torch.nn.functional.normalize(along - (along @ up) * up, dim=0)


def direction(up: Any) -> tuple[float, float, float]:
    """The unit vector that `up=` means.

    Raises:
        InputError: for what is neither an axis nor three numbers, or has no length.
    """
    words = up if isinstance(up, list) else [up]
    if len(words) == 1:
        sign, axis = re.fullmatch(r"([+-]?)(.*)", str(words[0]).lower()).groups()  # type: ignore[union-attr]
        if axis == "auto" and not sign:
            return DEFAULT_UP
        numbers = [(-1.0 if sign == "-" else 1.0) * part for part in AXES.get(axis, ())]
    else:
        numbers = [float(w) for w in words if isinstance(w, (int, float))]
    length = math.hypot(*numbers)
    if len(numbers) != 3 or len(words) not in (1, 3) or not 1e-9 < length < math.inf:
        expected = "auto, x, y, z, -x, -y, -z, or a direction [x,y,z]"
        raise InputError(field="up", found=up, expected=expected)
    x, y, z = (number / length for number in numbers)
    return x, y, z


def checked_size(size: Any) -> tuple[int, int]:
    """Width and height of `WxH`; InputError for what is none."""
    if size is None:
        return SIZE
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(size).lower())
    numbers = [int(part) for part in match.groups()] if match else []
    if not numbers or not all(1 <= number <= LARGEST_SIDE for number in numbers):
        expected = f"WIDTHxHEIGHT in pixels, up to {LARGEST_SIDE}"
        raise InputError(field="size", found=size, expected=expected)
    return numbers[0], numbers[1]
