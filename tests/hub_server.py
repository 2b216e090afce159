"""A Hugging Face Hub on this machine, so that the real client talks to something."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Repos = dict[str, dict[str, Path]]  # repository -> revision -> folder of files
OFFER = {
    "num": 1,
    "title": "Adding `safetensors` variant of this model",
    "author": {"name": "SFconvertbot"},
    "isPullRequest": True,
    "status": "open",
    "createdAt": "2024-03-19T12:00:00.000Z",
}


@contextmanager
def hub(repos: Repos, gated: tuple[str, ...] = ()) -> Iterator[str]:
    """The address of a Hub that holds these repositories; who opens a pull request is a bot."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            if asked := re.fullmatch(r"/api/models/(\w+/\w+)/discussions", path):
                offer = OFFER | {"repo": {"name": asked[1], "type": "model"}}
                offers = [offer] if "refs/pr/1" in repos[asked[1]] else []
                listed = {"discussions": offers, "count": len(offers), "start": 0}
                return self._send(200, json.dumps(listed).encode(), body)
            asked = re.fullmatch(r"/(\w+/\w+)/resolve/([^/]+)/(\S+)", path)
            repo = asked[1] if asked else ""
            if asked is None or repo in gated or repo not in repos:
                code = "GatedRepo" if repo in gated else "RepoNotFound"
                return self._send(403 if repo in gated else 401, b"", body, {"X-Error-Code": code})
            commits = {hashlib.sha1(r.encode()).hexdigest(): r for r in repos[repo]}
            revision = asked[2].replace("%2F", "/")
            revision = commits.get(revision, revision)
            if revision not in repos[repo]:
                return self._send(404, b"", body, {"X-Error-Code": "RevisionNotFound"})
            commit = {"X-Repo-Commit": hashlib.sha1(revision.encode()).hexdigest()}
            file = repos[repo][revision] / asked[3]
            if not file.is_file():
                return self._send(404, b"", body, commit | {"X-Error-Code": "EntryNotFound"})
            content = file.read_bytes()
            tag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._send(200, content, body, commit | tag)

        def _send(
            self, status: int, content: bytes, body: bool, more: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **(more or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
