"""Pictures for people. Each plot: one function for the numbers, one that draws them."""
