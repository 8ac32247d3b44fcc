"""When and how often: the worker that runs background jobs and the scheduler that hands them out.

Every actor is a thin call into the domain. The rows in PostgreSQL say what there is to do; the broker only carries IDs
and may lose them.
"""
