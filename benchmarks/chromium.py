"""The system's Chromium, drawing in software so that any machine shows the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polyfield.benchmarks.cells import NotRun

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")
OPENED = 120_000  # milliseconds until a page must have said that it is ready, or why not


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """A browser without a window.

    Args:
        options: of its command line, beside those that have it draw in software.

    Raises:
        NotRun: where there is none, or not the driver.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise NotRun("no Chromium on this machine")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NotRun("needs `pip install 'polyfield[test]'` (playwright)") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*SOFTWARE, *options], timeout=OPENED
        )
        try:
            yield browser
        finally:
            browser.close()


def open_page(context: Any, file: Path) -> Any:
    """A page of ours in a context of a browser, once it is ready or has said why it is not."""
    page = context.new_page()
    page.set_default_timeout(OPENED)
    page.goto(file.resolve().as_uri())
    page.wait_for_selector("html[data-state]", state="attached")
    return page


def settle(page: Any, script: str = "polyfield.stats().final") -> None:
    """Wait until a page says so: by default that its picture is the one that stands still."""
    look = f"const look = () => ({script} ? done() : setTimeout(look, 20));"
    page.evaluate(f"() => new Promise(done => {{ {look} look(); }})")
