"""What is kept of a chat? Each function is one transaction, and waits for nothing."""
