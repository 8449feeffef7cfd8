"""The schema of order operations: what they take, what they answer, and their errors."""
