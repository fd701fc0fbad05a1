"""The model: prompts, the calls with their limits, what they cost, and a scripted stand-in."""
