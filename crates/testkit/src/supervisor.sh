# Stops the server in the directory $1 and removes the directory, as soon as
# the server's owner is gone.
directory=$1
data=$directory/data

# Nobody ever writes to the pipe: it ends when its owner closes it or dies.
read -r _

# By now the process id may be somebody else's, after a reboot for instance;
# but only the server was started with this directory.
stop() {
    pid=$(head -n 1 "$data/postmaster.pid")
    while grep -qF "$data" "/proc/$pid/cmdline"; do
        kill -QUIT "$pid"
        sleep 0.05
    done
}

# A server that was killed leaves its process id file, and on the file's
# seventh line the key of a shared memory segment.
remove_segment() {
    ipcrm -M "$(awk 'NR == 7 { print $1 }' "$data/postmaster.pid")"
}

# More than once, because an owner may die while its initdb is still writing.
for _ in $(seq 50); do
    stop
    remove_segment
    rm -rf "$directory" && exit
    sleep 0.1
done
exit 1
