"""What is true and what happens. The domain imports neither the API nor the jobs, and no framework of theirs.

The features, from the ground up; each imports only what stands above it here:

- `foundation`: clock, settings, database, unit of work, rights, errors, change feed, jobs, audit log.
- `tenants`: companies and the partner tools that call in their name.
- `people`: learners, their reference values, and the places they belong to.
- `content`: courses and learning paths (a sibling of `people`).
- `enrollments`: who has access to what and why, how far they are, and the Content Actions Log.
- `auto_assignment`: rules as data, the one query that matches them, and what follows from it.
- `mandatory_tasks`: what somebody must complete by when, again and again, and their reminders (`auto_assignment` and
  it do not import each other).
- `reactions`: the table of what follows from what.

Words: a *fact* is what rules look at (a reference value, a placement, a status that no rule caused); a *reason* holds
an enrollment; a *member* of a rule meets it now; an *atom* is one fact that a condition of a rule names.
"""
