"""From stored wheels to a tree of plain files that a stranger's pip can use.

    model ─> projects ──(part)────────> tree ─> publish ──────> verify
    (given)  (one at a time: catalog,  (pure)  (the only       (a stranger reads it all again;
              who offers what where)    │       writer, by      standard library only)
                     html_pages ────────┤       way of disk)
                     json_pages ────────┤          │
                     settings, locks ───┤          v
                     people ────────────┘<─────── memo         (what need not be made again)

Nothing in here knows of `builders`; dodo.py joins the two.
"""
