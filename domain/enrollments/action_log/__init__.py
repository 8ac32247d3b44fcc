"""Reading the Content Actions Log: filters, pages and the report."""
