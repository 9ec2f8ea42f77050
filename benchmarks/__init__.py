"""What RESULTS.md is made from, by `polyfield bench`.

A *suite* is a module with a table's NAME, TITLE, NOTE and COLUMNS and a function `cells`. A *cell*
is one measurement, kept as a JSON with all that it depends on, so that a bench that was stopped
goes on where it was.
"""
