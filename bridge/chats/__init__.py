"""What happens in a chat? Threads, waiting and deadlines; no SQL and no HTTP."""
