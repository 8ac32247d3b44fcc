"""How one operation runs: its context, loaders, documents and compiled selections."""
