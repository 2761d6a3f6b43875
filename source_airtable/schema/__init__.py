"""What a table promises: its stream, its columns, their types, and values that fit them."""
