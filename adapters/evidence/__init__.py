"""Where evidence comes from: one module a source."""
