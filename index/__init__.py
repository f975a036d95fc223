"""From stored wheels to a tree of plain files that a stranger's pip can use.

    model ─> catalog ──────────────> tree ─> publish ──────> verify
    (given)  (who offers what where)  (pure)  (the only       (a stranger reads it all again;
                                       │       writer, by      standard library only)
                     html_pages ───────┤       way of disk)
                     json_pages ───────┤
                     settings, locks ──┤
                     people ───────────┘

Nothing in here knows of `builders`; dodo.py joins the two.
"""
