"""Our own format: `scene.npz`, or a folder with `cameras.npz` and photos in `images`.

Letters: n images of h x w pixels, m points. Arrays of the file (camera axes OpenCV's):

    world_from_camera   [n,3,4] or [n,4,4]
    intrinsics          [n,4] or [4]: fx fy cx cy in pixels, or matrices [n,3,3] or [3,3]
    images              [n,h,w,3 or 4] uint8, straight alpha; without it photos are files
    names               [n] text: paths below `images`; without it the photos there, by name
    size                [n,2] or [2] width and height; without it those of the images
    model               [n] or [] text, a name of cameras.models.Model; without it PINHOLE
    distortion          [n,p] or [p], in the order of the model
    masks               [n,h,w] bool or uint8, 0 where a pixel is to be ignored
    depths              [n,h,w] float z-depth in the units of the poses, 0 where unknown
    normals             [n,h,w,3] float, outward, in the frame of the poses, 0 where unknown
    times               [n] in [0, 1], when each image was taken, where the scene moves
    points              [m,3];  point_colors [m,3] uint8
    point_views         [v,2] pairs (point, image): which image saw which point
    train, test, val    image numbers; without train, all that are in none of the others train
    bounds              [2,3] box of the contents: with it the frame is kept as it is
    unbounded           [] bool

No array may need pickle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyfield.cameras.models import PARAMETERS, Model
from polyfield.datasets.capture import Capture, make_cameras
from polyfield.datasets.image_files import list_images, read_headers, relative_name
from polyfield.datasets.images import Images
from polyfield.datasets.json_fields import LARGEST
from polyfield.datasets.npy import read_npz
from polyfield.datasets.resolution import in_all_sizes
from polyfield.datasets.splits import with_train
from polyfield.datasets.times import HINT
from polyfield.errors import InputError

FILES = ("scene.npz", "cameras.npz")
KEYS = (
    *("world_from_camera", "intrinsics", "images", "names", "size", "model", "distortion"),
    *("masks", "depths", "normals", "times", "points", "point_colors", "point_views"),
    *("train", "test", "val", "bounds", "unbounded"),
)


def load_folder(path: Path) -> Capture:
    """Read our own format.

    Args:
        path: the `.npz` file, or the folder that it is in.

    Raises:
        InputError: naming the file and array at fault.
    """
    file = path
    if path.is_dir():
        file = next((path / name for name in FILES if (path / name).exists()), path / FILES[0])
    arrays = _Arrays(file, read_npz(file))
    poses = arrays.numbers("world_from_camera", (None, 3, 4), (None, 4, 4))
    n = len(poses)
    if n == 0:
        raise InputError("no frames", file=file, field="world_from_camera", found="0 poses")
    images, files, names = _images(arrays, n, file)
    size = _sizes(arrays, n, images, files)
    cameras = make_cameras(
        poses,
        _intrinsics(arrays, n),
        arrays.per_image("distortion", n, np.zeros(1)),
        _models(arrays, n),
        size,
        [file] * n,
        [f"world_from_camera[{i}]" for i in range(n)],
    )
    points = arrays.numbers("points", (None, 3)) if "points" in arrays else None
    return Capture(
        format="folder",
        path=path,
        source=file,
        names=names,
        cameras=cameras,
        files=files,
        images=images,
        masks=_stack(arrays, "masks", names, size),
        depths=_stack(arrays, "depths", names, size),
        normals=_stack(arrays, "normals", names, size),
        times=lambda: _times(arrays, n),
        splits=_splits(arrays, n),
        keep_frame="bounds" in arrays,
        bounds=_bounds(arrays),
        unbounded=bool(arrays.any("unbounded", ())) if "unbounded" in arrays else None,
        points=points,
        point_colors=_colors(arrays, points),
        point_views=_point_views(arrays, points, n),
    )


class _Arrays:
    """The arrays of a file, by name and checked."""

    def __init__(self, file: Path, arrays: dict[str, np.ndarray]) -> None:
        self.file, self.arrays = file, arrays
        unknown = sorted(set(arrays) - set(KEYS))
        if unknown:
            raise InputError(
                file=file, field="arrays", found=unknown[0], expected=f"one of {', '.join(KEYS)}"
            )

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def any(self, key: str, *shapes: tuple[int | None, ...]) -> np.ndarray:
        """An array of one of the shapes, where None stands for any length."""
        expected = " or ".join(str(list(shape)).replace("None", "n") for shape in shapes)
        if key not in self.arrays:
            raise InputError(file=self.file, field=key, found="nothing", expected=expected)
        array = self.arrays[key]
        for shape in shapes:
            if len(shape) == array.ndim and all(
                side in (None, length) for side, length in zip(shape, array.shape)
            ):
                return array
        raise self.error(key, list(array.shape), expected)

    def numbers(self, key: str, *shapes: tuple[int | None, ...]) -> np.ndarray:
        """An array of finite numbers, as float64."""
        array = self.any(key, *shapes)
        if array.dtype.kind not in "uif":
            raise self.error(key, array.dtype, "numbers")
        array = array.astype(np.float64)
        if not (np.abs(array) <= LARGEST).all():
            raise self.error(key, "values that are not finite", "finite numbers")
        return array

    def per_image(self, key: str, n: int, default: np.ndarray) -> np.ndarray:
        """[n,p] numbers, given for each image or once."""
        array = self.numbers(key, (n, None), (None,)) if key in self else default
        return np.broadcast_to(array, (n, array.shape[-1]))

    def texts(self, key: str, *shapes: tuple[int | None, ...]) -> np.ndarray:
        """An array of text."""
        array = self.any(key, *shapes)
        if array.dtype.kind != "U":
            raise self.error(key, array.dtype, "text")
        try:
            printable = all(text.isprintable() and text for text in array.reshape(-1).tolist())
        except (ValueError, UnicodeError):  # code points that are none
            printable = False
        if not printable:
            raise self.error(key, "control characters or nothing", "text")
        return array

    def error(self, key: str, found: object, expected: str) -> InputError:
        return InputError(file=self.file, field=key, found=found, expected=expected)


def _images(
    arrays: _Arrays, n: int, file: Path
) -> tuple[Images | None, list[list[Path]], list[str]]:
    """Images in memory or the files of each resolution, and their names."""
    names = arrays.texts("names", (n,)).tolist() if "names" in arrays else None
    if "images" in arrays:
        pixels = arrays.any("images", (n, None, None, 3), (n, None, None, 4))
        if pixels.dtype != np.uint8 or pixels.size == 0:
            raise arrays.error("images", f"{pixels.dtype} {list(pixels.shape)}", "uint8 pixels")
        # Each on its own, so that it can go when a buffer of pixels holds it.
        images = Images.from_arrays([image.copy() for image in pixels], names)
        return images, [], images.names
    folder = file.parent / "images"
    if names is None:
        names = [relative_name(path, folder) for path in list_images(folder)]
    if len(names) != n:
        raise InputError(
            "photos do not match the poses", file=folder, found=f"{len(names)}", expected=f"{n}"
        )
    return None, in_all_sizes(folder, names), names


def _sizes(arrays: _Arrays, n: int, images: Images | None, files: list[list[Path]]) -> np.ndarray:
    """[n,2] width and height: of the images in memory, else as stated, else of the files."""
    size = arrays.per_image("size", n, np.ones(2))
    if size.shape[1] != 2 or not ((size >= 1) & (size < 1 << 20)).all():
        raise arrays.error("size", f"{size[0].tolist()}", "width and height in pixels")
    if images is not None:
        if "size" in arrays and (size != images.sizes).any():
            raise arrays.error("size", "another size than 'images'", f"{images.sizes[0].tolist()}")
        return images.sizes
    if "size" not in arrays:
        return np.array([(header.width, header.height) for header in read_headers(files[0])])
    return size.round().astype(np.int64)


def _intrinsics(arrays: _Arrays, n: int) -> np.ndarray:
    """[n,4] fx fy cx cy."""
    values = arrays.numbers("intrinsics", (n, 4), (4,), (n, 3, 3), (3, 3))
    if values.shape[-1] == 3:
        values = values[..., [0, 1, 0, 1], [0, 1, 2, 2]]
    return np.broadcast_to(values, (n, 4))


def _models(arrays: _Arrays, n: int) -> np.ndarray:
    names = arrays.texts("model", (n,), ()) if "model" in arrays else np.array(Model.PINHOLE.name)
    unknown = set(names.reshape(-1).tolist()) - set(Model.__members__)
    if unknown:
        raise InputError(
            "unknown camera model",
            file=arrays.file,
            field="model",
            found=unknown.pop(),
            expected=f"one of {', '.join(Model.__members__)}",
        )
    if "distortion" in arrays and arrays.arrays["distortion"].shape[-1:] > (PARAMETERS,):
        raise arrays.error(
            "distortion",
            list(arrays.arrays["distortion"].shape),
            f"at most {PARAMETERS} parameters",
        )
    return np.broadcast_to([Model[name] for name in names.reshape(-1).tolist()], (n,))


def _stack(arrays: _Arrays, key: str, names: list[str], size: np.ndarray) -> Images | None:
    """Masks as 0 and 255, depths or normals as float32, of the cameras' size."""
    if key not in arrays:
        return None
    inner = (3,) if key == "normals" else ()
    values = arrays.any(key, (len(names), None, None, *inner))
    kinds = "bu" if key == "masks" else "uif"
    if values.dtype.kind not in kinds or (size != [values.shape[2], values.shape[1]]).any():
        width, height = size[0].tolist()
        found = f"{values.dtype} {list(values.shape)}"
        raise arrays.error(key, found, f"{[len(names), height, width, *inner]} as the images")
    if key == "masks":
        return Images.from_arrays(np.where(values != 0, 255, 0).astype(np.uint8)[..., None], names)
    values = values.astype(np.float32)
    return Images.from_arrays(values if inner else values[..., None], names)


def _times(arrays: _Arrays, n: int) -> np.ndarray | None:
    if "times" not in arrays:
        return None
    times = arrays.any("times", (n,))
    for i, time in enumerate(times.tolist()):
        if times.dtype.kind not in "uif" or not 0 <= time <= 1:
            field, expected = f"times[{i}]", "a number between 0 and 1"
            raise InputError(
                file=arrays.file, field=field, found=time, expected=expected, hint=HINT
            )
    return times.astype(np.float64)


def _splits(arrays: _Arrays, n: int) -> dict[str, list[int]] | None:
    splits = {}
    for key in ("train", "test", "val"):
        if key in arrays:
            numbers = arrays.any(key, (None,))
            if numbers.dtype.kind not in "ui" or not ((numbers >= 0) & (numbers < n)).all():
                raise arrays.error(key, f"{numbers.dtype} {numbers[:4]}", f"numbers below {n}")
            splits[key] = numbers.tolist()
    return with_train(splits, n) if splits else None


def _bounds(arrays: _Arrays) -> np.ndarray | None:
    if "bounds" not in arrays:
        return None
    bounds = arrays.numbers("bounds", (2, 3))
    if not (bounds[0] < bounds[1]).all():
        raise arrays.error("bounds", bounds.tolist(), "a minimum below the maximum")
    return bounds


def _colors(arrays: _Arrays, points: np.ndarray | None) -> np.ndarray | None:
    if "point_colors" not in arrays or points is None:
        return None
    colors = arrays.any("point_colors", (len(points), 3))
    if colors.dtype != np.uint8:
        raise arrays.error("point_colors", colors.dtype, "uint8")
    return colors


def _point_views(arrays: _Arrays, points: np.ndarray | None, n: int) -> np.ndarray | None:
    if "point_views" not in arrays:
        return None
    views = arrays.any("point_views", (None, 2))
    below = (0 if points is None else len(points), n)
    if views.dtype.kind not in "ui" or not ((views >= 0) & (views < below)).all():
        found = f"{views.dtype} {views[:2].tolist()}"
        raise arrays.error("point_views", found, f"pairs of numbers below {below[0]} and {n}")
    return views.astype(np.int64)
