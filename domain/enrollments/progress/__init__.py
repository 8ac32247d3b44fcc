"""Progress: reports, attempts, and the status facts that rules see."""
