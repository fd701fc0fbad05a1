"""What a security engineer wants to see of a running deployment; it starts, approves and posts nothing."""
