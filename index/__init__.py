"""From stored wheels to a tree of plain files that a stranger's pip can use.

    model ─> batches ─> projects ─> parts ─> tree ─> publish ──────> verify
    (given)  (a few     (catalog: who       (pure)  (the only       (a stranger reads it all again;
             together)   offers what)        │       writer)         standard library only)
                          html_pages ────────┤          │
                          json_pages ────────┤          ├──> known, manifest     (what is there already)
                          settings ──────────┤          ├──> staging ─> sharing  (what is new; several processes)
                          people, ───────────┘          └──> disk, placing       (every call of the file system)
                          people_projects    ^
                                           memo  (what need not be made again)

names says what may stand in a path, errors what can go wrong, people_parts what the pages for people have in common;
clients which wheel a client takes, and needs what a wheel requires, for the catalog. collector pauses the garbage
collector.

Nothing in here knows of `builders`; dodo.py joins the two.
"""
