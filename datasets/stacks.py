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
from polyfield.datasets.resample import resize_nearest, shrink_mask, shrink_photo
from polyfield.datasets.resolution import auto_factor, choose_files, resized, shrunk_sizes
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
        depth: z-depth of an image in source units, at a size of its own; None without depths.
        normal: normals of an image in the source frame, likewise.
    """

    cameras: Cameras
    cut_out: bool
    images: Images
    masks: Images | None
    depth: Decode | None
    normal: Decode | None = None

    def depths(self, scale: float) -> Images | None:
        """Depth maps in units of which a source unit has `scale`; what is no distance becomes 0."""
        if self.depth is None:
            return None
        read, sizes = self.depth, self.images.sizes

        def decode(i: int) -> np.ndarray:
            depth = resize_nearest(read(i), _size(sizes, i)) * np.float32(scale)
            return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))

        return Images(self.images.names, sizes, 1, decode, np.float32)

    def normals(self, rotation: np.ndarray) -> Images | None:
        """Unit normals, turned by a rotation [3,3]; what is no direction becomes 0."""
        if self.normal is None:
            return None
        read, sizes = self.normal, self.images.sizes

        def decode(i: int) -> np.ndarray:
            normals = resize_nearest(read(i), _size(sizes, i)) @ rotation.T.astype(np.float32)
            length = np.linalg.norm(normals, axis=-1, keepdims=True)
            known = np.isfinite(length) & (length > 0)
            return np.where(known, normals / np.where(known, length, 1), np.float32(0))

        return Images(self.images.names, sizes, 3, decode, np.float32)


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
        files: list[ImageFile] = []
        sizes = shrunk_sizes(capture.cameras, factor or auto_factor(capture.cameras))
        has_alpha = capture.images.channels == 4
    else:
        files, sizes = choose_files(capture.files, capture.cameras, factor, capture.source)
        has_alpha = _all_have_alpha(files, background)
    cut_out = has_alpha and background != "none"
    mode = "RGBA" if cut_out and background != "ignore" else "RGB"
    return Stacks(
        cameras=resized(capture.cameras, sizes),
        cut_out=cut_out,
        images=_photos(capture, files, sizes, mode),
        masks=_masks(capture, files, sizes, from_alpha=cut_out and background == "ignore"),
        depth=_depth_reader(capture),
        normal=None if capture.normals is None else capture.normals.fresh,
    )


def _size(sizes: np.ndarray, i: int) -> tuple[int, int]:
    return int(sizes[i, 0]), int(sizes[i, 1])


def _all_have_alpha(files: list[ImageFile], background: str) -> bool:
    """Whether all images have alpha; some having it is an error, unless it is dropped."""
    with_alpha = [file.path.name for file in files if file.alpha]
    without = [file.path.name for file in files if not file.alpha]
    if with_alpha and without and background != "none":
        raise InputError(
            "some images have alpha and others have not",
            file=files[0].path.parent,
            found=f"{len(with_alpha)} with ({first_names(with_alpha)}) and "
            f"{len(without)} without ({first_names(without)})",
            expected="all or none",
            hint="background=none drops the alpha",
        )
    return bool(with_alpha)


def _photos(capture: Capture, files: list[ImageFile], sizes: np.ndarray, mode: str) -> Images:
    """The photos at `sizes` [n,2]; mode RGB or RGBA."""
    channels, stored = len(mode), capture.images
    if stored is None:
        return Images(
            capture.names,
            sizes,
            channels,
            lambda i: shrink_photo(decode_photo(files[i].path, mode), _size(sizes, i)),
        )
    if stored.channels == channels and (stored.sizes == sizes).all():
        return stored
    return Images(
        capture.names,
        sizes,
        channels,
        lambda i: shrink_photo(stored[i][..., :channels], _size(sizes, i)),
    )


def _masks(
    capture: Capture, files: list[ImageFile], sizes: np.ndarray, from_alpha: bool
) -> Images | None:
    """What masks, and alpha where it is one, leave valid, at `sizes` [n,2]."""
    readers: list[Decode] = []
    if capture.masks is not None:
        readers.append(capture.masks.__getitem__)
    if capture.mask_files is not None:
        paths = capture.mask_files
        _check_mask_sizes(capture, read_headers(paths, "masks"), files, sizes)
        readers.append(lambda i: decode_mask(paths[i]))
    if from_alpha and capture.images is not None:
        images = capture.images
        readers.append(lambda i: np.where(images[i][..., 3:] > 127, 255, 0).astype(np.uint8))
    elif from_alpha:
        readers.append(lambda i: decode_alpha_mask(files[i].path))
    if not readers:
        return None

    def decode(i: int) -> np.ndarray:
        return np.minimum.reduce([shrink_mask(read(i), _size(sizes, i)) for read in readers])

    return Images(capture.names, sizes, 1, decode)


def _check_mask_sizes(
    capture: Capture, masks: list[ImageFile], files: list[ImageFile], sizes: np.ndarray
) -> None:
    """A mask is as large as its camera, as the file of its photo, or as what that shrinks to."""
    recorded = capture.cameras.size.numpy()
    for i, mask in enumerate(masks):
        fitting = {_size(recorded, i), _size(sizes, i)}
        fitting |= {(file.width, file.height) for file in files[i : i + 1]}
        if (mask.width, mask.height) not in fitting:
            width, height = _size(recorded, i)
            raise InputError(
                "mask of another size than its image",
                file=mask.path,
                field="size",
                found=f"{mask.width}x{mask.height}",
                expected=f"{width}x{height}, as {capture.names[i]}",
            )


def _depth_reader(capture: Capture) -> Decode | None:
    """What reads a depth map in source units; its size may be any of the photo's proportions."""
    if capture.depths is not None:
        return capture.depths.fresh
    if capture.depth_files is None or capture.depth_scale is None:
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
    return lambda i: decode_depth(paths[i]) * np.float32(scales[i])
