"""Whole photos: right, each once an epoch, and where training left off after it was resumed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from polyfield.cameras import Cameras
from polyfield.datasets import Images, Scene, load_scene
from polyfield.datasets.photos import PlanarPhotos
from polyfield.errors import InputError

SIZES = [(24, 16), (16, 24), (23, 9), (8, 8), (40, 12)]


def scene_of(world, channels=3, masks=None) -> Scene:
    """Images of noise with sizes of their own, all in "train" but the first."""
    n, rng = len(SIZES), np.random.default_rng(0)
    source = world.cameras
    cameras = Cameras(
        source.world_from_camera[:n],
        source.intrinsics[:n],
        source.distortion[:n],
        source.model[:n],
        torch.tensor(SIZES),
    )
    images, depths, normals = (
        [(255 * rng.random((h, w, c))).astype(dtype) for w, h in SIZES]
        for c, dtype in ((channels, np.uint8), (1, np.float32), (3, np.float32))
    )
    return Scene(
        cameras=cameras,
        images=Images.from_arrays(images),
        splits={"train": torch.arange(1, n), "test": torch.tensor([0])},
        source_from_world=torch.eye(4).double(),
        background="white" if channels == 4 else "none",
        bounds=torch.tensor([[-1.0] * 3, [1.0] * 3]),
        unbounded=False,
        near_far=(0.1, 9.0),
        depths=Images.from_arrays(depths),
        normals=Images.from_arrays(normals),
        masks=None if masks is None else Images.from_arrays(masks),
    )


def masks_of(*empty: int) -> list[np.ndarray]:
    """Valid but for a corner; some are all dark."""
    masks = [np.full((h, w, 1), 255, np.uint8) for w, h in SIZES]
    for i, mask in enumerate(masks):
        mask[:3, :5] = 0
        if i in empty:
            mask[:] = 0
    masks[2][:] = 255
    return masks


def test_photos_are_those_of_the_scene(world):
    scene = scene_of(world, 4, masks_of())
    photos = PlanarPhotos(scene)
    assert photos.indices == [1, 2, 3, 4]
    for i in photos.indices:
        photo = photos.at(i)
        assert photo.index == i
        assert photo.rgb.is_contiguous()
        assert (photo.rgb.permute(1, 2, 0).numpy() == scene.images[i][..., :3]).all()
        assert (photo.alpha.numpy() == scene.images[i][..., 3]).all()
        assert (photo.z_depth.numpy() == scene.depths[i][..., 0]).all()
        assert (photo.normals.permute(1, 2, 0).numpy() == scene.normals[i]).all()
        if i == 2:
            assert photo.mask is None  # nothing is left out
        else:
            assert (photo.mask.numpy() == scene.masks[i][..., 0]).all()
    bare = PlanarPhotos(scene_of(world), "test", depths=False, normals=False).at(0)
    assert bare.alpha is bare.mask is bare.z_depth is bare.normals is None


def test_every_photo_comes_once_an_epoch(world):
    photos, generator = PlanarPhotos(scene_of(world)), torch.Generator().manual_seed(0)
    epochs = [[photos.sample(generator).index for _ in range(4)] for _ in range(20)]
    assert all(sorted(epoch) == [1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5
    assert {epoch[0] for epoch in epochs} == {1, 2, 3, 4}


@pytest.mark.parametrize("steps", [0, 1, 4, 7])
def test_the_order_goes_on_after_a_resume(world, steps):
    scene = scene_of(world)
    photos, generator = PlanarPhotos(scene), torch.Generator().manual_seed(3)
    for _ in range(steps):
        photos.sample(generator)
    state, drawn = json.loads(json.dumps(photos.state())), generator.get_state()
    wanted = [photos.sample(generator).index for _ in range(9)]
    resumed, again = PlanarPhotos(scene), torch.Generator()
    resumed.load_state(state)
    again.set_state(drawn)
    assert [resumed.sample(again).index for _ in range(9)] == wanted
    assert torch.equal(again.get_state(), generator.get_state())


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_smaller_photos_are_means_and_as_large_as_their_cameras(world, factor):
    scene = scene_of(world, 3, masks_of())
    photos = PlanarPhotos(scene)
    small = scene.cameras.scaled(1 / factor)
    for i in photos.indices:
        photo = photos.at(i, factor)
        assert [photo.rgb.shape[2], photo.rgb.shape[1]] == small.size[i].tolist()
        assert photo.z_depth.shape == photo.rgb.shape[1:]
        assert photo.normals.shape == photo.rgb.shape
        assert photos.at(i, factor) is photo
    photo, (w, h) = photos.at(1, factor), SIZES[1]
    blocks = photos.at(1).rgb.double().view(3, h // factor, factor, w // factor, factor)
    assert (photo.rgb - blocks.mean(dim=(2, 4))).abs().max() <= 0.5
    valid = photos.at(1).mask.view(h // factor, factor, w // factor, factor).amin(dim=(1, 3))
    assert torch.equal(photo.mask, valid)
    assert photos.sample(torch.Generator(), factor).rgb.shape[1] <= 24 // factor


def test_photos_are_decoded_once_and_not_held_twice(world):
    scene, asked = scene_of(world), []
    arrays = [scene.images[i] for i in range(len(SIZES))]

    def decode(i: int) -> np.ndarray:
        asked.append(i)
        return arrays[i].copy()

    scene.images = Images(scene.images.names, scene.images.sizes, 3, decode)
    photos = PlanarPhotos(scene)
    for factor in (1, 2, 1):
        photos.at(3, factor)
    assert sorted(asked) == [1, 2, 3, 4]
    assert not scene.images._decoded


def test_photos_without_a_valid_pixel_are_left_out(world):
    photos = PlanarPhotos(scene_of(world, 3, masks_of(1, 4)))
    assert photos.indices == [2, 3]
    assert len(photos) == 2
    with pytest.raises(InputError, match="exclude every pixel"):
        PlanarPhotos(scene_of(world, 3, masks_of(0)), "test")


def test_what_is_not_there_is_refused(world):
    with pytest.raises(InputError, match="split"):
        PlanarPhotos(scene_of(world), "val")
    photos = PlanarPhotos(scene_of(world))
    for arguments in ((0,), (1, 3)):
        with pytest.raises(InputError, match="found"):
            photos.at(*arguments)


def test_lego(shared_data):
    photos = PlanarPhotos(load_scene(shared_data("nerf_synthetic/lego_200")))
    photo = photos.sample(torch.Generator().manual_seed(0), 4)
    assert photo.rgb.shape == (3, 50, 50)
    assert photo.alpha.shape == (50, 50)
