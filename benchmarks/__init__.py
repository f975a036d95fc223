"""What the program costs, beside what one would otherwise do; measured side by side, in one run, on this machine.

measure.py       repetitions, interleaved, and how they are told
workspaces.py    the workspaces that are measured, and doit on them
unchanged.py     nothing changed, against doit's own start
wheels.py        wheels for several platforms, against pip in the same images
memory.py        one very large wheel
rollback.py      back to an earlier tree
page.py          the page for people with 20,000 projects, in a browser
tree.py          the published tree alone (`python -m benchmarks.tree`)
peers.py         our tree beside other indexes: made_store.py makes the wheels, publication.py is our side,
                 programs.py runs each, outputs.py looks at what it wrote
"""
