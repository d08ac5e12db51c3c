# Guards one PostgreSQL server: obeys the lines on its standard input and, when that ends (because the process that
# holds it ended, in whatever way), stops the server and removes its directory.
#
#   sh -c "$(cat postgres.sh)" "$(cat postgres.sh)" <folder of PostgreSQL's binaries> <port on 127.0.0.1> <settings>
#
# (the script is its own $0, so that another user can be handed it without a file to read; the settings are lines for
# the end of postgresql.conf)
#
# "start" is answered "started", "stop" (immediate, as a crash) "stopped", "database <name>" (to make an empty one)
# "made"; anything else is an error in plain words.
set -u
bin=$1
port=$2
settings=$3

# PostgreSQL refuses to run as root, so root hands over to a user that owns nothing.
if [ "$(id -u)" = 0 ]; then
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups sh -c "$0" "$0" "$bin" "$port" "$settings"
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/santral-postgres.XXXXXX") || exit 1
cd "$folder" || exit 1
exec 2>"$folder/guardian.log"

finish() {
    "$bin/pg_ctl" --pgdata="$folder/data" --mode=immediate --wait stop >/dev/null
    cd /
    rm -rf "$folder"
}
trap finish EXIT
# Ctrl-C reaches the whole process group, and a killed test process leaves nobody to answer: outlive both.
trap : INT HUP TERM PIPE

complain() {
    echo "$1: $(tail -n 3 "$folder/guardian.log" "$folder/server.log" 2>/dev/null | tr '\n' ' ')"
}

prepare() {
    echo superuser >"$folder/password"
    "$bin/initdb" --pgdata="$folder/data" --username=postgres --pwfile="$folder/password" \
        --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-instructions >/dev/null || return 1
    cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 200
shared_buffers = 32MB
fsync = on
synchronous_commit = on
log_min_messages = warning
$settings
CONF
    # As an operator would have it: may create databases' contents and roles, but is no superuser.
    echo "CREATE ROLE operator LOGIN PASSWORD 'operator' CREATEROLE" |
        "$bin/postgres" --single -D "$folder/data" postgres >/dev/null || return 1
}

# A server that was stopped "immediately" replays its log before it takes connections; -w waits for that.
start() {
    "$bin/pg_ctl" --pgdata="$folder/data" --log="$folder/server.log" --wait --timeout=60 start >/dev/null
}

stop() {
    "$bin/pg_ctl" --pgdata="$folder/data" --mode=immediate --wait stop >/dev/null
}

database() {
    PGPASSWORD=superuser "$bin/createdb" --host="$folder" --port="$port" --username=postgres --owner=operator "$1"
}

prepare || { complain "initdb failed"; exit 1; }
echo "folder $folder"
while read -r command name; do
    case $command in
    start) if start; then echo started; else complain "PostgreSQL did not start"; fi ;;
    stop) if stop; then echo stopped; else complain "PostgreSQL did not stop"; fi ;;
    database) if database "$name"; then echo made; else complain "the database was not made"; fi ;;
    *) echo "unknown command: $command" ;;
    esac
done
