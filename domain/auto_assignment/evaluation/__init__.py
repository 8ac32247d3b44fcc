"""What rules do: matching, memberships, enrollments; preview, simulation and explanation."""
