"""Where pictures come from: class folders, an archive, a table, here or in the object store.

In: what a person or a pipeline calls ``data``. Out: where it lies on this machine, and which files
it holds, each of which class; no picture is opened yet.
"""

from weathervane.data.sources.listing import Listing
from weathervane.data.sources.places import (
    is_address,
    list_pictures,
    local_folder,
    local_part,
    local_source,
)

__all__ = [
    "Listing",
    "is_address",
    "list_pictures",
    "local_folder",
    "local_part",
    "local_source",
]
