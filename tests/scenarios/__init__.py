"""The guides, sentence by sentence, and long random histories."""
