# Runs PgBouncer on the configuration in the directory $1 as long as somebody
# holds the other end of its standard input, and then removes the directory.
directory=$1

pgbouncer --quiet "$directory/pgbouncer.ini" </dev/null &
pooler=$!
read -r _
kill -KILL "$pooler"
wait "$pooler"
rm -rf "$directory"
