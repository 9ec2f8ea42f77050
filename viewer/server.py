"""The page: a server of viser, bound to one address, with a drawer for every browser."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyfield.errors import InputError
from polyfield.viewer import address
from polyfield.viewer.jobs import Exporter, Jobs
from polyfield.viewer.live import Live
from polyfield.viewer.look import Look
from polyfield.viewer.loop import Drawer
from polyfield.viewer.photos import Photos
from polyfield.viewer.screen import Screen
from polyfield.viewer.share import Turns
from polyfield.viewer.standing import aim, vertical_angle
from polyfield.viewer.strips import Stale
from polyfield.viewer.viewed import Stage, Viewed

TITLE = "polyfield"
WAIT = 3.0  # seconds for what computes to come to an end
WARM = 48  # pixels of the picture that nobody sees


@dataclass(frozen=True)
class Settings:
    """How the page is served and drawn.

    Attributes:
        host: address to bind to.
        port: the wanted one; the next that is free is taken.
        share: of the time that pictures may take from a training.
        longest: pixels of the longer edge of the finest picture.
    """

    host: str = "localhost"
    port: int = 8080
    share: float = 0.2
    longest: int = 1280


@dataclass
class Extras:
    """What the page can do beside showing a scene.

    Attributes:
        run: folder whose curves are shown, and into which renders go; None for none.
        out: folder of renders and exports.
        live: the training that is watched; None for none.
        exporters: by name, what writes a file.
        titles: of what is shown and what it is compared with.
    """

    run: Path | None = None
    out: Path | None = None
    live: Live | None = None
    exporters: dict[str, Exporter] = field(default_factory=dict)
    titles: tuple[str, ...] = (TITLE,)


class Viewer:
    """A page that shows a scene until it is closed.

    Args:
        stage: what is shown.
        settings: how.
        extras: what else can be done.

    Raises:
        InputError: for an address that is none, or when no port is free.
    """

    def __init__(
        self, stage: Stage, settings: Settings | None = None, extras: Extras | None = None
    ) -> None:
        settings, extras = settings or Settings(), extras or Extras()
        self.stage, self.settings, self.extras = stage, settings, extras
        live = extras.live
        trains: Callable[[], bool] = (lambda: False) if live is None else (lambda: live.trains)
        self.turns = Turns(settings.share, trains)
        divide = 1.0 if stage.against is None else 0.5
        look = Look(longest=_checked_longest(settings.longest), divide=divide)
        self.screen = Screen(stage, self.turns, look)
        self.photos = Photos(stage)
        self.photos.read = self.screen.changed
        self.jobs = Jobs(extras.out)
        self.drawers: dict[int, Drawer] = {}
        self._door, self.closed = threading.Lock(), threading.Event()
        self._warm = threading.Thread(target=self._warm_up, name="polyfield-warm-up", daemon=True)
        if live is None:  # loads what draws while the page opens
            self._warm.start()
        self.server = _bound(settings.host, settings.port, extras.titles[0])
        self._first_view(stage.viewed)
        from polyfield.viewer.panels import build

        self.panels = build(self)
        self.server.on_client_connect(self._enter)
        self.server.on_client_disconnect(self._leave)
        if live is not None:
            live.start(self.screen)

    @property
    def port(self) -> int:
        """The one that is listened on."""
        return int(self.server.get_port())

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return address.url(self.settings.host, self.port)

    def say(self, title: str, body: str, client: Any = None, color: str | None = None) -> None:
        """Show a note in one browser, or in all."""
        clients = self.server.get_clients().values() if client is None else [client]
        for each in clients:
            each.add_notification(title, body, auto_close_seconds=12.0, color=color)

    def close(self) -> None:
        """Stop all that goes on and let go of the port."""
        self.closed.set()
        if self.extras.live is not None:
            self.extras.live.stop()
        self.jobs.stop()
        self.panels.close()
        self.photos.close()
        with self._door:
            drawers = list(self.drawers.values())
            self.drawers.clear()
        for drawer in drawers:
            drawer.stop()
        # A process that ends while a thread of it computes is aborted.
        for drawer in drawers:
            drawer.join(WAIT)
        if self._warm.is_alive():
            self._warm.join(WAIT)
        with contextlib.redirect_stdout(io.StringIO()):  # viser says goodbye there
            self.server.stop()

    async def _enter(self, client: Any) -> None:
        drawer = Drawer(
            client,
            self.screen,
            self.panels.drawn,
            lambda error: self.say("cannot draw this", str(error), client, "red"),
            self.photos.error,
            self.photos.fitted,
        )
        with self._door:
            self.drawers[client.client_id] = drawer

        async def moved(_: Any) -> None:
            drawer.wake()

        client.camera.on_update(moved)
        drawer.start()

    async def _leave(self, client: Any) -> None:
        with self._door:
            drawer = self.drawers.pop(client.client_id, None)
        if drawer is not None:
            drawer.stop()

    def _warm_up(self) -> None:
        """Draw a small picture for nobody."""
        with contextlib.suppress(InputError, Stale):
            start = self.stage.viewed.start
            camera = start.scaled(min(WARM / int(start.size.max()), 1.0))
            self.screen.render(camera, self.screen.look, self.closed.is_set)

    def _first_view(self, viewed: Viewed) -> None:
        self.server.scene.set_up_direction(viewed.up)
        self.server.scene.world_axes.visible = False
        camera = viewed.start
        initial = self.server.initial_camera
        initial.up = viewed.up
        initial.position = tuple(camera.positions[0].tolist())
        initial.look_at = tuple(aim(viewed, camera).tolist())
        initial.fov = vertical_angle(camera)
        initial.near, initial.far = 1e-3 * viewed.size, 1e3 * max(viewed.size, 1.0)


def _checked_longest(longest: int) -> int:
    if not 16 <= longest <= 8192:
        raise InputError(field="viewer.longest", found=longest, expected="16 to 8192 pixels")
    return longest


def _bound(host: str, port: int, title: str) -> Any:
    """A server of viser that hands nothing out beyond its address."""
    import viser
    import viser._messages as messages

    number = address.free_port(host, port)
    with contextlib.redirect_stdout(io.StringIO()):  # the address is said by whoever opens it
        server = viser.ViserServer(host=host, port=number, label=title, verbose=False)
    server.gui.configure_theme(
        control_width="large", dark_mode=True, show_logo=False, show_share_button=False
    )
    # A page could ask for a tunnel through a relay on the internet.
    for message in (messages.ShareUrlRequest, messages.ShareUrlDisconnect):
        with contextlib.suppress(AssertionError):
            server._websock_server.unregister_handler(message)
    return server
