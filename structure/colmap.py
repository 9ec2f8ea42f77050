"""The calls of pycolmap, run in a process of their own: `python -m polyfield.structure.colmap`.

Alone, so that Ctrl-C ends them at once, that what COLMAP says goes into a file, and that nothing it
does to threads, or a crash of it, reaches the program. All it makes lies in files: the database,
models, and an answer.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

BLOCK = 50  # pairs that are written to the database together
# What a second try is content with.
LENIENT = {
    "init_min_num_inliers": 50,
    "init_min_tri_angle": 8.0,
    "abs_pose_min_num_inliers": 15,
    "abs_pose_min_inlier_ratio": 0.15,
}

Request = dict[str, Any]


def find_features(request: Request) -> None:
    """Cameras, photos and their features into the database; goes on where it was.

    Args:
        request: "database", "images", "cameras" (of `shared_cameras.request`), "side", "features".
    """
    import pycolmap

    database, images = request["database"], request["images"]
    names = [name for camera in request["cameras"] for name in camera["names"]]
    with_cameras = Path(f"{database}.complete")
    if not with_cameras.exists():
        for file in Path(database).parent.glob(f"{Path(database).name}*"):
            file.unlink()
        pycolmap.Database.open(database).close()
        for camera in request["cameras"]:
            reading = pycolmap.ImageReaderOptions()
            reading.camera_model = camera["model"]
            reading.camera_params = camera["parameters"]
            single = pycolmap.CameraMode.SINGLE
            pycolmap.import_images(
                database, images, single, image_names=camera["names"], options=reading
            )
        with_cameras.touch()
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = request["side"]
    options.sift.max_num_features = request["features"]
    pycolmap.extract_features(
        database, images, image_names=names, extraction_options=options, device=pycolmap.Device.cpu
    )


def match(request: Request) -> None:
    """Compare pairs of photos; those that were compared before are left out.

    Args:
        request: "database", "pairs" (a file of two names a line), "seed".
    """
    import pycolmap

    pairing = pycolmap.ImportedPairingOptions()
    pairing.match_list_path = request["pairs"]
    pairing.block_size = BLOCK
    checks = pycolmap.TwoViewGeometryOptions()
    checks.ransac.random_seed = request["seed"]
    pycolmap.match_image_pairs(
        request["database"],
        pairing_options=pairing,
        verification_options=checks,
        device=pycolmap.Device.cpu,
    )


def reconstruct(request: Request) -> Request:
    """Cameras and points; of several models that do not hang together the largest is kept.

    Args:
        request: "database", "images", "models" (a folder for them), "photos" (how many), "seed",
            "lenient", "progress" (a file that gets how many photos were placed so far).

    Returns:
        "model" (its folder, None for none), "registered" (names), "points", "error" (pixels),
        "models" (how many there are).
    """
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = request["seed"]
    options.min_model_size = max(3, min(10, request["photos"] // 2))
    if request["lenient"]:
        options.min_num_matches = 10
        for key, value in LENIENT.items():
            setattr(options.mapper, key, value)
    placed = 1
    progress = Path(request["progress"])

    def next_photo() -> None:
        nonlocal placed
        placed += 1
        progress.write_text(str(placed))

    folder = Path(request["models"])
    folder.mkdir(parents=True, exist_ok=True)
    found = pycolmap.incremental_mapping(
        request["database"],
        request["images"],
        folder,
        options,
        initial_image_pair_callback=next_photo,
        next_image_callback=next_photo,
    )
    if not found:
        return {"model": None, "registered": [], "points": 0, "error": 0.0, "models": 0}
    number, best = max(
        found.items(), key=lambda item: (item[1].num_reg_images(), item[1].num_points3D())
    )
    return {
        "model": str(folder / str(number)),
        "registered": sorted(best.image(i).name for i in best.reg_image_ids()),
        "points": best.num_points3D(),
        "error": best.compute_mean_reprojection_error(),
        "models": len(found),
    }


STAGES = {"features": find_features, "matches": match, "model": reconstruct}


def main() -> None:
    """Do what the file of a request says; the answer goes to `FILE.answer`."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    file = Path(sys.argv[1])
    request = json.loads(file.read_text(encoding="utf-8"))
    import pycolmap

    pycolmap.set_random_seed(request["seed"])
    answer = STAGES[request["stage"]](request)
    Path(f"{file}.answer").write_text(json.dumps(answer), encoding="utf-8")


def _end_with_parent() -> None:
    """The pipe that is read from here ends when the process that started this one does."""
    os.read(0, 1)  # not by sys.stdin, whose lock Python wants when it ends
    os._exit(1)


if __name__ == "__main__":
    main()
