"""The company that `mandate up` makes."""
