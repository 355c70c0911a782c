#!/bin/sh
# Makes a private Python with FastAPI, uvicorn, SQLAlchemy and asyncpg in bench/http/environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv environment
environment/bin/pip install --quiet --requirement requirements.txt
