"""The photos, masks and depths of a capture at the resolution asked for: checked, not decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polyfield.cameras.cameras import Cameras
from polyfield.datasets.capture import Capture
from polyfield.datasets.image_files import (
    ImageFile,
    check_present,
    decode_alpha_mask,
    decode_depth,
    decode_mask,
    decode_photo,
    depth_size,
    first_names,
    read_headers,
)
from polyfield.datasets.images import Images
from polyfield.datasets.resample import resize_depth, shrink_mask, shrink_photo
from polyfield.datasets.resolution import auto_factor, choose_files
from polyfield.errors import InputError

Decode = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Stacks:
    """Images to decode, and cameras of their size in the source frame.

    Attributes:
        cameras: resized to match.
        cut_out: whether alpha tells an object from what is around it.
        images: uint8, c = 3 or 4.
        masks: 0 where a pixel is to be ignored.
        depth: z-depth of an image in source units at the size of the image; None without depths.
    """

    cameras: Cameras
    cut_out: bool
    images: Images
    masks: Images | None
    depth: Decode | None

    def depths(self, scale: float) -> Images | None:
        """Depth maps in units of which a source unit has `scale`; what is no distance becomes 0."""
        if self.depth is None:
            return None
        read = self.depth

        def decode(i: int) -> np.ndarray:
            depth = read(i) * np.float32(scale)
            return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))

        return Images(self.images.names, self.images.sizes, 1, decode, np.float32)


def open_stacks(capture: Capture, factor: int | None, background: str) -> Stacks:
    """Choose the files, check them against the cameras and each other.

    Args:
        capture: what the loader read.
        factor: to shrink by, from the size that the capture records; None for a sensible one.
        background: what alpha means, see `load_scene`.

    Raises:
        InputError: for files that are missing, broken, or of another size than they should be.
    """
    if capture.images is not None:
        files = None
        factor = factor or auto_factor(capture.cameras)
        has_alpha = capture.images.channels == 4
    else:
        files, factor = choose_files(capture.files, capture.cameras, factor, capture.source)
        has_alpha = _alpha(files, background)
    cameras = capture.cameras if factor == 1 else capture.cameras.scaled(1 / factor)
    sizes = cameras.size.numpy()
    keep_alpha = has_alpha and background not in ("none", "ignore")
    mode = "RGBA" if keep_alpha else "RGB"
    images = capture.images
    if images is None or factor > 1 or images.channels != len(mode):
        photo = _photo_reader(capture, files, mode)
        images = Images(
            capture.names, sizes, len(mode), lambda i: shrink_photo(photo(i), _size(sizes, i))
        )
    mask = _mask_reader(capture, files, sizes, has_alpha and background == "ignore")
    masks = None
    if mask is not None:
        masks = Images(capture.names, sizes, 1, lambda i: shrink_mask(mask(i), _size(sizes, i)))
    depth = _depth_reader(capture, sizes)
    resized_depth = None
    if depth is not None:
        resized_depth = lambda i: resize_depth(depth(i), _size(sizes, i))  # noqa: E731
    cut_out = has_alpha and background != "none"
    return Stacks(cameras, cut_out, images, masks, resized_depth)


def _size(sizes: np.ndarray, i: int) -> tuple[int, int]:
    return int(sizes[i, 0]), int(sizes[i, 1])


def _alpha(files: list[ImageFile], background: str) -> bool:
    """Whether the images have alpha: all, or none."""
    with_alpha = [file for file in files if file.alpha]
    if with_alpha and len(with_alpha) < len(files) and background != "none":
        without = [file for file in files if not file.alpha]
        raise InputError(
            "some images have alpha and others have not",
            file=without[0].path.parent,
            found=f"{len(with_alpha)} with ({first_names(f.path.name for f in with_alpha)}) and "
            f"{len(without)} without ({first_names(f.path.name for f in without)})",
            expected="all or none",
            hint="background=none drops the alpha",
        )
    return bool(with_alpha)


def _photo_reader(capture: Capture, files: list[ImageFile] | None, mode: str) -> Decode:
    if files is not None:
        return lambda i: decode_photo(files[i].path, mode)
    images = capture.images
    assert images is not None
    return lambda i: images[i][..., : len(mode)]


def _mask_reader(
    capture: Capture, files: list[ImageFile] | None, sizes: np.ndarray, from_alpha: bool
) -> Decode | None:
    readers: list[Decode] = []
    if capture.masks is not None:
        readers.append(capture.masks.__getitem__)
    if capture.mask_files is not None:
        paths = capture.mask_files
        for i, header in enumerate(read_headers(paths, "masks")):
            found = (header.width, header.height)
            recorded = _size(capture.cameras.size.numpy(), i)
            if found not in (recorded, _size(sizes, i)):
                raise InputError(
                    "mask of another size than its image",
                    file=header.path,
                    field="size",
                    found=f"{found[0]}x{found[1]}",
                    expected=f"{recorded[0]}x{recorded[1]}, as {capture.names[i]}",
                )
        readers.append(lambda i: decode_mask(paths[i]))
    if from_alpha and files is not None:
        readers.append(lambda i: decode_alpha_mask(files[i].path))
    elif from_alpha and capture.images is not None:
        images = capture.images
        readers.append(lambda i: np.where(images[i][..., 3:] > 127, 255, 0).astype(np.uint8))
    if not readers:
        return None
    return lambda i: np.minimum.reduce([shrink_mask(read(i), _size(sizes, i)) for read in readers])


def _depth_reader(capture: Capture, sizes: np.ndarray) -> Decode | None:
    if capture.depths is not None:
        return capture.depths.__getitem__
    if capture.depth_files is None:
        return None
    paths, scales = capture.depth_files, capture.depth_scale
    check_present(paths, "depth maps")
    for i, path in enumerate(paths):
        found, (width, height) = depth_size(path), _size(capture.cameras.size.numpy(), i)
        if abs(found[0] * height - found[1] * width) >= max(width, height):
            raise InputError(
                "depth map of another shape than its image",
                file=path,
                field="size",
                found=f"{found[0]}x{found[1]}",
                expected=f"the proportions of {width}x{height}, as {capture.names[i]}",
            )
    assert scales is not None
    return lambda i: decode_depth(paths[i]) * np.float32(scales[i])
