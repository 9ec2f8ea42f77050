"""Photos of bent lenses as those of pinhole cameras: what a pixel shows is where it looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyfield.cameras import Cameras, Model
from polyfield.datasets import Images, Scene, load_scene
from polyfield.datasets.undistort import pinholes, undistorted
from polyfield.errors import InputError

WIDTH, HEIGHT = 160, 120
LENSES = {
    "OPENCV": (Model.OPENCV, 110.0, [0.12, -0.05, 0.003, -0.002]),
    "barrel": (Model.OPENCV, 110.0, [-0.2, 0.03]),
    "rational": (Model.OPENCV, 120.0, [0.06, -0.03, 0.002, -0.001, 0.01, 0.02, 0.01, 0.005]),
    "DIVISION": (Model.DIVISION, 120.0, [-0.1]),
    "FISHEYE": (Model.FISHEYE, 80.0, [0.02, -0.01, 0.003, 0.001]),
    "FISHEYE of 200 degrees": (Model.FISHEYE, WIDTH / np.radians(200), []),
    "THIN_PRISM": (Model.THIN_PRISM_FISHEYE, 90.0, [0.02, -0.01, 0.001, 0.002, 0, 0, 0.002]),
    "FOV": (Model.FOV, 90.0, [0.9]),
    "EUCM": (Model.EUCM, 80.0, [0.6, 1.1]),
}


def bent(name: str, n: int = 1) -> Cameras:
    """n cameras of a lens, turned and apart, with principal points off the middle."""
    model, focal, distortion = LENSES[name]
    turn = torch.linalg.qr(torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(1)))[0]
    turn = turn.double() * torch.linalg.det(turn)[:, None, None]
    return Cameras(
        torch.cat([turn, torch.arange(3.0).expand(n, 3)[..., None]], dim=2),
        torch.tensor([[focal, 1.02 * focal, 0.51 * WIDTH, 0.48 * HEIGHT]]).repeat(n, 1),
        torch.tensor([[*distortion, 0.0]]).repeat(n, 1),
        torch.full((n,), int(model)),
        torch.tensor([[WIDTH, HEIGHT]]).repeat(n, 1),
    )


def shown(cameras: Cameras, i: int) -> np.ndarray:
    """[h,w,3] where the pixels look, as smooth colours in [0, 255]."""
    directions = cameras.image_rays(i).directions.reshape(HEIGHT, WIDTH, 3).numpy()
    return 127.5 + 127.5 * np.sin(3 * directions + [0.3, 1, 2])


def scene_of(cameras: Cameras, channels: int = 3, **stacks: Images) -> Scene:
    photos = []
    for i in range(len(cameras)):
        alpha = np.full((HEIGHT, WIDTH, 1), 255.0)[..., : channels - 3]
        photos.append(np.rint(np.concatenate([shown(cameras, i), alpha], axis=2)).astype(np.uint8))
    return Scene(
        cameras=cameras,
        images=Images.from_arrays(photos),
        splits={"train": torch.arange(len(cameras))},
        source_from_world=torch.eye(4).double(),
        background="white" if channels == 4 else "none",
        bounds=torch.tensor([[-1.0] * 3, [1.0] * 3]),
        unbounded=True,
        near_far=(0.1, 9.0),
        **stacks,
    )


def valid_pixels(scene: Scene, i: int = 0) -> np.ndarray:
    return np.ones((HEIGHT, WIDTH), bool) if scene.masks is None else scene.masks[i][..., 0] > 0


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lens", LENSES)
def test_pixels_show_where_the_new_camera_looks(lens, channels):
    scene = undistorted(scene_of(bent(lens), channels))
    assert (scene.cameras.model == Model.PINHOLE).all()
    valid = valid_pixels(scene)
    assert valid.mean() > 0.7
    away = np.abs(scene.images[0][..., :3] - shown(scene.cameras, 0))[valid]
    assert away.max() < 4
    assert away.mean() < 0.5
    if channels == 4:
        assert (scene.images[0][valid][:, 3] == 255).all()
        assert (scene.images[0][~valid] == 0).all()


@pytest.mark.parametrize("lens", LENSES)
def test_points_have_the_same_colors_through_both_cameras(lens):
    """A checkerboard of the world's directions, away from the edges of its squares."""
    source = bent(lens)
    scene = scene_of(source)

    def board(directions: np.ndarray) -> np.ndarray:
        return np.where(np.sin(9 * directions).prod(axis=-1) > 0, 255, 0)

    rays = source.image_rays(0).directions.reshape(HEIGHT, WIDTH, 3).numpy()
    photo = np.repeat(board(rays)[..., None], 3, axis=2).astype(np.uint8)
    new = undistorted(replace(scene, images=Images.from_arrays([photo])))
    directions = torch.randn(4000, 3, generator=torch.Generator().manual_seed(5))
    points = source.positions[0] + 7 * directions.double()
    inner = np.abs(np.sin(9 * directions.numpy() / directions.norm(dim=1).numpy()[:, None]))
    sure = torch.from_numpy(inner.min(axis=1) > 0.25)
    found = []
    for cameras, images in ((source, [photo]), (new.cameras, new.images)):
        places, _, seen = cameras.project(0, points)
        x, y = (
            places[:, a].nan_to_num().long().clamp(0, s - 1) for a, s in ((0, WIDTH), (1, HEIGHT))
        )
        found.append((images[0][y, x, 0].astype(int), seen))
    both = (found[0][1] & found[1][1] & sure).numpy()
    assert both.sum() > 30
    assert (found[0][0] == found[1][0])[both].mean() > 0.97


@pytest.mark.parametrize("lens", LENSES)
def test_the_mask_leaves_out_what_the_old_photo_did_not_see(lens):
    source = bent(lens)
    scene = undistorted(scene_of(source))
    rays = scene.cameras.image_rays(0)
    seen = source.project(0, (rays.origins + 3 * rays.directions).double())[2]
    seen = seen.view(HEIGHT, WIDTH).numpy()
    valid = valid_pixels(scene)
    assert (valid != seen).sum() <= 3  # rays are of single precision
    assert (scene.masks is None) == bool(seen.all())
    assert (scene.images[0][~valid] == 0).all()


def test_lenses_with_and_without_borders_that_see_nothing():
    assert undistorted(scene_of(bent("barrel"))).masks is None
    assert undistorted(scene_of(bent("OPENCV"))).masks is not None


def test_perspective_lenses_keep_their_focal_lengths():
    for lens in ("OPENCV", "DIVISION"):
        assert torch.equal(pinholes(bent(lens)).intrinsics, bent(lens).intrinsics)


@pytest.mark.parametrize("lens", ["FISHEYE", "FISHEYE of 200 degrees", "FOV", "EUCM"])
def test_wide_lenses_keep_what_they_see_up_to_a_limit(lens):
    source = bent(lens)
    for widest in (60.0, 110.0, 150.0):
        new = pinholes(source, widest)
        fx, fy, cx, cy = new.intrinsics[0].tolist()
        ratio = new.intrinsics[0, :2] / source.intrinsics[0, :2]
        assert ratio[0] == pytest.approx(float(ratio[1]))
        edges = torch.tensor([[0, cy], [WIDTH, cy], [cx, 0], [cx, HEIGHT]])
        middle = replace(source, world_from_camera=torch.eye(3, 4)[None])
        angles = middle.rays(torch.zeros(4, dtype=torch.int64), edges).directions[:, 2].acos()
        sees = np.arctan([cx / fx, (WIDTH - cx) / fx, cy / fy, (HEIGHT - cy) / fy])
        limit = np.minimum(angles.numpy(), np.radians(widest / 2))
        assert (sees > limit - 1e-4).all()  # nothing is lost, and not more shown than need be
        assert np.abs(sees - limit).min() < 1e-4


def test_scenes_without_distortion_stay_what_they_are():
    cameras = replace(bent("OPENCV"), model=torch.tensor([0]), distortion=torch.zeros(1, 12))
    scene = scene_of(cameras)
    assert undistorted(scene) is scene
    told = scene_of(replace(bent("OPENCV"), distortion=torch.zeros(1, 12)))
    new = undistorted(told)
    assert new.masks is None
    assert (new.images[0] == told.images[0]).all()
    assert (new.cameras.model == Model.PINHOLE).all()


def test_masks_depths_and_normals_go_along():
    source = bent("FISHEYE")
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    depth = (1 + x // 40 + 10 * (y // 40)).astype(np.float32)[..., None]
    normals = np.repeat(depth, 3, axis=2) * np.float32([1, -1, 2])
    mask = np.where((x // 16 + y // 16) % 3 > 0, 255, 0).astype(np.uint8)[..., None]
    stacks = {"masks": mask, "depths": depth, "normals": normals}
    scene = undistorted(
        scene_of(source, **{name: Images.from_arrays([array]) for name, array in stacks.items()})
    )
    rays = scene.cameras.image_rays(0)
    places, _, seen = source.project(0, rays.origins + 2 * rays.directions)
    column, row = places.nan_to_num().long().clamp(min=0).T
    column, row = column.clamp(max=WIDTH - 1), row.clamp(max=HEIGHT - 1)
    for name, array in stacks.items():
        wanted = np.where(seen[:, None], array[row, column], 0).reshape(HEIGHT, WIDTH, -1)
        assert (getattr(scene, name)[0] != wanted).any(axis=-1).mean() < 1e-3  # single precision
        assert set(np.unique(getattr(scene, name)[0])) <= {0, *np.unique(array)}
    assert set(np.unique(scene.masks[0])) == {0, 255}
    assert torch.equal(scene.cameras.world_from_camera, source.world_from_camera)


def test_colors_of_what_is_transparent_do_not_bleed():
    source = bent("OPENCV")
    photo = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    photo[..., 1] = 255  # green that is not there
    photo[:, ::2] = (200, 0, 0, 255)
    scene = undistorted(replace(scene_of(source, 4), images=Images.from_arrays([photo])))
    new = scene.images[0]
    there = new[..., 3] > 3
    assert there.mean() > 0.8
    assert (new[there][:, :3] == (200, 0, 0)).all()
    assert len(np.unique(new[..., 3])) > 50


def test_many_lenses_are_told_apart_and_pinholes_among_them_stay():
    source = bent("OPENCV", 12)
    source.intrinsics[:, :2] *= torch.linspace(0.9, 1.2, 12)[:, None]
    source.model[3], source.distortion[3] = int(Model.PINHOLE), 0
    old = scene_of(source)
    scene = undistorted(old)
    assert (scene.images[3] == old.images[3]).all()
    for i in (11, 0, 5):
        valid = valid_pixels(scene, i)
        assert np.abs(scene.images[i] - shown(scene.cameras, i))[valid].max() < 4


def test_photos_are_resampled_when_they_are_asked_for():
    asked = []
    scene = scene_of(bent("OPENCV", 3))

    def decode(i: int) -> np.ndarray:
        asked.append(i)
        return scene.images[i]

    images = Images(scene.images.names, scene.images.sizes, 3, decode)
    new = undistorted(replace(scene, images=images))
    assert not asked
    assert new.images[1] is new.images[1]
    assert asked == [1]


def test_what_cannot_be_is_refused():
    sphere = replace(bent("OPENCV"), model=torch.tensor([int(Model.EQUIRECTANGULAR)]))
    with pytest.raises(InputError, match="EQUIRECTANGULAR"):
        undistorted(scene_of(sphere))
    with pytest.raises(InputError, match="180"):
        undistorted(scene_of(bent("FISHEYE")), 180)


def test_fox(shared_data):
    scene = load_scene(shared_data("fox"))
    new = undistorted(scene)
    assert (new.cameras.model == Model.PINHOLE).all()
    valid = new.masks[0][..., 0] > 0
    assert 0.9 < valid.mean() < 1
    # What lies in the middle of both photos hardly moves; what lies at a corner does.
    assert np.abs(new.images[0].astype(int) - scene.images[0])[200:280, 100:180].mean() < 2
    corner = new.cameras.image_rays(0)
    places, _, _ = scene.cameras.project(0, corner.origins + corner.directions)
    moved = (places - torch.tensor([0.5, 0.5])).norm(dim=1)[0]
    assert 0.3 < moved < 10
