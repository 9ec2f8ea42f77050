"""Pages that show a scene in a browser: one file, with all that it needs within.

`gaussians` and `surfaces` say what a page of each carries, `packing` how, `page` puts it together;
the folder `page/` is what runs in the browser.
"""

from polyfield.export.web.gaussians import splats_page
from polyfield.export.web.page import Look, check_page
from polyfield.export.web.surfaces import mesh_page

__all__ = ["Look", "check_page", "mesh_page", "splats_page"]
