"""Our tree as a command of its own: `python -m benchmarks.publication STORE PUBLIC`.

From the records as they lie in the store, a file each, to the whole tree of one platform, as dodo.py does it: read,
arrange, publish. Says as JSON what of its time went where; what is missing there is the start of Python and of this.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from builders.store import Store
from index.model import PublishedPlatform, PublishedSet
from index.publish import publish
from index.tree import tree


def main() -> None:
    """Publish everything that has a record."""
    store, public = Store(Path(sys.argv[1])), Path(sys.argv[2])
    started = time.perf_counter()
    wheels = tuple(store.needed_records(sorted(store.finished())).values())
    read = time.perf_counter()
    one = PublishedPlatform(
        name="debian-bullseye",
        python="3.9.2",
        tags=("py3-none-any",),
        libc=(2, 31),
        wheels=wheels,
        sets=(PublishedSet(name="base", wheels=wheels[:100]),),
    )
    whole = tree([one], url=None, metadata=lambda digest: store.blob(digest).read_bytes())
    arranged = time.perf_counter()
    publish(public, whole, blob=store.blob_name)
    ended = time.perf_counter()
    print(json.dumps({"records read": read - started, "tree": arranged - read, "publish": ended - arranged}))


if __name__ == "__main__":
    main()
