"""From declarations to stored, hashed wheels.

    platforms ─> images ─> facts ─> lock ─> plan ─> fetch ─> build ─> repair ─> archives ─> store
    (declared)   (once)    (probe)  (uv)    (pure)  (network) (box)   (host)    (strict)    (truth)

The files, by what they are for:

    declare    declarations, platforms, keys, yaml_nodes, requirements
    run jobs   jobs, commands, inside/; containers, engine, images; hosts; outputs, build_places, certificates
    know       facts, machines, pythons, uv_program
    lock       resolve, gateway, lock, locking, buildlocks, promises, plan
    upstream   upstreams, machine_index, pages, page_forms, filenames, urls, credentials; fetch, connections,
               fetching_ahead
    make       making, taking, building, environments, diagnose; repair, libraries; proving
    read       archives, wheels, zips, zip_ends, sdists, tars, coremetadata, reading_apart
    keep       store, scratch, closure, pipeline, generations, standing
    tell       progress, live, report, summary, terminal
    doit       bridge, holding, run, yard, stopping, errors

Nothing in here knows of `index`; dodo.py joins the two.
"""
