"""The audit log: who changed which object, field by field."""
