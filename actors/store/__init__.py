"""Sessions on disk: one SQLite file, one writer, whole after any crash."""
