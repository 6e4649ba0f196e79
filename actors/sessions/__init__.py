"""One session as it is heard: its calls to models, its record, who listens."""
