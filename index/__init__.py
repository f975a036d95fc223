"""From stored wheels to a tree of plain files that a stranger's pip can use.

    model ─> projects ──(part)────────> tree ─> publish ──────> verify
    (given)  (one at a time: catalog,  (pure)  (the only       (a stranger reads it all again;
              who offers what where)    │       writer)         standard library only)
                     html_pages ────────┤          │
                     json_pages ────────┤          ├──> known ──> looking   (what is there already)
                     settings, locks ───┤          ├──> staging ─> sharing  (what is new; several processes)
                     people ────────────┘          └──> disk, placing      (every call of the file system)
                                        ^
                                      memo  (what need not be made again)

Nothing in here knows of `builders`; dodo.py joins the two.
"""
