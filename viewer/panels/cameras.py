"""The tab of what is drawn into the scene: cameras of the data, points, occupied cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyfield.cameras.poses import quaternion_from_rotation
from polyfield.errors import InputError
from polyfield.viewer.occupied import cell_points
from polyfield.viewer.standing import stand, vertical_angle

if TYPE_CHECKING:
    from polyfield.viewer.server import Viewer

MOST_FRUSTA = 200
FRUSTUM = 0.06  # size, in parts of the diagonal of the scene
NONE = "none"


class Cameras:
    """Frusta that can be clicked, and what else helps to find one's way.

    Args:
        viewer: whose.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._scene, self._gui = viewer.server.scene, viewer.server.gui
        self._frusta: dict[int, Any] = {}
        self._nodes: dict[str, Any] = {}
        self._wanted = False
        viewed = viewer.stage.viewed
        if viewed.seen is not None and len(viewed.seen):
            self._add_photos()
        if viewed.points is not None:
            self._toggle("Sparse points", self._show_points)
        self._toggle("Occupied cells", self._show_cells)
        axes = self._gui.add_checkbox("World axes", False)

        def show_axes(_: Any) -> None:
            self._scene.world_axes.visible = bool(axes.value)

        axes.on_update(show_axes)
        solid = self._gui.add_checkbox("Hide what is behind", True)
        solid.on_update(lambda _: self._say_solid(bool(solid.value)))
        self._solid = True

    def _say_solid(self, solid: bool) -> None:
        self._solid = solid
        self._solidify()

    def _solidify(self) -> None:
        """Pictures carry depth only while something is drawn into the scene."""
        drawn = self._wanted or any(node is not None for node in self._nodes.values())
        self._viewer.screen.set(solid=self._solid and drawn)

    def _add_photos(self) -> None:
        seen = self._viewer.stage.viewed.seen
        assert seen is not None
        frusta = self._gui.add_checkbox("Cameras", False, hint="click one to stand there")
        frusta.on_update(lambda _: self._show_frusta(bool(frusta.value)))
        names = self._viewer.stage.viewed.names or tuple(map(str, range(len(seen))))
        labels = [f"{i}: {name}" for i, name in enumerate(names)]
        self._choice = self._gui.add_dropdown("Camera", (NONE, *labels), initial_value=NONE)

        def chosen(event: Any) -> None:
            if event.client is not None and self._choice.value != NONE:
                self._stand(event.client, int(str(self._choice.value).partition(":")[0]))

        self._choice.on_update(chosen)
        self._flip = self._gui.add_checkbox("Photo instead of render", False)
        self._flip.on_update(lambda event: self._show_photo(event.client))

    def _show_photo(self, client: Any) -> None:
        if not self._flip.value or self._choice.value == NONE:
            self._viewer.screen.set(photo=None)
            if self._flip.value and client is not None:
                self._viewer.say("no camera chosen", "click one of the cameras first", client)
                self._flip.value = False
            return
        i = int(str(self._choice.value).partition(":")[0])
        if self._viewer.photos[i] is None:
            self._viewer.say("no photo", str(self._viewer.photos.missing), client, "red")
            self._flip.value = False
            return
        self._viewer.screen.set(photo=i)

    def _stand(self, client: Any, i: int) -> None:
        """Put a browser's camera where camera i stands."""
        seen = self._viewer.stage.viewed.seen
        assert seen is not None
        camera = seen[i]
        stand(client, camera, self._viewer.stage.viewed)
        if camera.times is not None:
            self._viewer.screen.set(time=float(camera.times[0]))
        if self._flip.value:
            self._show_photo(client)

    def _show_frusta(self, wanted: bool) -> None:
        self._wanted = wanted
        if wanted and not self._frusta:
            self._add_frusta()
            self._viewer.photos.thumbnails(list(self._frusta), self._show_thumbnail)
        for frustum in self._frusta.values():
            frustum.visible = wanted
        self._solidify()

    def _add_frusta(self) -> None:
        viewed = self._viewer.stage.viewed
        seen = viewed.seen
        assert seen is not None
        every = -(-len(seen) // MOST_FRUSTA)
        for i in range(0, len(seen), every):
            camera = seen[i]
            pose = camera.world_from_camera[0]
            width, height = camera.size[0].tolist()
            node = self._scene.add_camera_frustum(
                f"/cameras/{i}",
                fov=vertical_angle(camera),
                aspect=width / height,
                scale=FRUSTUM * viewed.size,
                thickness=1.5,
                thickness_units="screen",
                color=(255, 140, 0),
                wxyz=tuple(quaternion_from_rotation(pose[:, :3]).tolist()),
                position=tuple(pose[:, 3].tolist()),
            )
            node.on_click(lambda event, i=i: self._clicked(event.client, i))
            self._frusta[i] = node

    def _show_thumbnail(self, i: int, image: Any) -> None:
        self._frusta[i].image = image

    def _clicked(self, client: Any, i: int) -> None:
        names = self._viewer.stage.viewed.names
        self._choice.value = f"{i}: {names[i] if names else i}"
        self._stand(client, i)

    def _toggle(self, label: str, add: Any) -> None:
        """A box to tick for something that is made when it is first wanted."""
        box = self._gui.add_checkbox(label, False)

        def update(event: Any) -> None:
            node = self._nodes.pop(label, None)
            if node is not None:
                node.remove()
            if box.value:
                try:
                    self._nodes[label] = add()
                except InputError as error:
                    self._viewer.say(label, str(error), event.client, "red")
                    self._nodes[label] = None
                if self._nodes[label] is None:
                    box.value = False
            self._solidify()

        box.on_update(update)

    def _show_points(self) -> Any:
        points = self._viewer.stage.viewed.points
        found = None if points is None else points()
        if found is None:
            raise InputError("the data has no sparse points")
        where, colors = found
        size = 0.002 * self._viewer.stage.viewed.size
        return self._scene.add_point_cloud(
            "/points", np.asarray(where), np.asarray(colors), point_size=size, precision="float32"
        )

    def _show_cells(self) -> Any:
        found = cell_points(self._viewer.stage.viewed.renderer)
        if found is None:
            raise InputError("this renderer keeps no occupied cells")
        where, size = found
        return self._scene.add_point_cloud(
            "/occupied", where, (90, 200, 255), point_size=0.5 * size, precision="float32"
        )
