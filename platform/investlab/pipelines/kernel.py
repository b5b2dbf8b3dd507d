"""The process of a notebook's kernel: bounded in CPU, memory and file size, and gone when its parent is.

Run as `python -m investlab.pipelines.kernel CPU_SECONDS ...`; the rest of the arguments are ipykernel's.
"""

import os
import resource
import sys

from ipykernel import kernelapp

from investlab.core.lifeline import die_with_parent

_MEMORY_SHARE = 0.8
_LARGEST_FILE = 16 * 2**30
_MOST_OPEN_FILES = 65_536


def bound(cpu_seconds: int) -> None:
    """Limit this process and what it starts."""
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _MEMORY_SHARE)
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
        (resource.RLIMIT_NOFILE, _MOST_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        soft, hard = resource.getrlimit(kind)
        ceiling = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (ceiling if soft == resource.RLIM_INFINITY else min(soft, ceiling), ceiling))


if __name__ == "__main__":
    bound(int(sys.argv[1]))
    die_with_parent(int(os.environ["JPY_PARENT_PID"]))
    kernelapp.launch_new_instance(argv=sys.argv[2:])
