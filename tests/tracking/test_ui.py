from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from nvf import paths
from nvf.errors import TrackingError
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import ui
from nvf.tracking.sync import sync
from tests.tracking import journals
from tests.tracking.servers import wait_for
from tests.tracking.test_projection import shown


def test_a_taken_port_is_named_with_the_option(free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        with pytest.raises(TrackingError, match=f"port {free_port} .*nvf ui --port {free_port + 1}"):
            ui.serve(port=free_port)


def test_a_server_has_a_ui_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:s3cret@mlflow.example")
    said: list[str] = []
    ui.serve(tell=said.append)
    assert said == ["MLFLOW_TRACKING_URI is a server, which has a UI of its own: https://mlflow.example"]


def test_serves_until_ended_shows_the_dead_as_killed_and_leaves_no_process(free_port: int) -> None:
    with Journal.create(paths.sweep(journals.NAME)) as journal:
        journals.start(journal)
        journals.start_trial(journal, 0)
        sync(SweepFolder.named(journals.NAME))
    assert shown()[2][0].info.status == "RUNNING"
    code = f"from nvf.tracking.ui import serve; serve(port={free_port})"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ, stdout=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{free_port}/health"
    wait_for(address)
    assert shown()[2][0].info.status == "KILLED"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    ours = f"MLflow UI: http://127.0.0.1:{free_port}/#/experiments/1/runs"
    assert any(line.startswith(ours) for line in said.splitlines()), "the server may say something before"
    time.sleep(0.2)
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=2)
