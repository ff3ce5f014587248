"""What the decisions of production cost and saved, and whether they still hold."""
