"""A session as a terminal shows it: what was heard of it, and how that looks.

Reading order: listening, folding, hearing, views.
"""
