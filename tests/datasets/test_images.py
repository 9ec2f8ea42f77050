"""Decoding, and what is kept of it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from PIL import Image

from polyfield.datasets import Images
from polyfield.datasets.image_files import decode_mask, decode_photo, find_image, read_headers
from polyfield.datasets.resample import resize_nearest, shrink_mask, shrink_photo
from polyfield.errors import InputError

RNG = np.random.default_rng(0)
ARRAYS = [RNG.integers(0, 255, (h, w, 3)).astype(np.uint8) for h, w in ((4, 5), (3, 7), (1, 1))]


def counting(arrays):
    """Images that count how often each is decoded."""
    calls = [0] * len(arrays)

    def decode(i):
        calls[i] += 1
        return arrays[i].copy()

    sizes = np.array([(a.shape[1], a.shape[0]) for a in arrays])
    return Images([str(i) for i in range(len(arrays))], sizes, 3, decode), calls


def test_buffer_holds_the_images_one_after_the_other():
    pixels, offsets = Images.from_arrays(ARRAYS).pixel_buffer()
    assert offsets.tolist() == [0, 20, 41, 42]
    for i, array in enumerate(ARRAYS):
        assert (pixels[offsets[i] : offsets[i + 1]].reshape(array.shape) == array).all()


def test_nothing_is_decoded_twice_or_held_twice():
    images, calls = counting(ARRAYS)
    first = images[1]
    assert images[1] is first
    pixels, _ = images.pixel_buffer([1, 0])
    assert calls == [1, 1, 0]
    assert np.shares_memory(images[1], pixels)
    assert np.shares_memory(images[0], pixels)
    assert (images[2] == ARRAYS[2]).all()
    assert calls == [1, 1, 1]


def test_arrays_go_when_a_buffer_holds_them():
    arrays = [np.full((4, 5, 3), i, dtype=np.uint8) for i in range(3)]
    alive = [weakref.ref(array) for array in arrays]
    images = Images.from_arrays(arrays)
    del arrays
    images.pixel_buffer([0, 2])
    gc.collect()
    assert [ref() is not None for ref in alive] == [False, True, False]
    assert (images[0] == 0).all()
    assert (images[1] == 1).all()


def test_buffer_of_chosen_images():
    pixels, offsets = Images.from_arrays(ARRAYS).pixel_buffer([2, 0])
    assert offsets.tolist() == [0, 1, 21]
    assert (pixels[0] == ARRAYS[2][0, 0]).all()
    assert (pixels[1:] == ARRAYS[0].reshape(-1, 3)).all()
    assert len(Images.from_arrays(ARRAYS).pixel_buffer([])[0]) == 0


def test_numbers_count_from_the_end_and_stop_there():
    images = Images.from_arrays(ARRAYS)
    assert (images[-1] == ARRAYS[2]).all()
    with pytest.raises(IndexError):
        images[3]


def test_decoder_that_gives_another_size_is_refused():
    images = Images(["a"], np.array([[5, 4]]), 3, lambda i: ARRAYS[1])
    with pytest.raises(InputError, match=r"a: found uint8 \[3, 7, 3\]"):
        images.pixel_buffer()


@pytest.mark.parametrize("arrays", [[], [np.zeros((3, 3))], [ARRAYS[0], ARRAYS[0][..., :1]]])
def test_arrays_of_unlike_kinds_are_refused(arrays):
    with pytest.raises(InputError):
        Images.from_arrays(arrays)


def test_orientation_tag_is_ignored(tmp_path):
    photo = np.zeros((6, 10, 3), dtype=np.uint8)
    photo[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter when shown
    Image.fromarray(photo).save(tmp_path / "a.png", exif=exif)
    header = read_headers([tmp_path / "a.png"])[0]
    assert (header.width, header.height) == (10, 6)
    assert (decode_photo(tmp_path / "a.png", "RGB") == photo).all()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", [100, 100, 100]), ("1", [255, 255, 255]), ("P", [1, 2, 3]), ("I;16", [100, 100, 100])],
)
def test_photos_of_other_kinds_become_rgb(tmp_path, mode, expected):
    if mode == "P":
        image = Image.new("P", (4, 3), 0)
        image.putpalette([1, 2, 3, 4, 5, 6])
    elif mode == "I;16":
        image = Image.fromarray(np.full((3, 4), 100 * 257, dtype=np.uint16))
    else:
        image = Image.new(mode, (4, 3), 100 if mode == "L" else 1)
    image.save(tmp_path / "a.png")
    photo = decode_photo(tmp_path / "a.png", "RGB")
    assert photo.shape == (3, 4, 3)
    assert (photo == expected).all()
    assert not read_headers([tmp_path / "a.png"])[0].alpha


def test_transparent_palette_is_alpha(tmp_path):
    image = Image.new("P", (4, 3), 0)
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_headers([tmp_path / "a.png"])[0].alpha
    assert (decode_photo(tmp_path / "a.png", "RGBA")[..., 3] == 0).all()


def test_mask_has_two_levels(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255]], dtype=np.uint8)).save(tmp_path / "m.png")
    assert decode_mask(tmp_path / "m.png").ravel().tolist() == [0, 0, 255, 255]


def test_extension_may_be_left_out(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "r_0.JPG", format="JPEG")
    assert find_image(tmp_path, "./r_0").name == "r_0.JPG"
    assert find_image(tmp_path, "r_1") == tmp_path / "r_1"


def test_photo_shrinks_by_the_mean_of_what_it_covers():
    photo = RNG.integers(0, 255, (8, 12, 3)).astype(np.uint8)
    small = shrink_photo(photo, (3, 2)).astype(float)
    mean = photo.reshape(2, 4, 3, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - mean).max() <= 0.51


def test_transparent_colour_does_not_bleed():
    photo = np.zeros((2, 2, 4), dtype=np.uint8)
    photo[0, 0] = (200, 100, 50, 255)
    photo[1, 1] = (0, 0, 255, 0)  # a colour that nobody sees
    small = shrink_photo(photo, (1, 1))[0, 0].astype(int)
    assert np.abs(small[:3] - (200, 100, 50)).max() <= 2
    assert abs(small[3] - 64) <= 1


def test_mask_stays_valid_only_where_all_is():
    mask = np.full((4, 4, 1), 255, dtype=np.uint8)
    mask[1, 1] = 0
    assert shrink_mask(mask, (2, 2))[..., 0].tolist() == [[0, 255], [255, 255]]
    mask = np.full((128, 128, 1), 255, dtype=np.uint8)
    mask[70, 10] = 0  # one of 4096
    assert shrink_mask(mask, (2, 2))[..., 0].tolist() == [[255, 255], [0, 255]]
    mask[:] = 255
    assert (shrink_mask(mask, (37, 51)) == 255).all()


def test_depth_is_never_mixed():
    depth = RNG.choice([1.0, 9.0], (8, 8, 1)).astype(np.float32)
    for size in ((4, 4), (3, 5), (16, 16)):
        resized = resize_nearest(depth, size)
        assert resized.shape == (size[1], size[0], 1)
        assert set(resized.ravel()) <= {1.0, 9.0}
    assert (resize_nearest(depth, (8, 8)) == depth).all()
