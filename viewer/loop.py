"""One browser's pictures: coarse as soon as its camera moves, finer while it is still.

Letters: h, w pixels.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from polyfield.cameras import Cameras
from polyfield.errors import InputError
from polyfield.renderers.pictures import Picture
from polyfield.renderers.render import Render
from polyfield.viewer.colormaps import Legend
from polyfield.viewer.look import Look
from polyfield.viewer.pace import Size, sizes, within
from polyfield.viewer.painting import is_finite, paint
from polyfield.viewer.screen import Screen
from polyfield.viewer.standing import camera_of
from polyfield.viewer.strips import Stale

COARSE = 0.045  # seconds for the first picture after a move
LIVE = 0.4  # seconds for the finest while something trains
AGAIN = 0.5  # least seconds from one picture of a training to the next
QUALITY = (80, 93)  # of JPEG, of coarse pictures and of the finest
FAR = 160.0  # z-depth of what is not there, world units: the farthest that the page knows


@dataclass(frozen=True)
class Drawn:
    """A picture that was made, for whoever tells people about it.

    Attributes:
        size: of the picture.
        seconds: from the beginning of its first, coarse version.
        legend: of its colours.
        finest: whether no finer one will follow.
        finite: whether all of its colours are numbers.
    """

    size: Size
    seconds: float
    legend: Legend | None
    finest: bool
    finite: bool


class Drawer:
    """A thread that draws for one browser; the latest place of its camera wins.

    Args:
        client: of viser.
        screen: what is drawn.
        drawn: called with every picture.
        failed: called with what is wrong, when no picture can be made.
        error: camera, render and look -> differences from a photo, of the mode "error".
        photo: camera, number of a photo and size -> that photo instead of a render.
    """

    def __init__(
        self,
        client: Any,
        screen: Screen,
        drawn: Callable[[Drawn], None] = lambda _: None,
        failed: Callable[[InputError], None] = lambda _: None,
        error: Callable[[Cameras, Render], Float[np.ndarray, "h w"] | None] = lambda *_: None,
        photo: Callable[[int, Size], Picture | None] = lambda *_: None,
    ) -> None:
        self.client, self.screen = client, screen
        self._drawn, self._failed, self._error, self._photo = drawn, failed, error, photo
        self._wake = threading.Condition()
        self._moves, self._stopped = 0, False
        self._thread = threading.Thread(target=self._run, name="polyfield-drawer", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self.screen.listen(self.wake)
        self._thread.start()

    def wake(self) -> None:
        """The camera, or what is looked at, is another."""
        with self._wake:
            self._moves += 1
            self._wake.notify_all()

    def stop(self) -> None:
        """Draw no more; the picture that is being made is given up."""
        self.screen.leave(self.wake)
        with self._wake:
            self._stopped = True
            self._wake.notify_all()

    def join(self, seconds: float) -> bool:
        """Whether the thread has ended, after at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        moves, again = -1, False
        while not self._stopped:
            with self._wake:
                if moves == self._moves:
                    again = not self._wake.wait_for(
                        lambda seen=moves: self._stopped or self._moves != seen,  # type: ignore[misc]
                        AGAIN if self.screen.turns.trains() else None,
                    )
                else:
                    again = False
                moves = self._moves
            try:
                self._draw(moves, again)
            except Stale:
                continue
            except InputError as error:
                self._failed(error)
            except Exception as error:  # a bug of ours: the next picture may do all the same
                traceback.print_exc()
                self._failed(InputError(f"{type(error).__name__}: {error}"))

    def _draw(self, moves: int, again: bool) -> None:
        """All pictures of one place: from coarse to fine, or only a fine one if `again`."""
        began = time.perf_counter()
        look, pose = self.screen.look, self.client.camera
        full = within(pose.image_width, pose.image_height, look.longest)
        if look.photo is not None:
            self._show_photo(look, full)
            return
        pace = self.screen.pace(look)
        trains = self.screen.turns.trains()
        if trains:
            full = _of_pixels(full, pace.pixels(LIVE))
        steps = [full] if again else list(sizes(full, pace.pixels(COARSE)))
        for i, size in enumerate(steps):
            camera = camera_of(pose, size, look.time if self.screen.stage.viewed.moves else None)
            # A camera in motion shows its coarse pictures all the same: they are what moves.
            wanted = self._stop_only if i == 0 and not again else self._stale_after(moves)
            render = self.screen.render(camera, look, wanted)
            finest = i == len(steps) - 1
            self._send(camera, render, look, finest, began)
            if self._stale_after(moves)():
                return

    def _stop_only(self) -> bool:
        return self._stopped

    def _stale_after(self, moves: int) -> Callable[[], bool]:
        return lambda: self._stopped or self._moves != moves

    def _send(
        self, camera: Cameras, render: Render, look: Look, finest: bool, began: float
    ) -> None:
        painting = time.perf_counter()
        stage = self.screen.stage
        error = self._error(camera, render) if look.mode == "error" else None
        image, legend = paint(render, look, stage.viewed.scale, error)
        depth = z_depths(camera, render) if look.solid and finest else None
        if self._stopped:
            raise Stale
        quality = QUALITY[finest]
        self.client.scene.set_background_image(
            np.ascontiguousarray(image), format="jpeg", jpeg_quality=quality, depth=depth
        )
        self.client.flush()
        now = time.perf_counter()
        self.screen.turns.spend(now - painting)
        h, w = image.shape[:2]
        self._drawn(Drawn((w, h), now - began, legend, finest, is_finite(render)))

    def _show_photo(self, look: Look, full: Size) -> None:
        assert look.photo is not None
        image = self._photo(look.photo, full)
        if image is not None and not self._stopped:
            self.client.scene.set_background_image(image, format="jpeg", jpeg_quality=QUALITY[1])
            self.client.flush()


def z_depths(camera: Cameras, render: Render) -> Float[np.ndarray, "h w"]:
    """Distances along the optical axis; `FAR` where nothing was met."""
    width, height = camera.size[0].tolist()
    fx, fy, cx, cy = camera.intrinsics[0].tolist()
    u, v = (np.arange(width) + 0.5 - cx) / fx, (np.arange(height) + 0.5 - cy) / fy
    cosines = 1 / np.sqrt(1 + u[None] ** 2 + v[:, None] ** 2)
    hit = render.opacity.numpy() > 0.5
    depth = np.nan_to_num(render.depth.numpy(), nan=FAR, posinf=FAR) * cosines
    return np.where(hit, depth, FAR).astype(np.float32)


def _of_pixels(size: Size, pixels: int) -> Size:
    factor = min(math.sqrt(pixels / (size[0] * size[1])), 1.0)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)
