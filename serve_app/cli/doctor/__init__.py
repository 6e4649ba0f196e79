"""`./council doctor`: what is well and what is not, and how to mend it.

Reading order: finding, home, pc, council, rounds. Each check looks and changes nothing.
"""
