"""What a training leaves: the checkpoint's card, what it has seen, and its report."""
