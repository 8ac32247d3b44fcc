"""Arguments that many fields have, with the same description everywhere: `first: First = 25, after: After = None`."""

from typing import Annotated

import strawberry
from strawberry import ID

First = Annotated[int, strawberry.argument(description="Number of items, from 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="Cursor to continue after.")]
Search = Annotated[str | None, strawberry.argument(description="Part of the name, ignoring case.")]
ObjectId = Annotated[ID, strawberry.argument(description="ID of the object.")]
ObjectIds = Annotated[list[ID], strawberry.argument(description="IDs of the objects.")]

#: For `filter: Annotated[LearnerFilterInput | None, FILTER] = None` and its like.
FILTER = strawberry.argument(description="Restriction of the result.")
ORDER_BY = strawberry.argument(description="Order of the result.")
INPUT = strawberry.argument(description="Input of the mutation.")
PREVIEW_INPUT = strawberry.argument(description="Input of the preview.")
