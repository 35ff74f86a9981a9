"""`./test`: its parts, what they need, and how they are counted."""
