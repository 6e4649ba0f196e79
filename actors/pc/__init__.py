"""What a PC tells of itself: how it feels, what it uses."""
