"""What opinions and ballots come to: places, agreement, consensus, the guard. Knows no session."""
