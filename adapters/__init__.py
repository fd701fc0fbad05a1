"""Everything that touches the world: one package a neighbour, wired together in `adapters.wiring`."""
