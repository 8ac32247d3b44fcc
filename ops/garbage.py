"""When a serving process looks for garbage that holds itself: rarely, and never among what it was started with.

A page makes thousands of objects that are gone with the answer. By Python's defaults each page of a log sets off
several searches, every now and then one through the whole schema, and a third of the time goes into them.
"""

import gc

#: New objects after which the young ones are searched, and how often an older generation is.
YOUNG, OLDER = 50_000, 20


def collect_rarely() -> None:
    """Set aside what there is by now, and search less often from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
