"""What can be typed, by what it is for: asking, running, keeping, developing.

Each file is a Typer group that `program.py` takes in: options and help; the work is done by the
modules beside this folder, imported when the command runs.
"""
