"""`make bench`: how fast the bot is and how much it takes, each figure beside its goal.

One module measures one thing: `intake`, `life`, `footprint`, `thinking`, `record`.
"""
