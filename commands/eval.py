"""`polyfield eval`: the scores of a run."""
