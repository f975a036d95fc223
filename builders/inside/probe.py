"""Print what a platform is, as JSON. Run as `python probe.py FOLDER`, where FOLDER holds `packaging`."""

import json
import platform
import sys


def main(folder: str) -> None:
    """Read everything off the running interpreter; no marker is ever evaluated anywhere else."""
    sys.path.insert(0, folder)
    from packaging.markers import default_environment
    from packaging.tags import sys_tags

    libc, libc_version = platform.libc_ver()
    tags = [str(tag) for tag in sys_tags()]
    facts = {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "build": " ".join((*platform.python_build(), platform.python_compiler())),
        "system": {"linux": "linux", "darwin": "macos"}.get(sys.platform, sys.platform),
        "machine": machine(tags),
        "libc": libc,
        "libc_version": libc_version,
        "markers": dict(sorted(default_environment().items())),
        "tags": tags,
    }
    # A musl system has no libc_ver; its tags know better than any guess.
    if not libc:
        musl = [tag.rsplit("-", 1)[1].split("_") for tag in facts["tags"] if "-musllinux_" in tag]
        if musl:
            facts["libc"] = "musl"
            facts["libc_version"] = "{1}.{2}".format(*musl[0])
    json.dump(facts, sys.stdout, sort_keys=True)


def machine(tags: "list[str]") -> str:
    """What this Python runs as: the kernel's word alone would be that of a 64-bit one around a 32-bit system."""
    plain = [tag.rpartition("-linux_")[2] for tag in tags if "-linux_" in tag]
    return {"armv8l": "armv7l"}.get(plain[0], plain[0]) if plain else platform.machine()


if __name__ == "__main__":
    main(sys.argv[1])
