"""Pure rules over frozen values: no clock, no network, no vendor."""
