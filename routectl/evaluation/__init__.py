"""How good a router is: curves, metrics and how sure they are."""
