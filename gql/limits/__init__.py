"""What a document and an account may ask for."""
