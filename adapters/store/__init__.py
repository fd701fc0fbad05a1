"""Where durable state is kept: Redis, SQL, and memory twins for tests."""
