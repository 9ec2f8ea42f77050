"""Batches of rays: right, uniform, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyfield.cameras import Cameras
from polyfield.datasets import Images, PixelSampler, Scene, load_scene, pixels
from polyfield.errors import InputError


def make_scene(world, sizes, masks=None, channels=3, lens="PINHOLE", seed=0):
    """Images of noise with sizes of their own, all in "train" but the first."""
    cameras = world.seen_through(lens).cameras
    n = len(sizes)
    cameras = Cameras(
        cameras.world_from_camera[:n],
        cameras.intrinsics[:n] * torch.linspace(1, 1.2, n)[:, None],
        cameras.distortion[:n],
        cameras.model[:n],
        torch.tensor(sizes),
    )
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 255, (h, w, channels)).astype(np.uint8) for w, h in sizes]
    depths = [rng.random((h, w, 1)).astype(np.float32) for w, h in sizes]
    normals = [rng.random((h, w, 3)).astype(np.float32) for w, h in sizes]
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


SIZES = [(7, 5), (3, 9), (40, 2), (1, 1), (6, 6)]


@pytest.mark.parametrize("lens", ["PINHOLE", "OPENCV", "OPENCV_FISHEYE"])
@pytest.mark.parametrize("share", [0.0, 1e9], ids=["solved per ray", "solved before"])
@pytest.mark.parametrize("channels", [3, 4])
def test_batch_agrees_with_images_and_cameras(world, lens, share, channels, monkeypatch):
    monkeypatch.setattr(pixels, "TABLE_SHARE", share)
    scene = make_scene(world, SIZES, channels=channels, lens=lens)
    sampler = PixelSampler(scene)
    batch = sampler.gather(torch.arange(len(sampler)))
    assert len(batch) == 27 + 80 + 1 + 36
    rays = scene.cameras.rays(batch.image_index, batch.pixels.double())
    torch.testing.assert_close(batch.rays.directions, rays.directions, rtol=0, atol=3e-7)
    torch.testing.assert_close(batch.rays.origins, rays.origins, rtol=0, atol=0)
    torch.testing.assert_close(batch.rays.axis_cosine, rays.axis_cosine, rtol=0, atol=3e-7)
    assert torch.equal(batch.rays.camera_index, batch.image_index)
    for k in range(len(batch)):
        i, (x, y) = int(batch.image_index[k]), batch.pixels[k].long().tolist()
        pixel = scene.images[i][y, x]
        np.testing.assert_allclose(batch.rgb[k], pixel[:3] / 255, atol=1e-7)
        assert batch.z_depth[k] == scene.depths[i][y, x, 0]
        assert batch.normals[k].tolist() == scene.normals[i][y, x].tolist()
        if channels == 4:
            np.testing.assert_allclose(batch.alpha[k], pixel[3] / 255, atol=1e-7)
    assert (batch.alpha is None) == (channels == 3)


def test_what_is_not_wanted_is_not_decoded(world, monkeypatch):
    scene = make_scene(world, SIZES)

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(scene.depths, "pixel_buffer", refuse)
    monkeypatch.setattr(scene.normals, "pixel_buffer", refuse)
    batch = PixelSampler(scene, depths=False, normals=False).gather(torch.arange(3))
    assert batch.z_depth is None
    assert batch.normals is None


def test_every_pixel_of_the_split_is_drawn_alike(world):
    sampler = PixelSampler(make_scene(world, SIZES))
    batch = sampler.sample(144 * 50, torch.Generator().manual_seed(0))
    key = batch.image_index * 10000 + batch.pixels[:, 1].long() * 100 + batch.pixels[:, 0].long()
    values, counts = key.unique(return_counts=True)
    assert len(values) == len(sampler) == 144
    chi_square = ((counts - 50.0) ** 2 / 50).sum()
    assert 80 < chi_square < 220  # 143 degrees of freedom: mean 143, standard deviation 17


@pytest.mark.parametrize("density", [0.01, 0.3, 0.99])
def test_masks_leave_exactly_the_valid_pixels(world, density):
    rng = np.random.default_rng(3)
    masks = [np.where(rng.random((h, w, 1)) < density, 255, 0).astype(np.uint8) for w, h in SIZES]
    masks[2][0, 5] = 255
    scene = make_scene(world, SIZES, masks=masks)
    sampler = PixelSampler(scene)
    batch = sampler.gather(torch.arange(len(sampler)))
    drawn = {(int(i), *p) for i, p in zip(batch.image_index, batch.pixels.long().tolist())}
    valid = {(i, x, y) for i in range(1, len(SIZES)) for y, x in zip(*np.nonzero(masks[i][..., 0]))}
    assert drawn == valid
    assert len(batch) == len(valid)


def test_same_generator_same_batch(world):
    sampler = PixelSampler(make_scene(world, SIZES))
    a = sampler.sample(100, torch.Generator().manual_seed(5))
    b = sampler.sample(100, torch.Generator().manual_seed(5))
    c = sampler.sample(100, torch.Generator().manual_seed(6))
    assert torch.equal(a.rgb, b.rgb)
    assert torch.equal(a.rays.directions, b.rays.directions)
    assert not torch.equal(a.pixels, c.pixels)


def test_many_rays_in_parallel_are_the_same_rays(world, monkeypatch):
    sampler = PixelSampler(make_scene(world, SIZES))
    ids = torch.arange(len(sampler)).repeat(3)
    serial = sampler.gather(ids)
    monkeypatch.setattr(pixels, "SERIAL_RAYS", 10)
    parallel = sampler.gather(ids)
    assert torch.equal(serial.rgb, parallel.rgb)
    assert torch.equal(serial.rays.directions, parallel.rays.directions)


def test_no_rays(world):
    batch = PixelSampler(make_scene(world, SIZES)).gather(torch.empty(0, dtype=torch.int64))
    assert len(batch) == 0
    assert batch.rgb.shape == (0, 3)


def test_only_images_of_the_split_are_decoded(world):
    scene = make_scene(world, SIZES)
    opened, arrays = [], [scene.images[i] for i in range(len(scene))]
    scene.images = Images(
        scene.images.names,
        scene.images.sizes,
        3,
        lambda i: (opened.append(i), arrays[i])[1],
    )
    PixelSampler(scene, "test")
    assert opened == [0]


def test_unknown_split_is_refused(world):
    with pytest.raises(InputError, match=r"split: .*found val, expected train or test"):
        PixelSampler(make_scene(world, SIZES), "val")


def test_moves_to_a_device(world):
    batch = PixelSampler(make_scene(world, SIZES, channels=4)).sample(4, torch.Generator())
    moved = batch.to("meta")
    assert moved.rgb.device.type == moved.alpha.device.type == moved.rays.origins.device.type


def test_only_rays_that_are_wanted_are_drawn(world, monkeypatch):
    """With masks and without, asked chunk by chunk; again, of those that were left."""
    monkeypatch.setattr(pixels, "CHUNK", 50)
    rng = np.random.default_rng(3)
    masks = [rng.integers(0, 2, (h, w, 1)).astype(np.uint8) for w, h in SIZES]
    for given in (None, masks):
        sampler = PixelSampler(make_scene(world, SIZES, given))
        before = sampler.gather(torch.arange(len(sampler)))
        wanted = before.rays.directions[:, 0] > 0
        assert sampler.keep(lambda rays: rays.directions[:, 0] > 0) == int(wanted.sum())
        after = sampler.gather(torch.arange(len(sampler)))
        assert torch.equal(after.pixels, before.pixels[wanted])
        assert torch.equal(after.image_index, before.image_index[wanted])
        again = wanted & (before.rays.directions[:, 1] > 0)
        assert sampler.keep(lambda rays: rays.directions[:, 1] > 0) == int(again.sum())
        assert torch.equal(sampler.gather(torch.arange(len(sampler))).rgb, before.rgb[again])
        assert sampler.keep(lambda rays: rays.directions[:, 0] > 2) == 0
        assert len(sampler) == int(again.sum())


def test_ignored_alpha_is_a_mask(world, tmp_path):
    scene = load_scene(world.blender(tmp_path, world.cameras), background="ignore")
    assert scene.images.channels == 3
    assert scene.background == "none"
    sampler = PixelSampler(scene)
    batch = sampler.gather(torch.arange(len(sampler)))
    assert batch.alpha is None
    assert len(batch) == sum(int((world.mask(world.cameras, i) > 0).sum()) for i in range(7))
