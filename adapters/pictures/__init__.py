"""Pictures for people: drawn by a program of its own, so that the bot stays small and answers meanwhile."""
