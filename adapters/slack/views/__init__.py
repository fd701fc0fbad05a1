"""Pure layout: from the domain's values to Block Kit, and nothing else."""
