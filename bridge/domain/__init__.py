"""What values do storage and upstreams share? No clock, no socket."""
