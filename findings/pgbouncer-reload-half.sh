#!/usr/bin/env bash
# PgBouncer's RELOAD of a file with one bad value succeeds, applies what is above the bad line and resets the rest.
#
# Versions: PgBouncer 1.18.0 (Debian 1.18.0-1+deb12u1); asked with psycopg 3.3.9.
#
# Behaviour: RELOAD answers RELOAD, without an error or a notice. Settings above the bad line have their new values.
# The bad line and every setting below it have PgBouncer's built-in defaults: neither what the file says, nor what was
# in force a moment before. The only trace is two lines of the log. A second RELOAD of the right file repairs it.
#
# Belief: a reload is all or nothing, as PostgreSQL's is (there, a file with an error changes nothing), or at least the
# command says that it failed. A deployment step that runs RELOAD and looks at its status sees success.
#
# Matters: one typing error near the top of pgbouncer.ini takes max_client_conn from 2000 to 100 and every other limit
# to its default while an OAuth server is under load, hours before anybody restarts the pooler and sees the error.
# Compare SHOW CONFIG before and after, or grep the log for "config file loading failed". PgBouncer's issue 1482 asks for
# a guarantee and is open; since its pull request 1231, newer versions at least answer with an error.
#
# Seen:
#> before: pool_mode=session default_pool_size=50 max_client_conn=2000 query_wait_timeout=30 server_idle_timeout=60
#> the file now: pool_mode=transaction default_pool_size=50k max_client_conn=3000 query_wait_timeout=30 server_idle_timeout=60
#> RELOAD: status COMMAND_OK, answer RELOAD, message none
#> after: pool_mode=transaction default_pool_size=20 max_client_conn=100 query_wait_timeout=120 server_idle_timeout=600
#> log: ERROR invalid value "50k" for parameter default_pool_size
#> log: WARNING config file loading failed
set -euo pipefail

scratch=$(mktemp -d)
finish() {
    if [ -f "$scratch/run/pid" ]; then kill "$(cat "$scratch/run/pid")"; fi
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM
chmod 755 "$scratch"
mkdir "$scratch/deb" "$scratch/root" "$scratch/run"

# Unpacked, not installed: an installed package would start a service.
(cd "$scratch/deb" && apt-get download -q -o APT::Sandbox::User=root \
    pgbouncer=1.18.0-1+deb12u1 libc-ares2 libevent-2.1-7 >/dev/null)
for deb in "$scratch"/deb/*.deb; do dpkg-deb -x "$deb" "$scratch/root"; done
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --target "$scratch/python" \
    'psycopg[binary]==3.3.9'

# PgBouncer refuses to run as root.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; else "$@"; fi
}
if [ "$(id -u)" -eq 0 ]; then chown 65534:65534 "$scratch/run"; fi

echo '"admin" ""' >"$scratch/users"
configure() { # SETTING=VALUE...
    cat >"$scratch/pgbouncer.ini" <<END
[databases]
provider = host=/var/run/postgresql
[pgbouncer]
listen_addr =
unix_socket_dir = $scratch/run
logfile = $scratch/run/log
pidfile = $scratch/run/pid
auth_type = trust
auth_file = $scratch/users
admin_users = admin
$(printf '%s\n' "$@")
END
}
console() { # COMMAND: its rows or its status
    PYTHONPATH=$scratch/python python3 - "$scratch/run" "$1" <<'END'
import sys
import psycopg

host, command = sys.argv[1:]
with psycopg.connect(host=host, port=6432, user="admin", dbname="pgbouncer", autocommit=True) as connection:
    answer = connection.pgconn.exec_(command.encode())
    if answer.ntuples:
        for row in range(answer.ntuples):
            name, value = (answer.get_value(row, column) or b"" for column in (0, 1))
            print(name.decode() + "=" + value.decode())
    else:
        status = psycopg.pq.ExecStatus(answer.status).name
        said = answer.error_message.decode() or "none"
        print(f"status {status}, answer {answer.command_status.decode()}, message {said}")
END
}
in_force() {
    local all name
    all=$(console 'SHOW CONFIG')
    for name in pool_mode default_pool_size max_client_conn query_wait_timeout server_idle_timeout; do
        grep "^$name=" <<<"$all"
    done | paste -sd' '
}

before=(pool_mode=session default_pool_size=50 max_client_conn=2000 query_wait_timeout=30 server_idle_timeout=60)
now=(pool_mode=transaction default_pool_size=50k max_client_conn=3000 query_wait_timeout=30 server_idle_timeout=60)
observe() {
    echo "before: $(in_force)"
    configure "${now[@]}"
    echo "the file now: ${now[*]}"
    echo "RELOAD: $(console RELOAD)"
    echo "after: $(in_force)"
    sed -nE 's/^.*\] (ERROR invalid value .*) in configuration.*|^.*\] (WARNING config file .*)/log: \1\2/p' \
        "$scratch/run/log"
}

configure "${before[@]}"
LD_LIBRARY_PATH=$(dirname "$(find "$scratch/root" -name 'libevent-2.1.so.7')") \
    as_nobody "$scratch/root/usr/sbin/pgbouncer" --quiet --daemon "$scratch/pgbouncer.ini"
for _ in $(seq 50); do
    if console 'SHOW CONFIG' >/dev/null 2>&1; then break; fi
    sleep 0.1
done

# The lines of the header that begin with "#>" are what was seen.
seen=$(observe)
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
