"""The tab of camera paths: keyframes, preview, files, and the button that renders."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.cameras import Cameras
from polyfield.cameras.poses import quaternion_from_rotation
from polyfield.errors import InputError
from polyfield.export.video import write_video
from polyfield.renderers.pictures import Picture
from polyfield.viewer import paths
from polyfield.viewer.jobs import Cancelled, Tell
from polyfield.viewer.painting import paint
from polyfield.viewer.panels.progress import ProgressLine, deliver
from polyfield.viewer.standing import camera_of, stand, vertical_angle
from polyfield.viewer.strips import Stale

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

FPS = 30
WIDTHS = ("256", "480", "800", "1280", "1920")
SHOWN = 100  # places of the line that is drawn
SIZE = 0.04  # of frusta, in parts of the diagonal of the scene


class PathPanel:
    """Keyframes of one path.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._keys = paths.Keyframes()
        self._nodes: list[Any] = []
        self._flying = threading.Event()
        gui = viewer.server.gui
        self._count = gui.add_markdown("no keyframes")
        gui.add_button("Add keyframe").on_click(lambda event: self._add(event.client))
        gui.add_button("Remove last").on_click(lambda _: self._change(self._keys.drop_last))
        gui.add_button("Clear").on_click(lambda _: self._change(self._keys.clear))
        self._seconds = gui.add_slider("Seconds", min=1.0, max=60.0, step=0.5, initial_value=4.0)
        self._closed = gui.add_checkbox("Closed", False)
        self._closed.on_update(lambda _: self._draw())
        gui.add_button("Preview").on_click(lambda event: self._preview(event.client))
        gui.add_button("Save path").on_click(lambda event: self._save(event.client))
        load = gui.add_upload_button("Load path", mime_type="application/json")
        load.on_upload(lambda event: self._load(load.value.content, event.client))
        self._width = gui.add_dropdown("Width", WIDTHS, initial_value="480")
        gui.add_button("Render").on_click(lambda event: self._render(event.client))
        self._line = ProgressLine(viewer)

    def tick(self) -> None:
        """Show how far a render is."""
        self._line.tick()

    @property
    def frames(self) -> int:
        """Pictures of the whole path."""
        return max(round(float(self._seconds.value) * FPS), 2)

    def _add(self, client: Any) -> None:
        if client is None:
            return
        screen = self._viewer.screen
        size = (client.camera.image_width, client.camera.image_height)
        moves = screen.stage.viewed.moves
        camera = camera_of(client.camera, size, screen.look.time if moves else None)
        self._try(client, lambda: self._keys.add(camera))
        self._draw()

    def _change(self, change: Any) -> None:
        change()
        self._draw()

    def _try(self, client: Any, act: Any) -> Any:
        """What an action gives; None, and a note, where it cannot be done."""
        try:
            return act()
        except InputError as error:
            self._viewer.say("path", str(error), client, "red")
            return None

    def _draw(self) -> None:
        """Show keyframes and the way through them in the scene."""
        for node in self._nodes:
            node.remove()
        self._nodes.clear()
        k = len(self._keys)
        self._count.content = f"{k} keyframe{'' if k == 1 else 's'}" if k else "no keyframes"
        if not k:
            return
        scene, keys = self._viewer.server.scene, self._keys.cameras
        for i in range(k):
            pose = keys.world_from_camera[i]
            width, height = keys.size[i].tolist()
            node = scene.add_camera_frustum(
                f"/path/{i}",
                fov=vertical_angle(keys[i]),
                aspect=width / height,
                scale=SIZE * self._viewer.stage.viewed.size,
                thickness=1.5,
                thickness_units="screen",
                color=(80, 220, 120),
                wxyz=tuple(quaternion_from_rotation(pose[:, :3]).tolist()),
                position=tuple(pose[:, 3].tolist()),
            )
            self._nodes.append(node)
        if k > 1:
            way = self._keys.path(SHOWN, bool(self._closed.value)).positions.numpy()
            self._nodes.append(
                scene.add_spline_catmull_rom("/path/way", points=way, color=(80, 220, 120))
            )

    def _preview(self, client: Any) -> None:
        """Fly a browser's camera along the path; a second press ends it."""
        if client is None:
            return
        if self._flying.is_set():
            self._flying.clear()
            return
        path = self._try(client, lambda: self._keys.path(self.frames, bool(self._closed.value)))
        if path is not None:
            self._flying.set()
            threading.Thread(target=self._fly, args=(path, client), daemon=True).start()

    def _fly(self, path: Cameras, client: Any) -> None:
        began = time.perf_counter()
        known = self._viewer.server.get_clients
        while self._flying.is_set() and client.client_id in known():
            i = int((time.perf_counter() - began) * FPS)
            if i >= len(path):
                break
            stand(client, path[i], self._viewer.stage.viewed)
            if path.times is not None:
                self._viewer.screen.set(time=float(path.times[i]))
            time.sleep(1 / FPS)
        self._flying.clear()

    def _save(self, client: Any) -> None:
        viewed = self._viewer.stage.viewed
        closed = bool(self._closed.value)
        text = self._try(
            client, lambda: paths.to_json(self._keys.path(self.frames, closed), viewed)
        )
        if text is not None and client is not None:
            client.send_file_download("cameras.json", text, save_immediately=True)

    def _load(self, content: bytes, client: Any) -> None:
        viewed = self._viewer.stage.viewed
        cameras = self._try(client, lambda: paths.from_json(content, viewed))
        if cameras is None:
            return
        # A saved path has many more cameras than keyframes are of use: some of them will do.
        every = max(len(cameras) // 24, 1)
        index = sorted({*range(0, len(cameras), every), len(cameras) - 1})
        self._keys.clear()
        for i in index:
            self._try(client, lambda i=i: self._keys.add(cameras[i]))
        self._draw()

    def _render(self, client: Any) -> None:
        path = self._try(client, lambda: self._keys.path(self.frames, bool(self._closed.value)))
        if path is None:
            return
        path = path.scaled(int(self._width.value) / int(path.size[0, 0]))
        look = replace(self._viewer.screen.look, photo=None)

        def frames(tell: Tell) -> Iterator[Picture]:
            for i in range(len(path)):
                tell(i / len(path), f"frame {i + 1} of {len(path)}")
                try:
                    render = self._viewer.screen.render(
                        path[i], look, lambda: self._viewer.jobs.stopping
                    )
                except Stale:
                    raise Cancelled from None
                error = None
                if look.mode == "error":
                    error = self._viewer.photos.error(path[i], render, wait=True)
                yield paint(render, look, self._viewer.stage.viewed.scale, error)[0]

        def work(folder: Path, tell: Tell) -> Path:
            out = folder / f"path-{time.strftime('%Y%m%d-%H%M%S')}.mp4"
            write_video(out, frames(tell), FPS)
            return out

        deliver(self._viewer, "render", work, client)
