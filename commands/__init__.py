"""The verbs of the command line, one file each, and the way from a shell line to a Hydra job.

`arguments` turns what the shell gave into Hydra overrides, `schema` checks them and names the
nearest valid key, `hydra_job` runs the job, `errors` makes one line of what went wrong.
"""
