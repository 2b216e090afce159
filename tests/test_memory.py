"""What a session takes, beyond the features on disk and the libraries, is bounded an object."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomaly_zoo.threads import cores

WORK = """
import re, sys, threading, time
from pathlib import Path
import numpy as np
import anomaly_zoo as az

folder = Path(sys.argv[1])

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def work(n):
    ids = [f"J{row:08d}" for row in range(n)] if n < 1000 else folder / "ids.npy"
    features = az.Representation.read(folder / f"{n}.npy", ids=ids)
    session = az.Session(features)
    session.next()
    for look in range(28):
        session.rate(f"J{7 * look:08d}", look % 6)
    for look in range(2):
        [shown] = session.next()
        session.prepare(shown)
        session.rate(shown, look)
    session.flag(session.next(9)[-1])
    session.limit("interest_std < 9 AND p_interesting < 2 AND NOT #ring")
    session.tag(session.next()[0], "#ring")
    session.near("#ring")
    session.next()
    session.ranking(1000)
    session.progress()
    return session

small = work(500)  # every library is loaded
small.state.p_interesting
before = most = anonymous()

def watch():
    global most
    while True:
        most = max(most, anonymous())
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
session = work(int(sys.argv[2]))
print(max(most, anonymous()) - before, len(session.state.hypotheses))
"""
N, D = 600_000, 8


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_session_stays_within_its_bound(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float16)
    np.save(tmp_path / f"{N}.npy", X)
    np.save(tmp_path / "500.npy", X[:500])
    np.save(tmp_path / "ids.npy", np.char.add("J", np.char.zfill(np.arange(N).astype(str), 8)))
    command = [sys.executable, "-c", WORK, str(tmp_path), str(N)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    most, hypotheses = map(int, done.stdout.split())
    assert hypotheses > 1
    bound = 120 * N + 20e6 * cores() + 30e6  # as the docstring of Session says
    components = 4 * N * D
    assert most - components < bound, f"{most / 1e6:.0f} MB, {components / 1e6:.0f} of components"
