"""The policy in force: the file's rules, and a server that may refuse more."""
