"""The tenant, who is calling, service accounts, the audit log."""
