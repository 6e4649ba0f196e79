"""What clients are told of a session, computed from its record at each look."""
