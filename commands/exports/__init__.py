"""What `polyfield export` writes: a module for each format, named in `formats`.

A module has `write(config, out)`, which says what it wrote.
"""
