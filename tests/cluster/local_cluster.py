"""A real Ray cluster on this machine: several nodes, a token, a folder and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LOOK = """
import json, sys, time, ray
ray.init(sys.argv[1], logging_level=40, log_to_driver=False)
for _ in range(75):
    free = ray.available_resources().get("CPU", 0)
    if free == ray.cluster_resources()["CPU"]:
        break
    time.sleep(0.2)
print(json.dumps({"nodes": [node["NodeID"] for node in ray.nodes() if node["Alive"]], "free": free}))
"""


@dataclass
class Node:
    """One node: the process `ray start --block`, and all that it started."""

    process: subprocess.Popen[bytes]
    log: Path

    def crash(self) -> None:
        """Kill all processes of the node at once, as a loss of power would."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the node's processes, and make sure of it."""
        family = self._family()
        self.process.terminate()
        for process in psutil.wait_procs(family, timeout=15)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _family(self) -> list[psutil.Process]:
        if self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


class LocalCluster:
    """A head of one CPU, and as many further nodes as are added. No process of pytest's ever joins it."""

    def __init__(self) -> None:
        # Not pytest's folder: the path of a socket holds 107 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="nvf-ray-"))
        self.port, dashboard_port, client_port = _free_ports(3)
        self.address = f"127.0.0.1:{self.port}"
        self.dashboard = f"http://127.0.0.1:{dashboard_port}"
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        (self.folder / "token").write_text(secrets.token_hex(32))
        self._nodes: list[Node] = []
        try:
            self._add(
                "--head",
                f"--port={self.port}",
                "--include-dashboard=true",
                f"--dashboard-port={dashboard_port}",
                f"--ray-client-server-port={client_port}",
            )
        except BaseException:
            self.close()
            raise

    def add_node(self) -> Node:
        """Return one more node of one CPU, once it has joined."""
        return self._add(f"--address={self.address}")

    def look(self) -> dict[str, Any]:
        """Return the ids of the `nodes` that are alive, and how many CPUs are `free`; waits 15 s for all of them."""
        done = self.run(sys.executable, "-c", LOOK, self.address)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that knows the cluster's token."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60
        )

    def close(self) -> None:
        """End every process of the cluster, and remove its folder."""
        for node in reversed(self._nodes):
            node.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, *arguments: str) -> Node:
        name = f"n{len(self._nodes)}"
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *arguments]
        # Nodes that share this folder unpack a job's working_dir over one another.
        command += [f"--temp-dir={self.folder / name}"]
        command += ["--object-store-memory=80000000", "--dashboard-agent-listen-port=0", "--disable-usage-stats"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env={**os.environ, **self.environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._nodes.append(Node(process, log))
        deadline = time.monotonic() + 200  # a busy machine takes more than a minute
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        return self._nodes[-1]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
