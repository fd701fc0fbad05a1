"""Loopback servers that speak their vendors' wire protocols, for the demo and the tests."""
