"""How uvicorn serves here."""
