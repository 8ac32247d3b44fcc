"""Requests that nobody means well with, made from the schema, from documents and from bytes; and what is wrong with
an answer to one. Everything follows from one source of chances, so that a seed repeats a run."""
