"""The interactive viewer: a page in the browser, drawn by the renderers of this library.

`viewed` is what is looked at, `look` how, `loop` draws it for one browser, coarse first; `server`
puts the page together of what lies in `panels`. Nothing here knows a field or a renderer: all
pictures are made of the `Render` record.
"""
