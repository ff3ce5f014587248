"""What requests the database holds, and the part of them that a question is about."""
