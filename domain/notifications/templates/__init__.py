"""Email templates: their language, how they are validated, and what is made of them."""
