"""How a scene is learned: one trainer, the tasks it serves, and the run folder that it leaves.

`trainer` knows no task and a task knows no trainer: `task` is all that lies between them. A run on
disk is `runs` (the folder), `checkpoint` (what is written and verified) and `snapshot` (what it
holds). `assembly` makes a task of plain configuration.
"""
