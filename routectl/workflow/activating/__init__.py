"""What a route runs: set, undone, asked anew, and compared with what ran before."""
