"""The team's own data, read from files: the service catalogue and the playbooks."""
