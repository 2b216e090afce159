"""Run the first cells of a notebook before it is opened, so that it opens with its tool at work.

Cells tagged "start" are run in a kernel that the Jupyter server keeps for the notebook: JupyterLab
joins that kernel when the notebook is opened and finds the widgets alive.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anomaly_zoo.tables import replacing

TAG = "start"
SECONDS = 300.0
_WIDGET = "application/vnd.jupyter.widget-view+json"


def run_first_cells(
    api: str, token: str, folder: Path, name: str, say: Callable[[str], None] = print
) -> None:
    """Run the tagged cells of `folder/name` in a new kernel of the server at `api`.

    Their outputs are stored in the notebook, which is marked as trusted by this user; nothing else
    in it changes. `say` hears what takes long. Raises RuntimeError where the kernel or a cell
    fails; the notebook can then be opened and run by hand.
    """
    import nbformat
    from jupyter_client import BlockingKernelClient
    from jupyter_core.paths import jupyter_runtime_dir
    from nbformat.sign import NotebookNotary

    path = folder / name
    notebook = nbformat.read(path, as_version=4)
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and TAG in cell.metadata.get("tags", [])
    ]
    if not cells:
        return
    kernel = _start_kernel(api, token, name)
    client = BlockingKernelClient(
        connection_file=str(Path(jupyter_runtime_dir()) / f"kernel-{kernel}.json")
    )
    client.load_connection_file()
    # By default a kernel that is slow to start is taken for dead after a second.
    client.hb_channel.time_to_dead = 60.0
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        for cell in cells:
            _run(client, cell, say)
    except (OSError, TimeoutError) as error:
        raise RuntimeError(f"the kernel did not answer: {error}") from error
    finally:
        client.stop_channels()
        with replacing(path) as part:
            nbformat.write(notebook, part)
        NotebookNotary().sign(notebook)


def _start_kernel(api: str, token: str, name: str) -> str:
    """The id of a new kernel for the notebook."""
    body = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    request = urllib.request.Request(
        f"{api}api/sessions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        return str(json.load(answer)["kernel"]["id"])


def _run(client: Any, cell: Any, say: Callable[[str], None]) -> None:
    """Run one cell and keep its outputs in it."""
    from nbformat.v4 import output_from_msg

    cell.outputs = []
    started = time.monotonic()

    def keep(message: dict[str, Any]) -> None:
        if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            output = output_from_msg(message)
            # Progress bars are of no use to whoever opens the notebook.
            bar = output.get("name") == "stderr" or (
                output.output_type == "display_data" and _WIDGET in output.data
            )
            if not bar:
                cell.outputs.append(output)

    try:
        reply = client.execute_interactive(
            cell.source, allow_stdin=False, timeout=SECONDS, output_hook=keep
        )["content"]
    except TimeoutError:
        raise TimeoutError(f"a cell runs for more than {SECONDS:.0f} s") from None
    cell.execution_count = reply.get("execution_count")
    if reply["status"] != "ok":
        raise RuntimeError(f"{reply.get('ename')}: {reply.get('evalue')}")
    if time.monotonic() - started > 5:
        say(f"… ready after {time.monotonic() - started:.0f} s")
