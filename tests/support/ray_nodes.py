"""A second node of a Ray cluster on this machine, in a process of its own that ends with its standard input.

python -m tests.support.ray_nodes <address of the head> <temporary folder of the head>
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psutil
from ray._private.parameter import RayParams

from investlab.compute import RayHead
from investlab.compute.head import _BareNode, _free_port, _python_path

ROOT = Path(__file__).resolve().parents[2]


class RayNode:
    """A running node; `family` are its processes, the raylet among them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def family(self) -> list[psutil.Process]:
        """Return the node's processes."""
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    def raylet(self) -> int:
        """Return the pid of the node's raylet, the parent of its workers."""
        return next(process.pid for process in self.family() if process.name() == "raylet")

    def kill(self) -> None:
        """Kill everything of the node at once, as when its machine goes."""
        for process in self.family():
            process.kill()


@contextmanager
def second_node(head: RayHead) -> Iterator[RayNode]:
    """Add a node with one worker to a head while the context lasts."""
    environment = {**os.environ, **head.env, "PYTHONPATH": _python_path(dict(os.environ))}
    command = [sys.executable, "-m", "tests.support.ray_nodes", head.address, str(head.folder / "r")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield RayNode(process)
        assert process.stdin is not None
        process.stdin.close()


def serve(address: str, folder: str) -> None:
    """Run the node."""
    node = _BareNode(
        RayParams(
            gcs_address=address,
            node_ip_address="127.0.0.1",
            num_cpus=1,
            include_log_monitor=cast("bool", False),
            temp_dir=folder,
            object_store_memory=10**8,
            runtime_env_agent_port=_free_port(),
        ),
        head=False,
        shutdown_at_exit=False,
    )
    sys.stdout.write("up\n")
    sys.stdout.flush()
    sys.stdin.read()
    node.kill_all_processes(check_alive=False, allow_graceful=False)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
