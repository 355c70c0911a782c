"""Measures the service beyond its limit: four times as many clients as it admits, which wait as `Retry-After` says.

    apt-get install wrk
    cargo build --release -p tallybook-cli
    python3 bench/http/saturation.py

Alternates between as many clients as the service admits and four times as many. Times are the service's own (`Server-Timing`), of
answers with 200 only. Health is asked throughout. At last it opens 10,000 connections that say nothing.
"""

import argparse
import re
import resource
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

from run import ROOT, Peer, Postgres, free_port

CONNECTIONS = 15
# The usual limit: two requests for each connection of the pool.
ADMITTED = 2 * CONNECTIONS
SCRIPT = """
local refused = false
local times = {}
local threads = {}

function setup(thread) table.insert(threads, thread) end
function init() accepted, shed, shown = 0, 0, "" end
function delay() if refused then refused = false; return 1000 end; return 0 end

function response(status, headers)
    if status == 200 then
        accepted = accepted + 1
        times[#times + 1] = tonumber(string.match(headers["server-timing"], "total;dur=([%d.]+)"))
    elseif status == 503 then
        shed = shed + 1
        refused = true
    end
    if accepted % 100 == 0 then
        shown = table.concat(times, ",")
    end
end

function done()
    local accepted, shed = 0, 0
    for _, thread in ipairs(threads) do
        accepted = accepted + thread:get("accepted")
        shed = shed + thread:get("shed")
        print("times " .. thread:get("shown"))
    end
    print("counts " .. accepted .. " " .. shed)
end
"""


def load(port, path, connections, seconds, script):
    """Returns accepted requests a second, the share that was shed, and the accepted ones' p99 in milliseconds."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}{path}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    accepted, shed = map(int, re.search(r"counts (\d+) (\d+)", out).groups())
    times = sorted(float(time) for line in re.findall(r"times (.*)", out) for time in line.split(",") if time)
    return accepted / seconds, shed / max(accepted + shed, 1), times[int(len(times) * 0.99)]


class Health(threading.Thread):
    """Asks for the health of the service until it is stopped."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.url, self.times, self.failed, self.stopped = f"http://127.0.0.1:{port}/healthz", [], 0, False

    def run(self):
        while not self.stopped:
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self.url, timeout=5) as answer:
                    answer.read()
                self.times.append(time.monotonic() - began)
            except OSError:
                self.failed += 1
            time.sleep(0.05)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=4)
    arguments.add_argument("--idle", type=int, default=10_000)
    arguments.add_argument("--program", default=ROOT / "target/release/tallybook")
    options = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    postgres, service = Postgres(), None
    script = tempfile.NamedTemporaryFile("w", suffix=".lua")
    script.write(SCRIPT)
    script.flush()
    try:
        for command in (["migrate", "upgrade"], ["seed", "--portfolios", "1000", "--trades", "200000"]):
            command = [options.program, *command, "--database", postgres.url]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = free_port()
        service = Peer("Tallybook", [options.program, "serve", "--database", postgres.url, "--listen",
                                     f"127.0.0.1:{port}", "--max-requests", str(ADMITTED)], port, RUST_LOG="error")
        health = Health(port)
        health.start()
        path = "/v1/portfolios/7?include=positions,trades,sessions"
        measured = {CONNECTIONS: [], ADMITTED: [], 4 * ADMITTED: []}
        for _ in range(options.rounds):
            for connections, runs in measured.items():
                runs.append(load(port, path, connections, options.seconds, script.name))
        print(f"{options.rounds} rounds of {options.seconds} s; medians\n\n| clients | answered/s | p99, ms | shed |\n|---:|---:|---:|---:|")
        for connections, runs in measured.items():
            rate, shed, late = (statistics.median(part) for part in zip(*runs))
            print(f"| {connections} | {rate:,.0f} | {late:,.1f} | {shed:.0%} |")
        print(f"\nmemory: {service.memory():.0f} MB")
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(options.idle)]
        rate, _, late = load(port, path, CONNECTIONS, options.seconds, script.name)
        print(f"beside {len(idle):,} idle connections: {rate:,.0f}/s, p99 {late:,.1f} ms, memory {service.memory():.0f} MB")
        health.stopped = True
        health.join()
        asked = len(health.times) + health.failed
        slowest = max(health.times) * 1e3
        print(f"health: asked {asked} times, {health.failed} without an answer, the slowest after {slowest:,.0f} ms")
    finally:
        if service:
            service.process.terminate()
            service.process.wait()
        postgres.stop()


if __name__ == "__main__":
    main()
