"""From declarations to stored, hashed wheels.

    platforms ─> images ─> facts ─> lock ─> plan ─> fetch ─> build ─> repair ─> archives ─> store
    (declared)   (once)    (probe)  (uv)    (pure)  (network) (box)   (host)    (strict)    (truth)

Nothing in here knows of `index`; dodo.py joins the two.
"""
