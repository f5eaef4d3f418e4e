#!/usr/bin/env bash
# Make a PostgreSQL image for the tests where no image registry can be reached, and a Docker engine
# to run it where none answers. Debian, root. Safe to run again: what is done is skipped.
#
#   make docker-image            (or: tests/support/docker_image.sh [image])
#
# The image is Debian's PostgreSQL 15 with pgTAP and plpgsql_check, superuser `postgres`, who enters
# without a password: for tests on this machine only. Its name goes to standard output, everything
# else to standard error. About a minute the first time, and 600 MB.
set -euo pipefail

image=${1:-sendonce/postgres-test:15}
exec 3>&1 1>&2

fail() {
    echo "docker-image: $*"
    exit 1
}

packages=()
command -v dockerd >/dev/null || packages+=(docker.io iptables)
command -v debootstrap >/dev/null || packages+=(debootstrap)
if [ "${#packages[@]}" -gt 0 ]; then
    [ "$(id -u)" = 0 ] || fail "needs root to install ${packages[*]}; or start a Docker engine yourself"
    command -v apt-get >/dev/null || fail "needs apt-get to install ${packages[*]}"
    apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
fi

if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one"
    log=$(mktemp --tmpdir sendonce-dockerd-XXXXXX.log)
    setsid nohup dockerd >"$log" 2>&1 </dev/null 3>&- &
    engine=$!
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && break
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.5
    done
    if ! docker info >/dev/null 2>&1; then
        tail -n 20 "$log"
        fail "the engine did not start (log: $log)"
    fi
    echo "docker-image: started a Docker engine, process $engine; it stays until it is ended"
fi

if ! docker image inspect "$image" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || fail "only root can build $image"
    root=$(mktemp --directory --tmpdir sendonce-image-XXXXXX)
    trap 'rm -rf -- "$root"' EXIT
    # The mirror that this machine itself uses.
    mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
    [ -n "$mirror" ] || mirror=$(awk '$1 == "deb" {print $2; exit}' /etc/apt/sources.list)
    [ -n "$mirror" ] || fail "no Debian mirror stands in /etc/apt"
    debootstrap --variant=minbase \
        --include=postgresql-15,postgresql-15-pgtap,postgresql-15-plpgsql-check \
        bookworm "$root" "$mirror" >"$root.log" || { tail -n 20 "$root.log"; fail "debootstrap failed"; }
    rm -f "$root.log"
    cat >"$root/usr/local/bin/serve-postgres" <<'SERVE'
#!/bin/sh
set -e
programs=/usr/lib/postgresql/15/bin
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    mkdir -p "$data"
    chown postgres "$data"
    chmod 700 "$data"
    su postgres -c "$programs/initdb --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8 --pgdata=$data"
    echo "host all all all trust" >>"$data/pg_hba.conf"
fi
exec su postgres -c "exec $programs/postgres -D $data -c listen_addresses='*' -c max_connections=200"
SERVE
    chmod +x "$root/usr/local/bin/serve-postgres"
    tar --directory "$root" --create . \
        | docker import --change 'ENTRYPOINT ["/usr/local/bin/serve-postgres"]' --change 'EXPOSE 5432' - "$image"
fi
echo "$image" >&3
