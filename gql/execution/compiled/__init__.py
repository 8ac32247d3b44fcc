"""Selections as functions: what an operation selects is compiled once per document, and pages run through it whole.

graphql-core walks the selection anew for every object: about nine microseconds a field, and a task for every resolver
that waits. Here a field of the root, with everything under it, becomes a *plan*:

* `source` writes one Python function for each object type at each place of the selection. It makes the finished dict
  from attributes; fields that are computed without waiting are called in it. Interfaces and unions are told apart by
  the class of the object. What `@include` and `@skip` leave is settled beforehand: their variables are part of what a
  plan is kept by.
* Fields that lead to one row are declared (`gql.execution.related`): they tell batch function and key, for a whole
  page at once.
* Other fields whose resolver is `async` are left open in the dict, and noted. `running` then steps the noted resolvers
  by hand, all of a page together and without tasks. Those that ask for rows (`Context.load`) tell what they want, the
  rows of all of them are loaded with one call per batch function, and they go on. A value that comes out is completed
  by its own function, which may note further fields: so the statements of an operation follow the depth of its
  selection, never the number of its rows. A resolver that waits for anything else is simply awaited, one after
  another, as they share one connection anyway.
* `plans` keeps the plans of the documents last used; `executor` puts them to work.

Nothing here reports errors. Whatever is unusual has no plan, and whatever goes wrong in one, a null where none may be
included, is thrown away: the operation then goes on in the ordinary way, which finds what was loaded still there, and
reports what is wrong as it always does. `Context.is_compiling` turns all of this off.
"""
