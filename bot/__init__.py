"""Handrail's domain, ports and application: what it decides, free of any vendor."""
