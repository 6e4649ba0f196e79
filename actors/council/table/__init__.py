"""Who sits, and by which procedure: seats, chairman, models, personas."""
