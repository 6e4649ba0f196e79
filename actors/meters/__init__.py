"""What is counted and timed: `catalogue` declares every meter; `sessions` and `standing` feed
them; `registry` and `ray_metrics` are the outlets; `labels` keeps every label bounded."""
