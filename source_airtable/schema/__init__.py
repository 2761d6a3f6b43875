"""The schema of a table: its stream, its columns, their types, and values that fit them."""
