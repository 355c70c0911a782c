# Stops the server in the directory $1 and removes the directory as soon as
# all owners of the server are gone.
directory=$1
data=$directory/data

# The process id may have been reused by now, for example after a reboot;
# only the server was started with this directory.
stop() {
    pid=$(head -n 1 "$data/postmaster.pid")
    while grep -qF "$data" "/proc/$pid/cmdline"; do
        # A server that a test has frozen receives no other signal.
        kill -CONT "$pid" $(children)
        kill -QUIT "$pid"
        sleep 0.05
    done
}

children() {
    awk -v parent="$pid" '$1 == "PPid:" && $2 == parent { split(FILENAME, part, "/"); print part[3] }' \
        /proc/[0-9]*/status
}

# A server that was killed leaves its process id file, and on the file's
# seventh line the key of a shared memory segment.
remove_segment() {
    ipcrm -M "$(awk 'NR == 7 { print $1 }' "$data/postmaster.pid")"
}

# Processes of a killed server may still write for a moment.
remove_directory() {
    for _ in $(seq 50); do
        # In case its log has a disk of its own.
        umount "$directory/wal"
        rm -rf "$directory" && return
        sleep 0.1
    done
}

# Nobody writes to the pipe: it ends when the last owner closes it or
# dies.
read -r _
stop
remove_segment
remove_directory
