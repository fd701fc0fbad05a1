"""Changes in: one module for each kind of sender, and the routes that they post to."""
