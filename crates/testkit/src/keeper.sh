# Holds the shared server as long as the state directory $1 has users, and some
# seconds longer: a runner that starts a process for each test has moments
# without any. Its standard output is the pipe that the server's reaper
# watches, so the server ends when this script does.
state=$1

while :; do
    flock "$state/users.lock" true
    sleep 3

    # The shell ends here if the file is gone, and the state with it.
    exec 8<"$state/start.lock"
    flock 8
    # While this lock is held nobody can become a user; but a lock on a file
    # that was removed, and perhaps made again, holds nothing.
    if [ "/proc/$$/fd/8" -ef "$state/start.lock" ] &&
        flock --nonblock "$state/users.lock" true; then
        # In this order: with the start.lock goes the lock.
        rm -f "$state/server" "$state/users.lock" "$state/start.lock"
        rmdir "$state"
        exit
    fi
    exec 8<&-
done
