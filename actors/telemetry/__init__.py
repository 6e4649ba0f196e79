"""What the council tells of itself to those who run it: about (whom a line of the log is about),
logs, then traces and the collector that they are sent to."""
