"""What is true and what happens. The domain imports neither the API nor the jobs, and no framework of theirs.

The features, from the ground up; each imports only what stands above it here:

- `foundation`: clock, settings, database, unit of work, rights, errors, change feed, jobs, audit log.
- `tenants`: companies and the partner tools that call in their name.
- `people`: learners, their reference values, and the places they belong to.
- `content`: courses and learning paths (a sibling of `people`).
- `enrollments`: who has access to what and why, how far they are, and the Content Actions Log.
- `notifications`: what people are told, in the platform and by email (a sibling of `enrollments`).
- `auto_assignment`: rules as data, the one query that matches them, and what follows from it.
- `mandatory_tasks`: who has to complete what by when, with reminders and cycles (a sibling of `auto_assignment`).
- `reactions`: the table of what follows from what.

Words: a *fact* is what rules look at (a reference value, a placement, a status that no rule caused); a *reason* holds
an enrollment; a *member* of a rule meets it now; an *atom* is one fact that a condition of a rule names.
A task is *open* while it is neither completed in its current *cycle* nor withdrawn; a reason is *binding* while an open
task holds it.
"""
