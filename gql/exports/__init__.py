"""Reports as files, and the calendar."""
