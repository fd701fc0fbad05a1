"""The intake queues and the change ledger in Redis or Valkey."""
