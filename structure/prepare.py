"""From photos or a video to a folder that `polyfield train` reads.

    OUT/images/       upright photos        OUT/prepare.json   what was asked for and found
    OUT/sparse/0/     COLMAP's model        OUT/colmap.log     all that COLMAP said
    OUT/colmap/       its database and tries; not needed for training

Every step leaves files that say that it is done, so that a call that was stopped goes on: photos
one by one, features a photo, matches some pairs at a time; a model is begun again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from polyfield.durable import replace_file
from polyfield.errors import InputError
from polyfield.structure import database, shared_cameras, video
from polyfield.structure.advice import WELL, advise
from polyfield.structure.child import call_colmap
from polyfield.structure.pairs import pairs, resolve
from polyfield.structure.photos import find_photos, names_of, write_photos
from polyfield.structure.record import Record, begin, digest
from polyfield.structure.settings import CAMERAS, LEAST, QUALITIES, Settings

Watch = Callable[[str, int, int], None]
Say = Callable[[str, str], None]


@dataclass
class Prepared:
    """What came of it.

    Attributes:
        photos: names of all that were used.
        registered: names of those that have cameras.
        points: how many.
        error: mean reprojection error, pixels.
        matching, model: how photos were compared, COLMAP's name of the cameras.
        cameras: how many.
        advice: lines.
    """

    photos: list[str]
    registered: list[str]
    points: int
    error: float
    matching: str
    model: str
    cameras: int
    advice: list[str] = field(default_factory=list)


@dataclass
class _Work:
    """What the steps share."""

    out: Path
    settings: Settings
    watch: Watch
    say: Say
    names: list[str] = field(default_factory=list)

    @property
    def images(self) -> Path:
        return self.out / "images"

    @property
    def folder(self) -> Path:
        return self.out / "colmap"

    @property
    def database(self) -> Path:
        return self.folder / "database.db"

    def call(self, stage: str, watch: Callable[[], None], **request: Any) -> Any:
        """A stage of `colmap`."""
        request |= {"stage": stage, "seed": self.settings.seed, "database": str(self.database)}
        request |= {"images": str(self.images)}
        return call_colmap(request, self.folder, self.out / "colmap.log", watch)


def prepare(source: Path, out: Path, settings: Settings, watch: Watch, say: Say) -> Prepared:
    """Find cameras of photos, or of the sharpest frames of a video.

    Args:
        source: a folder of photos, or a video.
        out: a new folder, or one in which this was begun and stopped.
        watch: told of a step's name, how much of it is done, and of how much.
        say: told a title and what there is to say.

    Raises:
        InputError: for an input that cannot be used, or of which no photo registers.
    """
    is_video = _is_video(source)
    files = [source] if is_video else find_photos(source)
    record = begin(out, source, digest(files), settings)
    if record.resumed:
        say("goes on", str(out))
    work = _Work(out, settings, watch, say)
    work.images.mkdir(exist_ok=True)
    work.folder.mkdir(exist_ok=True)
    sources = _write_frames(work, record, source) if is_video else _write_photos(work, files)
    work.names = list(sources)
    groups = shared_cameras.group(
        shared_cameras.read_photos(work.images, sources), settings.single_camera
    )
    model = CAMERAS[settings.camera]
    known = sum(photo.lens.focal is not None for photos in groups for photo in photos)
    say("cameras", f"{len(groups)}, {model}; focal length known of {known} photos")
    _find_features(work, groups, model)
    matching, best = _reconstruct(work, is_video)
    advice = advise(
        work.images,
        best["registered"],
        {**dict.fromkeys(work.names, 0), **database.features(work.database)},
        database.partners(work.database),
    )
    if not best["registered"]:
        raise InputError("no photo found its place", file=source, hint="; ".join(advice))
    _keep(Path(best["model"]), out)
    found = best["points"], best["error"], matching, model, len(groups)
    prepared = Prepared(work.names, best["registered"], *found, advice)
    result: dict[str, Any] = {"photos": len(work.names), "registered": len(prepared.registered)}
    result |= {"points": prepared.points, "reprojection_error": prepared.error}
    record.save(finished=True, result=result | {"matching": matching, "camera": model})
    return prepared


def _is_video(source: Path) -> bool:
    from polyfield.datasets.detect import check_readable
    from polyfield.datasets.image_files import EXTENSIONS

    check_readable(source)
    if source.is_file() and source.suffix.lower() in EXTENSIONS:
        raise InputError(file=source, found="one photo", expected="a folder of photos, or a video")
    return source.is_file()


def _write_photos(work: _Work, files: list[Path]) -> dict[str, Path | None]:
    """The photos by name, and where each came from."""
    sources = names_of(files)
    skipped: list[Path] = []

    def skip(path: Path, reason: str) -> None:
        skipped.append(path)
        work.say("skipped", f"{path.name}: {reason}")

    size = work.settings.max_size
    names = write_photos(sources, work.images, size, partial(work.watch, "photos"), skip)
    if len(names) < LEAST:
        found = f"{len(names)} of {len(files)} photos that can be read"
        raise InputError(file=files[0].parent, found=found, expected=f"at least {LEAST}")
    work.say("photos", f"{len(names)} of {len(files)}")
    return {name: sources[name] for name in names}


def _write_frames(work: _Work, record: Record, source: Path) -> dict[str, Path | None]:
    """The frames by name; they say nothing of a lens."""
    numbers = record.values["frames"]
    if numbers is None:
        watch = partial(work.watch, "sharpness")
        numbers = video.choose_frames(source, work.settings.frames, watch)
        record.save(frames=numbers)
    size = work.settings.max_size
    watch = partial(work.watch, "frames")
    names = video.write_frames(source, numbers, work.images, size, watch)
    work.say("frames", f"{len(names)} of {source.name}")
    return dict.fromkeys(names)


def _find_features(work: _Work, groups: list[list[shared_cameras.Photo]], model: str) -> None:
    n = len(work.names)
    quality = QUALITIES[work.settings.quality]
    work.call(
        "features",
        lambda: work.watch("features", database.count(work.database, "keypoints"), n),
        cameras=[shared_cameras.request(photos, model) for photos in groups],
        side=quality.side,
        features=quality.features,
    )
    each = sorted(database.features(work.database).values()) or [0]
    work.say("features", f"{each[len(each) // 2]:,} a photo (median)")


def _reconstruct(work: _Work, is_video: bool) -> tuple[str, dict[str, Any]]:
    """How photos were compared in the end, and the best of the models.

    Where few photos find their place, each is compared with each, and where that is not enough,
    less is asked of them.
    """
    n = len(work.names)
    first = resolve(work.settings.matching, n, is_video)
    tries = [(first, False)]
    if first != "exhaustive" and work.settings.matching == "auto":
        tries.append(("exhaustive", False))
    tries.append((tries[-1][0], True))
    best: dict[str, Any] = {"registered": [], "points": 0}
    matching = first
    for number, (kind, lenient) in enumerate(tries):
        if number:
            how = "with less asked of matches" if lenient else "each photo with each"
            work.say("retry", f"{len(best['registered'])} / {n} registered; again, {how}")
        if number == 0 or kind != tries[number - 1][0]:
            _match(work, kind)
        found = _model(work, f"{kind}-lenient" if lenient else kind, lenient)
        if _worth(found) > _worth(best):
            best, matching = found, kind
        if len(best["registered"]) >= WELL * n:
            break
    return matching, best


def _worth(found: dict[str, Any]) -> tuple[int, int]:
    return len(found["registered"]), found["points"]


def _match(work: _Work, kind: str) -> None:
    names = work.names
    chosen = pairs(kind, len(names))
    lines = [f"{names[i]} {names[j]}\n" for i, j in chosen]
    file = work.folder / f"pairs-{kind}.txt"
    replace_file(file, "".join(lines).encode())
    work.call(
        "matches",
        lambda: work.watch(
            "matches", database.count(work.database, "two_view_geometries"), len(chosen)
        ),
        pairs=str(file),
    )
    shared = sum(database.partners(work.database).values()) // 2
    work.say("matches", f"{shared:,} of {len(chosen):,} pairs share something ({kind})")


def _model(work: _Work, name: str, lenient: bool) -> dict[str, Any]:
    """A try at a model; what is there of it is begun again."""
    n = len(work.names)
    models = work.folder / "models" / name
    shutil.rmtree(models, ignore_errors=True)
    progress = work.folder / "registered.txt"
    progress.unlink(missing_ok=True)

    def watch() -> None:
        text = progress.read_text() if progress.exists() else ""
        work.watch("model", min(int(text or 0), n), n)

    found: dict[str, Any] = work.call(
        "model",
        watch,
        models=str(models),
        photos=n,
        lenient=lenient,
        progress=str(progress),
    )
    return found


def _keep(model: Path, out: Path) -> None:
    """Put a model where training looks for it, whole or not at all."""
    new = out / "colmap" / "sparse.new"
    for folder in (new, out / "sparse"):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, new / "0")
    new.rename(out / "sparse")
