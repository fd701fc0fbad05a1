"""What every webhook route shares: a bounded body, a checked signature, strict JSON, constant answers."""
