"""What RESULTS.md is made from, by `polyfield bench`.

`catalogue` lists the cells of each suite and budget. A cell is one measurement: a module here with
a function `measure` and the settings that it is called with. `running` gives each cell a process of
its own and keeps its outcome as a JSON (`cells`); `results` makes RESULTS.md of these.
"""
