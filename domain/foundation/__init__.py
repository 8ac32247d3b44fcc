"""What every feature stands on: clock, settings, database, unit of work, tenancy, access, errors, change feed, jobs.

The lock order of the whole system, so that no two transactions wait for each other in a circle:
rules of the tenant → job → content → learners by id → enrollments → tasks → head of the change feed.
"""
