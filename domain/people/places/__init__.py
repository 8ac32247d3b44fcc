"""Departments, learning groups, clients and sublicenses."""
