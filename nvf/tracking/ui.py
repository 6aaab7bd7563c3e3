"""The MLflow UI over mlruns/."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from nvf import paths
from nvf.errors import NvfError, TrackingError
from nvf.journal.folders import SweepFolder
from nvf.redaction import safe
from nvf.tracking import server, views
from nvf.tracking.sync import sync

log = logging.getLogger(__name__)

STOP_SECONDS = 10


def serve(port: int = server.UI_PORT, host: str = "127.0.0.1", tell: Callable[[str], None] = print) -> None:
    """Serve the UI in the foreground until it is interrupted; where MLflow is a server already, name it.

    Parameters
    ----------
    port, host
        Where to listen. Any other host than this machine's own shows every run to the network, without a password.
    tell
        Takes the lines for the user.

    Raises
    ------
    TrackingError
        Where the port is taken, the database cannot be opened, or the server ends by itself.
    """
    uri = server.tracking_uri()
    if server.is_server(uri):
        tell(f"MLFLOW_TRACKING_URI is a server, which has a UI of its own: {safe(uri)}")
        return
    _check_port(host, port)
    mlflow = server.client()
    experiment = server.experiment(mlflow)
    views.introduce(mlflow, experiment)
    _settle()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the server outlives this process
    process = subprocess.Popen(command(port, host), env=environment(uri), start_new_session=True)
    tell(f"MLflow UI: http://{host}:{port}/{views.overview(experiment)}  (Ctrl-C ends)")
    try:
        code = process.wait()
    except KeyboardInterrupt:
        stop(process)
        return
    raise TrackingError(f"the MLflow UI ended by itself with exit code {code}; its messages stand above")


def _settle() -> None:
    """Show as killed what a dead driver left running: it cannot say so itself."""
    for sweep in SweepFolder.all():
        try:
            if not sweep.running() and sweep.state().status == "running":
                sync(sweep)
        except NvfError as error:
            log.warning(f"sweep {sweep.name}: {error}")


def command(port: int, host: str) -> list[str]:
    """Return the command that serves; the address of the database goes in the environment, where no `ps` shows it."""
    options = {"--host": host, "--port": str(port), "--workers": "1", "--uvicorn-opts": "--log-level warning"}
    return [sys.executable, "-m", "mlflow", "server", *(part for option in options.items() for part in option)]


def environment(uri: str) -> dict[str, str]:
    """Return the environment to serve in: without job execution it takes 2 processes instead of 10."""
    own = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_ARTIFACTS_DESTINATION": (paths.mlruns() / "artifacts").as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | own


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server with its workers."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise TrackingError(
                f"cannot listen on {host}, port {port} ({error.strerror}); choose another one: nvf ui --port {port + 1}"
            ) from None
