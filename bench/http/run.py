"""Measures the service beside the same endpoints in FastAPI and by hand, with wrk.

    apt-get install wrk
    bench/http/install.sh
    cargo build --release -p tallybook-cli
    (cd bench && cargo build --release -p tallybook-http-peer)
    bench/http/environment/bin/python bench/http/run.py

Every round asks every peer every question, so that what else the machine does hits all alike. The database, the servers and wrk
share the machine.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATCH = """
wrk.method = "PATCH"
wrk.headers["Content-Type"] = "application/json"
local n = 0
function request()
    n = n + 1
    return wrk.format(nil, "/v1/positions/" .. (1 + n % 1000), nil, '{"current_price": "' .. (100 + n % 900) .. '"}')
end
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Postgres:
    """A server of its own, in memory."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        # PostgreSQL refuses to run as root.
        self.user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.directory, "nobody")
        self.control, self.data, port = programs / "pg_ctl", self.directory / "data", free_port()
        self.run([programs / "initdb", "-D", self.data, "-U", "tallybook", "-A", "trust"])
        self.run([self.control, "-D", self.data, "-w", "-o", f"-p {port} -k {self.directory}", "start"])
        self.url = f"postgresql://tallybook@127.0.0.1:{port}/postgres"

    def run(self, command):
        subprocess.run([*self.user, *command], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.run([self.control, "-D", self.data, "-m", "immediate", "stop"])
        shutil.rmtree(self.directory, ignore_errors=True)


class Peer:
    """A server that is measured."""

    def __init__(self, name, command, port, **variables):
        self.name, self.port = name, port
        self.process = subprocess.Popen(
            command, env=os.environ | variables, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                self.get("/v1/positions?portfolio_id=1&symbol=AAPL")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{name} does not answer")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as answer:
            return json.load(answer)

    def memory(self):
        """The resident memory of the processes, in MB."""
        ids = [self.process.pid, *map(int, subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split())]
        kib = [re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{id}/status").read_text()) for id in ids]
        return sum(int(found.group(1)) for found in kib if found) / 1024


def wrk(port, path, connections, seconds, script=None):
    """Returns requests a second, the 99th percentile in milliseconds, and the requests that failed."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{path}"]
    if script:
        command[1:1] = ["-s", script]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(failed.group(1)) if failed else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=2, help="of each peer and question in a round")
    arguments.add_argument("--program", default=ROOT / "target/release/tallybook")
    arguments.add_argument("--peer", default=ROOT / "bench/target/release/tallybook-http-peer")
    options = arguments.parse_args()

    postgres, peers = Postgres(), []
    script = tempfile.NamedTemporaryFile("w", suffix=".lua")
    script.write(PATCH)
    script.flush()
    try:
        url = postgres.url
        for command in (["migrate", "upgrade"], ["seed", "--portfolios", "1000", "--trades", "200000"]):
            subprocess.run([options.program, *command, "--database", url], check=True, stdout=subprocess.DEVNULL)
        ports = [free_port() for _ in range(3)]
        service = [options.program, "serve", "--database", url, "--listen", f"127.0.0.1:{ports[0]}",
                   "--max-requests", "1000"]
        peers.append(Peer("Tallybook", service, ports[0], RUST_LOG="error"))
        peers.append(Peer("axum + sqlx", [options.peer, url, str(ports[1])], ports[1]))
        uvicorn = [HERE / "environment/bin/uvicorn", "fastapi_peer:app", "--port", str(ports[2]), "--workers", "2",
                   "--loop", "uvloop", "--no-access-log"]
        peers.append(Peer("FastAPI + SQLAlchemy", uvicorn, ports[2],
                          PEER_URL=url.replace("postgresql://", "postgresql+asyncpg://")))
        symbol = peers[0].get("/v1/positions?portfolio_id=7&limit=1")["rows"][0]["symbol"]
        questions = [
            ("portfolio with all relations", "/v1/portfolios/7?include=positions,trades,sessions", None),
            ("page of 50 trades", "/v1/trades?portfolio_id=7&limit=50", None),
            ("position by symbol", f"/v1/positions?portfolio_id=7&symbol={symbol}", None),
            ("price of a position changed", "/", script.name),
        ]
        for name, path, write in questions:
            if not write:
                found = [count(peer.get(path)) for peer in peers]
                if found.count(found[0]) != len(found):
                    raise SystemExit(f"{name}: the peers return {found} rows")
        print(f"{os.cpu_count()} cores; {options.rounds} rounds of {options.seconds} s; medians", flush=True)
        for connections in (16, 256):
            measure(peers, questions, connections, options)
        print("\nmemory at the end, MB: " + ", ".join(f"{peer.name} {peer.memory():.0f}" for peer in peers))
    finally:
        for peer in peers:
            peer.process.terminate()
            peer.process.wait()
        postgres.stop()


def count(body):
    """The rows of an answer, whatever their form."""
    return {name: len(rows) for name, rows in body.items() if isinstance(rows, list)}


def measure(peers, questions, connections, options):
    measured = {}
    for _ in range(options.rounds):
        for question, path, script in questions:
            for peer in peers:
                found = wrk(peer.port, path, connections, options.seconds, script)
                measured.setdefault((question, peer.name), []).append(found)
    print(f"\n| {connections} connections | peer | requests/s | p99, ms | failed | ratio |\n|---|---|---:|---:|---:|---:|")
    for question, _, _ in questions:
        ours = [rate for rate, _, _ in measured[question, peers[0].name]]
        for peer in peers:
            runs = measured[question, peer.name]
            ratio = statistics.median(own / max(other, 0.1) for own, (other, _, _) in zip(ours, runs))
            rate, late = (statistics.median(run[part] for run in runs) for part in (0, 1))
            failed = sum(run[2] for run in runs)
            print(f"| {question} | {peer.name} | {rate:,.0f} | {late:,.1f} | {failed} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
