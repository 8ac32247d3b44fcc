"""`mandate import`: CSV files into a tenant."""
