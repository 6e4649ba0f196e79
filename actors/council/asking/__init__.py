"""What each is asked, cut to its context, and what comes of what it said."""
