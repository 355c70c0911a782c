#!/bin/sh
# Makes a private Python with SQLAlchemy, asyncpg and aiosqlite in bench/python/environment.
set -eu
cd "$(dirname "$0")"
python3 -m venv environment
environment/bin/pip install --quiet --requirement requirements.txt
echo "done: $(environment/bin/python -c 'import sqlalchemy; print("SQLAlchemy", sqlalchemy.__version__)')"
