"""What all protocols of other people's clients share: the council as a model, their conversations,
and what is told while it sits. Knows no protocol."""
